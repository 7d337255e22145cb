use std::fmt;

use super::{NoEffect, Outcome};
use crate::{backends::SkipReason, round::Failure};

/// Why an outcome is not *applied*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The outcome that follows from it.
    pub outcome: Outcome,
    /// What it is about.
    pub place: Place,
    /// What is the case there.
    pub cause: Cause,
}

/// What of a Service a reason is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// The whole Service.
    Service,
    /// One of its ports.
    Port {
        /// The port's number.
        port: u16,
        /// Its protocol, where another port of the Service has the same number.
        protocol: Option<String>,
    },
    /// An annotation, by its full key.
    Annotation(String),
}

/// What is the case at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// CCM leaves the port out in silence.
    Skipped(SkipReason),
    /// CCM leaves the port out in silence, and what stands in the group stays until the next change
    /// of the Service.
    SkippedUntilChange(SkipReason),
    /// No node is eligible.
    NoNode,
    /// The mapping does not name the port.
    Unmapped,
    /// The mapping is gone: CCM makes groups of its own, and the backends stay in the old ones.
    MappingRemoved,
    /// CCM does not read the annotation.
    NoEffect(NoEffect),
    /// The change does not make CCM look at the Service.
    NotQueued,
    /// The round fails.
    Failure(Failure),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Service => f.write_str("the Service"),
            Self::Port { port, protocol: None } => write!(f, "port {port}"),
            Self::Port { port, protocol: Some(protocol) } => write!(f, "port {port}/{protocol}"),
            Self::Annotation(key) => f.write_str(key),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = &self.place;
        match &self.cause {
            Cause::Skipped(skip) => write!(f, "{place}: {skip}"),
            Cause::SkippedUntilChange(skip) => write!(
                f,
                "{place}: {skip}; CCM writes nothing for it, and at the next change of the Service takes its backends out"
            ),
            Cause::NoNode => write!(f, "{place}: no node is eligible"),
            Cause::Unmapped => write!(f, "{place} is not in the mapping"),
            Cause::MappingRemoved => write!(
                f,
                "{place} is gone: CCM makes a group of its own, and the backends stay in the old one as orphans"
            ),
            Cause::NoEffect(why) => write!(f, "{place} has no effect: {why}"),
            Cause::NotQueued => f.write_str(
                "CCM does not look at the Service after this change, for another controller's annotation is set",
            ),
            Cause::Failure(failure) => failure.fmt(f),
        }
    }
}
