//! Manifests, `kubectl` dumps and the CLB API's saved answers, read from files.
//!
//! Reading never fails as a whole: what cannot be read becomes a [`Problem`], the rest is there.
//! JSON is read as a stream, one object at a time. YAML is turned into JSON of the same lines, so
//! that everything behind it reads one format only.

mod answer;
mod fault;
mod file;
mod format;
mod json;
mod kind;
mod layout;
mod loader;
mod object;
mod piece;
mod problem;
mod scan;
mod source;
mod text;
mod walk;
mod yaml;

use std::{collections::BTreeMap, io::Read};

use clbmigrate_core::snapshot::World;

pub use problem::Problem;
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

/// What was read, and what was not.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The clusters and the CLB API's answers.
    pub world: World,
    /// Everything that could not be read, in the order it was met.
    pub problems: Vec<Problem>,
    /// How many objects of each kind nobody needs. A kind that shares its name with a known one
    /// carries its group: `Service.serving.knative.dev`.
    pub skipped: BTreeMap<String, usize>,
    /// How many objects were taken.
    pub objects: usize,
    /// How many of the CLB API's answers were taken.
    pub answers: usize,
    /// How many files were opened.
    pub files: usize,
}

impl Loaded {
    /// Takes over what another reading says of itself. Its world is not taken.
    pub fn absorb(&mut self, other: Self) {
        self.problems.extend(other.problems);
        for (kind, count) in other.skipped {
            *self.skipped.entry(kind).or_default() += count;
        }
        self.objects += other.objects;
        self.answers += other.answers;
        self.files += other.files;
    }
}

/// Reads all `sources` into one world. `stdin` is read where a source says so.
pub fn load(sources: &[Source], stdin: impl Read, options: &Options) -> Loaded {
    loader::Loader::new(options).load(sources, stdin)
}
