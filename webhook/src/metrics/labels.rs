//! The values of the metrics' labels.

/// How a review ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReviewResult {
    /// Allowed without a warning.
    Allowed,
    /// Allowed with warnings.
    Warned,
    /// Allowed with a patch.
    Patched,
    /// Denied.
    Denied,
    /// Allowed unjudged, because the user, group or namespace is exempt.
    Exempt,
    /// Not understood, or not answered because of an error of this program.
    Failed,
}

impl ReviewResult {
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

/// Why a review was shed: turned away without being judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedReason {
    /// Too many reviews at once.
    Busy,
    /// No answer within the time that the API server waits.
    Late,
    /// What reviews are judged by is not known yet.
    Unsynced,
}

impl ShedReason {
    pub(super) const ALL: [Self; 3] = [Self::Busy, Self::Late, Self::Unsynced];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Late => "late",
            Self::Unsynced => "unsynced",
        }
    }
}

/// How a claim on the vServer groups that a Service joins ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaimOutcome {
    /// The Service may join them.
    Granted,
    /// Other Services have them.
    Held,
    /// The client must try again.
    Unsettled,
}

impl ClaimOutcome {
    pub(super) const ALL: [Self; 3] = [Self::Granted, Self::Held, Self::Unsettled];

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Held => "held",
            Self::Unsettled => "unsettled",
        }
    }
}

/// What is done about a rule's finding. It can be milder than the rule's mode: what an object had
/// before is not held against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EnforcementAction {
    /// The request is denied for it.
    Denied,
    /// The client gets a warning.
    Warned,
    /// It is counted, and noted in the API server's audit log.
    Audited,
}

impl EnforcementAction {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Denied => "denied",
            Self::Warned => "warned",
            Self::Audited => "audited",
        }
    }
}
