//! How long clients are still sent to a pod whose end has begun: from the beginning of its end to CCM's
//! next success, which is when the CLB has it no more.
//!
//! Both ends of that time are Events. A kubelet writes one when it begins to stop a pod's containers,
//! before it runs their preStop hooks (Kubernetes 1.36: `kuberuntime_container.go`, `killContainer`). CCM
//! writes one after each round that it takes for a success.
//!
//! The API server's own times of these Events count: when it stored them. So no clock of a node, and none
//! of CCM's, can be wrong. They are whole seconds.
//!
//! CCM's Events of one Service and reason are one object, which is counted up (client-go:
//! `events_cache.go`). It tells of two successes only: the one that made the object, and the last one. So a
//! time is measured where the object was made after the pod's end. Where it was counted up since, nobody
//! knows which success was the first.
//!
//! What is measured may be too long, for CCM's recorder drops Events in silence
//! ([`crate::reconciliation`]). It is not too short as long as a round of CCM takes less than half of
//! [`SETTLED_AFTER`]. A pod is left out where another one came, went or changed that short a time before it:
//! the success may be that of a round which began before the pod's end. Of several pods that end in one
//! second, one is measured.

#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, ops::AddAssign};

use crate::inject::SECONDS;

/// The reason of the Event by which a kubelet says that it stops a container.
pub const KILLING: &str = "Killing";

/// How the message of that Event begins where the container is stopped for good. Where it is to be
/// restarted, after a failed probe for example, the message is another one (Kubernetes 1.36:
/// `kuberuntime_container.go`, `kuberuntime_manager.go`).
const STOPPING: &str = "Stopping container ";

/// After how many seconds CCM is taken to have carried out what happened.
pub const SETTLED_AFTER: i64 = 60;

/// The least margin over the slowest time, in seconds.
const LEAST_MARGIN: u32 = 5;

/// Whether the message of an Event [`KILLING`] says that a container is stopped for good.
pub fn is_final_stop(message: &str) -> bool {
    message.starts_with(STOPPING)
}

/// An Event object of CCM about successes, by the API server's clock, in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredSuccess {
    /// When the object was made.
    pub created: i64,
    /// When it was counted up for the last time; the same where it never was.
    pub updated: i64,
}

/// What happened behind one Service, in seconds since 1970.
#[derive(Debug, Clone, Default)]
pub struct ObservedPods {
    /// When the end of a pod began, by the pod's UID.
    pub ends: BTreeMap<String, i64>,
    /// When the readiness of pods that have not ended changed for the last time.
    pub changes: Vec<i64>,
    /// CCM's successes.
    pub successes: Vec<StoredSuccess>,
}

/// Why the time of a pod is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unmeasured {
    Overlapping,
    Overwritten,
    Unanswered,
}

impl ObservedPods {
    /// Notes that a container of a pod is stopped. The first one is the beginning of the pod's end.
    pub fn stopping(&mut self, uid: &str, at: i64) {
        let end = self.ends.entry(uid.to_owned()).or_insert(at);
        *end = at.min(*end);
    }

    /// The times of all pods behind `service`, which is a name for people.
    pub fn times(&self, service: &str) -> DeregistrationTimes {
        let mut times = DeregistrationTimes::default();
        for (uid, end) in &self.ends {
            match self.time_after(uid, *end) {
                Ok(seconds) => times.measured.push((seconds, service.to_owned())),
                Err(Unmeasured::Overlapping) => times.overlapping += 1,
                Err(Unmeasured::Overwritten) => times.overwritten += 1,
                Err(Unmeasured::Unanswered) => times.unanswered += 1,
            }
        }
        times
    }

    fn time_after(&self, uid: &str, end: i64) -> Result<u32, Unmeasured> {
        let is_before = |at: i64| at >= end.saturating_sub(SETTLED_AFTER) && at < end;
        let mut others = self.ends.iter().filter(|(other, _)| *other != uid);
        // A pod that has become ready is often the reason for the end of an old one, in the same second.
        let is_unsettled = others
            .any(|(other, at)| is_before(*at) || (*at == end && other.as_str() < uid))
            || self.changes.iter().any(|at| is_before(*at) || *at == end);
        if is_unsettled {
            return Err(Unmeasured::Overlapping);
        }
        if self.successes.iter().any(|of| of.created < end && end <= of.updated) {
            return Err(Unmeasured::Overwritten);
        }
        let after = self.successes.iter().map(|of| of.created).filter(|created| *created >= end);
        let first = after.min().ok_or(Unmeasured::Unanswered)?;
        Ok(u32::try_from(first.saturating_sub(end)).unwrap_or(u32::MAX))
    }
}

/// The times of many pods.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeregistrationTimes {
    /// Seconds, each with the Service.
    measured: Vec<(u32, String)>,
    /// How many pods ended so shortly after another one had come or gone that CCM's success may be about
    /// that one.
    pub overlapping: usize,
    /// How many ended before CCM's Event was counted up, so that the time of the first success is lost.
    pub overwritten: usize,
    /// After how many CCM has not reported a success.
    pub unanswered: usize,
}

impl AddAssign for DeregistrationTimes {
    fn add_assign(&mut self, mut other: Self) {
        self.measured.append(&mut other.measured);
        self.overlapping += other.overlapping;
        self.overwritten += other.overwritten;
        self.unanswered += other.unanswered;
    }
}

impl DeregistrationTimes {
    /// How many were measured.
    pub fn count(&self) -> usize {
        self.measured.len()
    }

    /// The one in the middle; of an even number the longer of the two. `None` where none was measured.
    pub fn median(&self) -> Option<u32> {
        let mut seconds: Vec<u32> = self.measured.iter().map(|(seconds, _)| *seconds).collect();
        seconds.sort_unstable();
        seconds.get(seconds.len() / 2).copied()
    }

    /// The longest one, with its Service.
    pub fn slowest(&self) -> Option<(u32, &str)> {
        self.measured.iter().max().map(|(seconds, service)| (*seconds, service.as_str()))
    }

    /// How long a preStop hook has to sleep: the longest time and half of it, at least 5 seconds more, for
    /// the next pod may take longer than those that were seen. What a hook can sleep is the most.
    pub fn needed_seconds(&self) -> Option<u32> {
        let (slowest, _) = self.slowest()?;
        let margin = slowest.div_ceil(2).max(LEAST_MARGIN);
        Some(slowest.saturating_add(margin).min(*SECONDS.end()))
    }
}
