//! How a round ended.

use serde::Serialize;

/// What became of a Service, from good to bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Every port goes where the annotations say.
    Applied,
    /// It is over, and nothing of CCM is left on it.
    Cleaned,
    /// A port goes to a group of CCM's own that no listener leads to, reported as success (class C).
    Misrouted,
    /// A port has lost its backends, reported as success (class A).
    Drained,
    /// Nothing was written but an event, and CCM tries again (class B).
    Frozen,
    /// The API server refused a write, and CCM tries again.
    Failed,
}

impl Outcome {
    /// Whether CCM is content and does not try again.
    pub fn is_success(self) -> bool {
        !matches!(self, Self::Frozen | Self::Failed)
    }
}
