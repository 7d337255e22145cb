//! Whether CCM has carried out a change, told from what it leaves on a Service: its hash label and
//! its events.
//!
//! CCM 2.14 writes the hash of what it read to a label at the end of a round that it takes for a
//! success, and an event `EnsuredLoadBalancer`. A failed round leaves an event
//! `SyncLoadBalancerFailed` and is tried again. A round that CCM takes for a success does not prove
//! that backends exist.
//!
//! An event that is there says something; one that is missing says nothing. CCM writes events by
//! client-go's recorder, whose limits are:
//! - 25 events at once about one object, then one in 5 minutes (`events_cache.go`); what is above
//!   that is dropped in silence. A change of a Service makes two events, so that after about 11
//!   changes in a row most successes and failures leave none.
//! - An event goes when its time is over, 1 hour where the API server has no other setting. The
//!   recorder then counts on in a new object: its UID is new, and its count is not 1.
//! - More than 10 events that differ in their message only are counted as one.

mod failure;
mod pending;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use crate::hash::KnownHashes;

pub use failure::may_pass;
pub use pending::{CompletionSign, PendingChange, Progress};

/// The reason of the event that CCM writes about a round that it takes for a success.
pub const ENSURED: &str = "EnsuredLoadBalancer";

/// The reasons of the events that CCM writes about a failed round. CCM 2.14: `service_controller.go`.
pub const FAILED: [&str; 5] = [
    "SyncLoadBalancerFailed",
    "FailedAddFinalizer",
    "FailedUpdateReadinessGate",
    "FailedAddHash",
    "FailedUpdateStatus",
];

/// The reason of the event about pods that CCM does not register. As a warning it says that a pod
/// inside the VPC has no network interface: CCM then changes and removes no backend of the group,
/// writes the hash label all the same, and ends the round with an error that leaves no other event
/// (CCM 2.14: `vgroups.go`, `service_controller.go`). As a normal event it is about pods outside the
/// VPC, and the round succeeds.
pub const SKIPPED: &str = "SkipSyncBackends";

/// What to say where a wait ends and CCM has left no sign of a round.
pub const NO_SIGN: &str = "CCM left no sign of having seen the change. It may have: it writes 25 events about a Service at once, then \
     one in 5 minutes, so that neither a success nor a failure need show. Its log knows more, where it runs in this \
     cluster: kubectl get pods -n kube-system";

/// What a Service shows at one time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObservedService {
    /// The value of the hash label; `None` where it has none.
    pub label: Option<String>,
    /// The hashes that known releases of CCM write for the Service as it is.
    pub computed: KnownHashes,
    /// The annotations, by full key.
    pub annotations: BTreeMap<String, String>,
    /// CCM's events on the Service, by UID.
    pub events: BTreeMap<String, Event>,
}

/// An event of CCM. CCM counts it up when it happens again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// Whether it is a `Warning`, and not `Normal`.
    pub is_warning: bool,
    /// Its reason, for example `EnsuredLoadBalancer`.
    pub reason: String,
    /// The event's text.
    pub message: String,
    /// How often it happened, from 1.
    pub count: u64,
    /// When it happened last, by CCM's clock, as RFC 3339. Compared as text, and with other events
    /// of CCM only. Empty where it is not known.
    pub last: String,
}

/// Whether CCM has carried out what a Service says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settlement {
    /// The label is the hash of the Service as it is.
    Settled,
    /// CCM's last word is a failure, or that it skipped backends; the message.
    Failing(String),
    /// CCM has not finished a round over the Service yet.
    NoRound,
    /// The label is of another state of the Service, or of a CCM that hashes in another way, or it
    /// is the same for every state.
    Behind,
}

impl Event {
    fn is_success(&self) -> bool {
        self.reason == ENSURED
    }

    fn is_failure(&self) -> bool {
        FAILED.contains(&self.reason.as_str())
    }

    fn is_skip(&self) -> bool {
        self.is_warning && self.reason == SKIPPED
    }

    /// Whether it surely happened after `other`. Of two events in one second nobody knows.
    fn is_after(&self, other: &Self) -> bool {
        !other.last.is_empty() && self.last > other.last
    }
}

impl ObservedService {
    /// Whether CCM has carried out what the Service says.
    pub fn settlement(&self) -> Settlement {
        if let Some(skipped) = self.skipped_backends() {
            return Settlement::Failing(skipped);
        }
        let label = self.label.as_deref();
        // Failures are not asked: the success after the last one need not have left an event.
        if label.is_some_and(|label| self.computed.is_proven_by(label)) {
            return Settlement::Settled;
        }
        let success = self.newest(Event::is_success);
        let is_open = |failure: &&Event| success.is_none_or(|success| failure.last > success.last);
        if let Some(failure) = self.newest(Event::is_failure).filter(is_open) {
            return Settlement::Failing(failure.message.clone());
        }
        if label.is_none() { Settlement::NoRound } else { Settlement::Behind }
    }

    /// That CCM skipped backends, in words, where no success is surely newer. The label says nothing
    /// against it: such a round writes it. Nor does the event's age: the rounds that follow fail in
    /// the same way, and may leave no event.
    fn skipped_backends(&self) -> Option<String> {
        let skip = self.newest(Event::is_skip)?;
        let is_over = self.newest(Event::is_success).is_some_and(|success| success.is_after(skip));
        (!is_over).then(|| format!("CCM skipped backends: {}", skip.message))
    }

    fn newest(&self, is_wanted: impl Fn(&Event) -> bool) -> Option<&Event> {
        let wanted = self.events.values().filter(|event| is_wanted(event));
        wanted.max_by_key(|event| &event.last)
    }
}
