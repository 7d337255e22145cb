//! What all parts of the double share.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use crate::auth::Nonces;
use crate::call_log::CallLog;
use crate::faults::Faults;
use crate::health::HealthTable;
use crate::state::State;

/// The state, with the log of calls, the faults, the used nonces and the health of backends.
#[derive(Debug)]
pub(crate) struct SharedState {
    state: Mutex<State>,
    changed: watch::Sender<()>,
    pub(crate) calls: CallLog,
    pub(crate) faults: Faults,
    pub(crate) nonces: Nonces,
    pub(crate) health: HealthTable,
    /// How long a second of the state's health checks and drains lasts.
    pub(crate) second: Duration,
}

impl SharedState {
    pub(crate) fn new(state: State, second: Duration) -> Self {
        Self {
            state: Mutex::new(state),
            changed: watch::Sender::new(()),
            calls: CallLog::default(),
            faults: Faults::default(),
            nonces: Nonces::default(),
            health: HealthTable::default(),
            second,
        }
    }

    pub(crate) fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&self.lock())
    }

    /// Changes the state; the data plane follows.
    pub(crate) fn edit<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let result = work(&mut self.lock());
        self.changed.send_replace(());
        result
    }

    /// Hears of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
