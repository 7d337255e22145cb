//! What all parts of the double share.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::auth::Nonces;
use crate::behaviour::Behaviour;
use crate::call_log::CallLog;
use crate::faults::Faults;
use crate::health::{Health, HealthTable};
use crate::state::{BackendKey, Listener, State};

/// The state, with the log of calls, the faults, the used nonces and the health of backends.
#[derive(Debug)]
pub(crate) struct SharedState {
    states: Mutex<States>,
    /// Never held while the state is asked for.
    behaviour: Mutex<Behaviour>,
    changed: watch::Sender<()>,
    pub(crate) calls: CallLog,
    pub(crate) faults: Faults,
    pub(crate) nonces: Nonces,
    pub(crate) health: HealthTable,
    /// How long a second of the state's health checks and drains lasts.
    pub(crate) second: Duration,
}

/// The state that the API tells of, and those that the data plane goes by before it.
#[derive(Debug)]
struct States {
    current: State,
    /// What the data plane goes by as long as others wait; none: the current one.
    in_effect: Option<State>,
    /// When which state takes effect; the last one is the current one.
    waiting: VecDeque<(Instant, State)>,
}

impl States {
    fn edit<T>(&mut self, delay: Duration, work: impl FnOnce(&mut State) -> T) -> T {
        if delay.is_zero() {
            self.take_effect();
            return work(&mut self.current);
        }
        if self.waiting.is_empty() {
            self.in_effect = Some(self.current.clone());
        }
        let result = work(&mut self.current);
        self.waiting.push_back((Instant::now() + delay, self.current.clone()));
        result
    }

    /// All that waits takes effect now.
    fn take_effect(&mut self) {
        self.waiting.clear();
        self.in_effect = None;
    }

    fn in_effect(&mut self, now: Instant) -> &State {
        while self.waiting.front().is_some_and(|(at, _)| *at <= now) {
            let due = self.waiting.pop_front().map(|(_, state)| state);
            self.in_effect = due.filter(|_| !self.waiting.is_empty());
        }
        self.in_effect.as_ref().unwrap_or(&self.current)
    }
}

impl SharedState {
    pub(crate) fn new(state: State, second: Duration) -> Self {
        let states = States { current: state, in_effect: None, waiting: VecDeque::new() };
        Self {
            states: Mutex::new(states),
            behaviour: Mutex::default(),
            changed: watch::Sender::new(()),
            calls: CallLog::default(),
            faults: Faults::default(),
            nonces: Nonces::default(),
            health: HealthTable::default(),
            second,
        }
    }

    /// The state that the API tells of.
    pub(crate) fn read<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(&self.states().current)
    }

    /// The state that the data plane goes by.
    pub(crate) fn in_effect<T>(&self, work: impl FnOnce(&State) -> T) -> T {
        work(self.states().in_effect(Instant::now()))
    }

    /// When the data plane has to look again although nothing changes.
    pub(crate) fn next_effect(&self) -> Option<Instant> {
        self.states().waiting.front().map(|(at, _)| *at)
    }

    /// Changes the state; the data plane follows, at once or after the delay that the behaviour has.
    pub(crate) fn edit<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let delay = Duration::from_millis(self.behaviour().effect_delay_ms);
        let result = self.states().edit(delay, work);
        self.changed.send_replace(());
        result
    }

    /// How the double behaves now.
    pub(crate) fn behaviour(&self) -> Behaviour {
        self.lock_behaviour().clone()
    }

    /// Changes how the double behaves.
    pub(crate) fn set_behaviour(&self, behaviour: Behaviour) {
        if behaviour.effect_delay_ms == 0 {
            self.states().take_effect();
        }
        *self.lock_behaviour() = behaviour;
        self.changed.send_replace(());
    }

    /// The health of a backend at a listener of a CLB, not known where the listener has no health check.
    pub(crate) fn health(
        &self,
        load_balancer: &str,
        listener: &Listener,
        backend: &BackendKey,
    ) -> Health {
        if !listener.health_check.enabled {
            return Health::Unavailable;
        }
        let set = self.lock_behaviour().health(load_balancer, listener.port, backend);
        set.unwrap_or_else(|| self.health.status(load_balancer, listener.port, backend))
    }

    /// Hears of every change from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    fn states(&self) -> MutexGuard<'_, States> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_behaviour(&self) -> MutexGuard<'_, Behaviour> {
        self.behaviour.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
