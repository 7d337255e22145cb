//! Manifests, `kubectl` dumps and the CLB API's saved answers, read from files.
//!
//! Reading never fails as a whole: what cannot be read becomes a [`Problem`], the rest is there.
//! JSON is read as a stream, one object at a time. YAML is turned into JSON of the same lines, so
//! that everything behind it reads one format only.

mod answer;
mod file;
mod folder;
mod format;
mod loader;
mod source;
mod yaml;

use std::io::Read;

use crate::Loaded;

pub use source::{Source, SourceError};

/// How many bytes of YAML are read from one file, after decompression: a document has to be in
/// memory as a whole.
pub const YAML_LIMIT: u64 = 64 << 20;

/// How many bytes one object of a JSON file may have.
pub const OBJECT_LIMIT: u64 = 64 << 20;

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The namespace of namespaced objects that name none.
    pub default_namespace: String,
    /// Bytes of YAML in one file; [`YAML_LIMIT`] by default.
    pub yaml_limit: u64,
    /// Bytes of one object in JSON; [`OBJECT_LIMIT`] by default.
    pub object_limit: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            default_namespace: "default".to_owned(),
            yaml_limit: YAML_LIMIT,
            object_limit: OBJECT_LIMIT,
        }
    }
}

/// Reads all `sources` into one snapshot. `stdin` is read where a source says so.
pub fn load(sources: &[Source], stdin: impl Read, options: &Options) -> Loaded {
    loader::Loader::new(options).load(sources, stdin)
}
