//! What is not known of a route.

use std::fmt;

use crate::finding::Need;

/// Something that is not known of a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    /// What it is: `who else is in rsp-bp1example`, or the Service whose weights are not known.
    pub what: String,
    /// Why it is not known.
    pub why: String,
    /// What has to be given for it; `None` where nothing would tell it.
    pub need: Option<Need>,
}

impl Unknown {
    /// Something that nothing at hand and nothing else would tell.
    pub(super) fn new(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self { what: what.into(), why: why.into(), need: None }
    }

    /// The same, where somebody can give what tells it.
    pub(super) fn with(self, need: Need) -> Self {
        Self { need: Some(need), ..self }
    }
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.why)
    }
}
