//! The connections of one listener to one backend, and when they are cut.

use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;

/// Whether a backend takes connections of its listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BackendState {
    /// In the group, with weight.
    Serving,
    /// In the group, with weight 0.
    ZeroWeight,
    /// Not in the group.
    Removed,
}

/// What happens to the established connections of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionAction {
    /// They go on.
    Keep,
    /// They are cut after this time.
    CutAfter(Duration),
    /// They are cut now.
    CutNow,
}

/// What happens to established connections; `drain` is the drain time of the listener, if it has connection drain.
pub(super) fn connection_action(state: BackendState, drain: Option<Duration>) -> ConnectionAction {
    match (state, drain) {
        (BackendState::Serving, _) | (BackendState::ZeroWeight, None) => ConnectionAction::Keep,
        (BackendState::ZeroWeight | BackendState::Removed, Some(time)) => {
            ConnectionAction::CutAfter(time)
        }
        (BackendState::Removed, None) => ConnectionAction::CutNow,
    }
}

/// The connections to one backend.
#[derive(Debug)]
pub(super) struct BackendConnections {
    /// A change cuts every connection that watches it.
    cut: watch::Sender<()>,
    /// The time after which they are cut is running.
    draining: Option<AbortHandle>,
    /// Now.
    pub(super) open: u64,
    /// Ever begun.
    pub(super) total: u64,
    /// Of them, those that the backend did not accept.
    pub(super) failed: u64,
    /// Of them, those that were cut.
    pub(super) cut_count: u64,
}

impl Default for BackendConnections {
    fn default() -> Self {
        Self {
            cut: watch::Sender::new(()),
            draining: None,
            open: 0,
            total: 0,
            failed: 0,
            cut_count: 0,
        }
    }
}

impl BackendConnections {
    /// Takes a connection in. What comes back says when it is cut.
    pub(super) fn open(&mut self) -> watch::Receiver<()> {
        self.open += 1;
        self.total += 1;
        self.cut.subscribe()
    }

    /// Cuts all that are there now.
    pub(super) fn cut(&mut self) {
        self.keep();
        self.cut.send_replace(());
    }

    /// Nothing is cut any more.
    pub(super) fn keep(&mut self) {
        if let Some(timer) = self.draining.take() {
            timer.abort();
        }
    }

    pub(super) fn is_draining(&self) -> bool {
        self.draining.is_some()
    }

    pub(super) fn start_drain(&mut self, timer: AbortHandle) {
        self.draining = Some(timer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRAIN: Option<Duration> = Some(Duration::from_secs(30));

    #[test]
    fn a_backend_that_serves_keeps_its_connections() {
        assert_eq!(connection_action(BackendState::Serving, DRAIN), ConnectionAction::Keep);
        assert_eq!(connection_action(BackendState::Serving, None), ConnectionAction::Keep);
    }

    #[test]
    fn with_drain_both_ways_out_end_after_its_time() {
        assert_eq!(
            connection_action(BackendState::ZeroWeight, DRAIN),
            ConnectionAction::CutAfter(Duration::from_secs(30))
        );
        assert_eq!(
            connection_action(BackendState::Removed, DRAIN),
            ConnectionAction::CutAfter(Duration::from_secs(30))
        );
    }

    #[test]
    fn without_drain_weight_0_cuts_nothing_and_removal_at_once() {
        assert_eq!(connection_action(BackendState::ZeroWeight, None), ConnectionAction::Keep);
        assert_eq!(connection_action(BackendState::Removed, None), ConnectionAction::CutNow);
    }
}
