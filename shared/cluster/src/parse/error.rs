use std::io;

use thiserror::Error;

/// Why a file, or one object in it, could not be read.
#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("cannot be opened: {0}")]
    Open(io::Error),
    #[error("cannot be read: {0}")]
    Read(io::Error),
    #[error("no manifests in this folder: looked for *.yaml, *.yml and *.json, also with .gz")]
    NoManifests,
    #[error("standard input can be read only once, name it for one context")]
    StdinTwice,

    #[error("is empty")]
    Empty,
    #[error("holds nothing but comments")]
    OnlyComments,
    #[error("is not text (byte {0}): expected YAML or JSON in UTF-8, plain or gzip'd")]
    NotText(u64),
    #[error("is UTF-16 text: save it as UTF-8")]
    Utf16,
    #[error("holds more than {} of YAML; give it as JSON (-o json), which has no such limit", bytes(*.0))]
    YamlTooLarge(u64),
    #[error("an object larger than {}, the limit; nothing behind it was read", bytes(*.0))]
    ObjectTooLarge(u64),
    #[error("not valid JSON: {message}; nothing behind it was read")]
    Json { line: u32, message: String },
    #[error("not valid YAML: {message}; this document was not read")]
    Yaml { line: u32, message: String },

    #[error("expected an object or an answer of the CLB API, found {0}")]
    NotAnObject(String),
    #[error(
        "neither a Kubernetes object (no kind) nor an answer of the CLB API as aliyun prints it \
         (DescribeVServerGroups, DescribeVServerGroupAttribute, DescribeLoadBalancerAttribute, \
         DescribeLoadBalancerListeners, DescribeHealthStatus)"
    )]
    Unknown,
    #[error("expected a List, found {0}")]
    NotAList(String),
    #[error("an object without kind in a List that does not tell its items' kind")]
    NoKind,
    #[error("{0} without metadata.name: give it the name it has in the cluster")]
    NoName(String),
    #[error("{place}: {message}")]
    Field { line: u32, place: String, message: String },
    #[error(
        "{object} is here with other content than at {there}; remove one of the two, or if these are \
         two clusters, give the files of each a name: -f a=… -f b=…"
    )]
    Conflict { object: String, there: String },
    #[error("the CLB API's error {code}, not an answer: {message}")]
    Refused { code: String, message: String },

    /// Another error in words, which are all that is kept of it.
    #[error("{0}")]
    InWords(String),

    #[error("{0} more problems in this file")]
    More(usize),
}

impl LoadError {
    /// The line of the error, if it is more exact than the line of its object.
    pub fn line(&self) -> Option<u32> {
        match self {
            Self::Json { line, .. } | Self::Yaml { line, .. } | Self::Field { line, .. } => {
                Some(*line)
            }
            _ => None,
        }
    }
}

/// A limit in words: whole MiB or KiB where it is that.
fn bytes(count: u64) -> String {
    match count {
        _ if count > 0 && count.is_multiple_of(1 << 20) => format!("{} MiB", count >> 20),
        _ if count > 0 && count.is_multiple_of(1 << 10) => format!("{} KiB", count >> 10),
        _ => format!("{count} bytes"),
    }
}

/// The message of a `serde_json` error without its position, which counts from the object's start.
pub(crate) fn message_of(error: &serde_json::Error) -> String {
    let mut message = error.to_string();
    if let Some(end) = message.rfind(" at line ") {
        message.truncate(end);
    }
    message
}
