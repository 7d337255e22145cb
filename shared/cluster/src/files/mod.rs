//! Manifests, `kubectl` dumps and the CLB API's saved answers, read from files.
//!
//! Reading never fails as a whole: what cannot be read becomes a [`crate::Problem`], and the rest
//! is read. JSON is read as a stream, one object at a time. YAML is first converted to JSON of the
//! same lines.

mod answer;
mod file;
mod folder;
mod format;
mod loader;
mod source;
pub(crate) mod yaml;

use std::io::Read;

use crate::Loaded;

pub use source::{Source, SourceError};

/// The default limit of YAML in one file, in bytes after decompression. YAML is held in memory.
pub const YAML_LIMIT: u64 = 64 << 20;

/// The default limit of one object in a JSON file, in bytes.
pub const OBJECT_LIMIT: u64 = 64 << 20;

/// How files are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The namespace of namespaced objects that do not name one; `default` by default.
    pub default_namespace: String,
    /// The limit of YAML in one file, in bytes; [`YAML_LIMIT`] by default.
    pub yaml_limit: u64,
    /// The limit of one object in JSON, in bytes; [`OBJECT_LIMIT`] by default.
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

/// Reads all `sources` into one snapshot. A source with the path `-` is read from `stdin`.
pub fn load(sources: &[Source], stdin: impl Read, options: &Options) -> Loaded {
    loader::Loader::new(options).load(sources, stdin)
}
