//! What a round of CCM makes of a Service, in a word, with the place and the reason.

mod no_effect;
mod reason;
mod service;

pub(crate) use self::service::{
    BACKEND_TYPE, ServiceInputs, clb_of, has_hash, of_failures, of_service,
};
pub use self::{
    no_effect::{NoEffect, unread_annotations},
    reason::{Cause, Place, Reason},
    service::{PortOutcome, PortResult, ServiceOutcome},
};

/// The outcome of a round, the worse the greater (CCM 2.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The group carries what the annotations say.
    Applied,
    /// CCM does not read what the annotations say, and does nothing about it.
    NoEffect,
    /// CCM makes a group of its own, which no listener forwards to.
    Misrouted,
    /// CCM takes the Service's backends out of the group and reports success.
    Drained,
    /// Nothing is written: backends stay, new pods are not registered.
    Frozen,
    /// CCM reports failure each round, and has written a part before.
    Failing,
}

impl Outcome {
    /// The outcome's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::NoEffect => "noEffect",
            Self::Misrouted => "misrouted",
            Self::Drained => "drained",
            Self::Frozen => "frozen",
            Self::Failing => "failing",
        }
    }
}
