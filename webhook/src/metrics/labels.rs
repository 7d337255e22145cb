//! What metrics' labels say.

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Let through in silence.
    Allowed,
    /// Let through, and the client was told something.
    Warned,
    /// Let through with changes.
    Patched,
    /// Refused.
    Denied,
    /// Let through unjudged, for the user, group or namespace is exempt.
    Exempt,
    /// Not understood, or not answered for an error of ours.
    Failed,
}

impl Verdict {
    pub(super) const ALL: [Self; 6] =
        [Self::Allowed, Self::Warned, Self::Patched, Self::Denied, Self::Exempt, Self::Failed];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Warned => "warned",
            Self::Patched => "patched",
            Self::Denied => "denied",
            Self::Exempt => "exempt",
            Self::Failed => "failed",
        }
    }
}

/// Why a review was turned away without a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shed {
    /// Too many at once.
    Busy,
    /// No answer in the time that the API server waits.
    Late,
}

impl Shed {
    pub(super) const ALL: [Self; 2] = [Self::Busy, Self::Late];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Late => "late",
        }
    }
}

/// What a rule's finding came to. It can be milder than the mode: what an object had before is not
/// held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The request was refused for it.
    Denied,
    /// The client was told.
    Warned,
    /// Only this counter and the API server's audit log know.
    Audited,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Warned => "warned",
            Self::Audited => "audited",
        }
    }
}
