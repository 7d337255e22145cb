//! Rules: a fault, the requests that meet it, and how many have.

use std::{
    fmt,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::ensure;
use tokio::sync::watch;

use crate::{Fault, Match, Request};

/// A handle for a rule of a proxy. A clone is the same rule. Dropping it leaves the rule in force.
#[derive(Clone)]
pub struct Rule(Arc<RuleState>);

struct RuleState {
    requests: Match,
    fault: Fault,
    counts: Mutex<Counts>,
    hit: Condvar,
    released: watch::Sender<bool>,
}

#[derive(Default)]
struct Counts {
    matched: usize,
    hits: usize,
    removed: bool,
}

impl Rule {
    pub(crate) fn new(requests: Match, fault: Fault) -> Self {
        Self(Arc::new(RuleState {
            requests,
            fault,
            counts: Mutex::default(),
            hit: Condvar::new(),
            released: watch::Sender::new(false),
        }))
    }

    /// How many requests met the fault so far. A request counts when it arrives, so a held one does.
    pub fn hits(&self) -> usize {
        self.counts().hits
    }

    /// Waits until at least so many requests met the fault.
    ///
    /// After `deadline`, the error says how many did.
    pub fn wait_for_hits(&self, hits: usize, deadline: Duration) -> anyhow::Result<()> {
        let (counts, _) = self
            .0
            .hit
            .wait_timeout_while(self.counts(), deadline, |counts| counts.hits < hits)
            .unwrap_or_else(PoisonError::into_inner);
        ensure!(
            counts.hits >= hits,
            "{} of {hits} requests met {self:?} within {deadline:?}, {} matched it",
            counts.hits,
            counts.matched,
        );
        Ok(())
    }

    /// Forwards all requests that [`Fault::Hold`] holds, and holds no later ones.
    pub fn release(&self) {
        self.0.released.send_replace(true);
    }

    /// Ends the rule for later requests. Those that already met the fault still meet it.
    pub fn remove(&self) {
        self.counts().removed = true;
    }

    pub(crate) fn fault(&self) -> &Fault {
        &self.0.fault
    }

    /// Whether this request meets the fault; it is counted.
    pub(crate) fn applies_to(&self, request: &Request) -> bool {
        if !self.0.requests.matches(request) {
            return false;
        }
        let mut counts = self.counts();
        if counts.removed {
            return false;
        }
        counts.matched += 1;
        let takes = counts.matched > self.0.requests.skip && counts.hits < self.0.requests.times;
        if takes {
            counts.hits += 1;
            self.0.hit.notify_all();
        }
        takes
    }

    pub(crate) async fn until_released(&self) {
        // The sender lives as long as the rule, so the only outcome is the release.
        let _ = self.0.released.subscribe().wait_for(|released| *released).await;
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {:?}", self.0.fault, self.0.requests)
    }
}
