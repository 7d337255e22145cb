//! One listener of the data plane: it chooses the backend of each connection, and cuts connections.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::shared::SharedState;
use crate::state::{Backend, BackendKey, Group, Listener, Protocol, State, Status};

use super::connections::{BackendConnections, BackendState, ConnectionAction, connection_action};
use super::schedule::{Candidate, SchedulerState};
use crate::health::Health;

/// The listener that a forwarder belongs to, and where its clients connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListenerKey {
    pub(super) load_balancer: String,
    pub(super) port: u16,
    pub(super) ip: IpAddr,
}

impl ListenerKey {
    /// All that the state wants to have.
    pub(super) fn wanted(state: &State) -> Vec<Self> {
        let addressed = state.load_balancers.iter().filter_map(|lb| Some((lb, lb.address?)));
        addressed
            .flat_map(|(lb, ip)| {
                let running = lb.listeners.iter().filter(|listener| {
                    listener.protocol == Protocol::Tcp && listener.status == Status::Running
                });
                running.map(move |listener| Self {
                    load_balancer: lb.id.clone(),
                    port: listener.port,
                    ip,
                })
            })
            .collect()
    }

    pub(super) fn address(&self) -> SocketAddr {
        SocketAddr::new(self.ip, self.port)
    }

    /// The listener in the state as it is now.
    pub(super) fn listener<'a>(&self, state: &'a State) -> Option<&'a Listener> {
        let lb = state.load_balancer(&self.load_balancer).ok()?;
        lb.listener(self.port, Some(Protocol::Tcp)).ok()
    }

    /// The group that serves it now.
    pub(super) fn group<'a>(&self, state: &'a State) -> Option<&'a Group> {
        let id = self.listener(state)?.v_server_group_id.as_deref()?;
        state.group(id).ok()
    }
}

/// The counters and timers of a forwarder.
#[derive(Debug, Default)]
pub(super) struct ForwardingState {
    scheduler: SchedulerState,
    pub(super) connections: BTreeMap<BackendKey, BackendConnections>,
    /// Which backend a client stays with, and when it last came.
    persistence: HashMap<IpAddr, (BackendKey, Instant)>,
    /// Connections that nobody could take.
    pub(super) refused: u64,
}

/// Forwards the connections of one listener.
#[derive(Debug)]
pub(super) struct ListenerForwarder {
    pub(super) key: ListenerKey,
    shared: Arc<SharedState>,
    /// Locked before the state, never the other way round.
    forwarding: Mutex<ForwardingState>,
}

/// The backend of a new connection.
pub(super) struct ChosenBackend {
    pub(super) key: BackendKey,
    pub(super) address: Option<SocketAddr>,
    pub(super) cut: watch::Receiver<()>,
}

impl ListenerForwarder {
    pub(super) fn new(key: ListenerKey, shared: Arc<SharedState>) -> Self {
        Self { key, shared, forwarding: Mutex::default() }
    }

    pub(super) fn forwarding(&self) -> MutexGuard<'_, ForwardingState> {
        self.forwarding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn connections<T>(
        &self,
        backend: &BackendKey,
        work: impl FnOnce(&mut BackendConnections) -> T,
    ) -> T {
        work(self.forwarding().connections.entry(backend.clone()).or_default())
    }

    /// Who takes a new connection of this client, by the weights stored at this moment.
    pub(super) fn choose(&self, client: IpAddr) -> Option<ChosenBackend> {
        let mut forwarding = self.forwarding();
        let chosen = self.shared.in_effect(|state| {
            let listener = self.key.listener(state)?;
            let eligible = self.eligible(state);
            let persistence = Duration::from_secs(listener.persistence_timeout.into());
            let backend =
                forwarding.persistent_backend(client, persistence, &eligible).or_else(|| {
                    let candidates = eligible
                        .iter()
                        .map(|(key, backend)| Candidate {
                            key,
                            weight: backend.weight,
                            open: forwarding
                                .connections
                                .get(key)
                                .map_or(0, |connections| connections.open),
                        })
                        .collect::<Vec<_>>();
                    forwarding.scheduler.next(listener.scheduler, &candidates)
                });
            let (key, backend) = eligible.get(backend?)?;
            if !persistence.is_zero() {
                forwarding.persistence.insert(client, (key.clone(), Instant::now()));
            }
            Some((key.clone(), state.address_of(backend)))
        });
        let Some((key, address)) = chosen else {
            forwarding.refused += 1;
            return None;
        };
        let cut = forwarding.connections.entry(key.clone()).or_default().open();
        Some(ChosenBackend { key, address, cut })
    }

    /// Backends with weight that are well; if none is, all with weight.
    fn eligible<'a>(&self, state: &'a State) -> Vec<(BackendKey, &'a Backend)> {
        let Some((listener, group)) = self.key.listener(state).zip(self.key.group(state)) else {
            return Vec::new();
        };
        let serving = group
            .backends
            .iter()
            .filter(|backend| backend.weight > 0)
            .map(|backend| (backend.key(), backend))
            .collect::<Vec<_>>();
        let is_well = |key: &BackendKey| {
            self.shared.health(&self.key.load_balancer, listener, key) == Health::Normal
        };
        let checked = listener.health_check.enabled;
        if checked && serving.iter().any(|(key, _)| is_well(key)) {
            serving.into_iter().filter(|(key, _)| is_well(key)).collect()
        } else {
            serving
        }
    }

    /// Begins and ends drains after the state has changed.
    pub(super) fn sync(self: &Arc<Self>) {
        let mut forwarding = self.forwarding();
        let (drain, group) = self.shared.in_effect(|state| {
            let drain = self
                .key
                .listener(state)
                .filter(|listener| listener.connection_drain)
                .map(|listener| self.shared.second * listener.connection_drain_timeout);
            (drain, self.key.group(state).cloned())
        });
        let backends = group.map(|group| group.backends).unwrap_or_default();
        for (key, connections) in &mut forwarding.connections {
            let state = match backends.iter().find(|backend| backend.key() == *key) {
                None => BackendState::Removed,
                Some(backend) if backend.weight == 0 => BackendState::ZeroWeight,
                Some(_) => BackendState::Serving,
            };
            match connection_action(state, drain) {
                ConnectionAction::Keep => connections.keep(),
                ConnectionAction::CutNow => connections.cut(),
                ConnectionAction::CutAfter(_)
                    if connections.is_draining() || connections.open == 0 => {}
                ConnectionAction::CutAfter(time) => {
                    let forwarder = Arc::clone(self);
                    let key = key.clone();
                    let timer = tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        forwarder.connections(&key, BackendConnections::cut);
                    });
                    connections.start_drain(timer.abort_handle());
                }
            }
        }
    }

    /// Cuts all connections: the listener is no more.
    pub(super) fn close(&self) {
        self.forwarding().connections.values_mut().for_each(BackendConnections::cut);
    }
}

impl ForwardingState {
    /// The backend that this client was with less than `time` ago, if it still may take connections.
    fn persistent_backend(
        &mut self,
        client: IpAddr,
        time: Duration,
        eligible: &[(BackendKey, &Backend)],
    ) -> Option<usize> {
        self.persistence.retain(|_, (_, last)| last.elapsed() < time);
        let (key, _) = self.persistence.get(&client)?;
        eligible.iter().position(|(eligible, _)| eligible == key)
    }
}
