//! One listener of the data plane: who gets a connection, and how long it lives.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use crate::cloud::Cloud;
use crate::state::{Backend, BackendKey, Group, Listener, Protocol, State, Status};

use super::board::Health;
use super::lane::{Fate, Lane, Standing, fate};
use super::schedule::{Candidate, Turns};

/// The listener that a front belongs to, and where its clients connect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FrontKey {
    pub(super) load_balancer: String,
    pub(super) port: u16,
    pub(super) ip: IpAddr,
}

impl FrontKey {
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

/// What a front remembers.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    turns: Turns,
    pub(super) lanes: BTreeMap<BackendKey, Lane>,
    /// Which backend a client stays with, and when it last came.
    faithful: HashMap<IpAddr, (BackendKey, Instant)>,
    /// Connections that nobody could take.
    pub(super) refused: u64,
}

/// One listener.
#[derive(Debug)]
pub(super) struct Front {
    pub(super) key: FrontKey,
    cloud: Arc<Cloud>,
    /// Locked before the state, never the other way round.
    ledger: Mutex<Ledger>,
}

/// The backend of a new connection.
pub(super) struct Chosen {
    pub(super) key: BackendKey,
    pub(super) address: Option<SocketAddr>,
    pub(super) cut: watch::Receiver<()>,
}

impl Front {
    pub(super) fn new(key: FrontKey, cloud: Arc<Cloud>) -> Self {
        Self { key, cloud, ledger: Mutex::default() }
    }

    pub(super) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lane<T>(&self, backend: &BackendKey, work: impl FnOnce(&mut Lane) -> T) -> T {
        work(self.ledger().lanes.entry(backend.clone()).or_default())
    }

    /// Who takes a new connection of this client, by the weights stored at this moment.
    pub(super) fn choose(&self, client: IpAddr) -> Option<Chosen> {
        let mut ledger = self.ledger();
        let chosen = self.cloud.read(|state| {
            let listener = self.key.listener(state)?;
            let able = self.able(state);
            let faithful = Duration::from_secs(listener.persistence_timeout.into());
            let backend = ledger.faithful_to(client, faithful, &able).or_else(|| {
                let candidates = able
                    .iter()
                    .map(|(key, backend)| Candidate {
                        key,
                        weight: backend.weight,
                        open: ledger.lanes.get(key).map_or(0, |lane| lane.open),
                    })
                    .collect::<Vec<_>>();
                ledger.turns.next(listener.scheduler, &candidates)
            });
            let (key, backend) = able.get(backend?)?;
            if !faithful.is_zero() {
                ledger.faithful.insert(client, (key.clone(), Instant::now()));
            }
            Some((key.clone(), state.address_of(backend)))
        });
        let Some((key, address)) = chosen else {
            ledger.refused += 1;
            return None;
        };
        let cut = ledger.lanes.entry(key.clone()).or_default().enter();
        Some(Chosen { key, address, cut })
    }

    /// Backends with weight that are well; if none is, all with weight.
    fn able<'a>(&self, state: &'a State) -> Vec<(BackendKey, &'a Backend)> {
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
            let health = self.cloud.health.status(&self.key.load_balancer, self.key.port, key);
            health == Health::Normal
        };
        let checked = listener.health_check.enabled;
        if checked && serving.iter().any(|(key, _)| is_well(key)) {
            serving.into_iter().filter(|(key, _)| is_well(key)).collect()
        } else {
            serving
        }
    }

    /// Begins and ends drains after the state has changed.
    pub(super) fn follow(self: &Arc<Self>) {
        let mut ledger = self.ledger();
        let (drain, group) = self.cloud.read(|state| {
            let drain = self
                .key
                .listener(state)
                .filter(|listener| listener.connection_drain)
                .map(|listener| self.cloud.second * listener.connection_drain_timeout);
            (drain, self.key.group(state).cloned())
        });
        let backends = group.map(|group| group.backends).unwrap_or_default();
        for (key, lane) in &mut ledger.lanes {
            let standing = match backends.iter().find(|backend| backend.key() == *key) {
                None => Standing::Gone,
                Some(backend) if backend.weight == 0 => Standing::Quiet,
                Some(_) => Standing::Serving,
            };
            match fate(standing, drain) {
                Fate::Stay => lane.stay(),
                Fate::CutNow => lane.cut(),
                Fate::CutAfter(_) if lane.is_draining() || lane.open == 0 => {}
                Fate::CutAfter(time) => {
                    let front = Arc::clone(self);
                    let key = key.clone();
                    let timer = tokio::spawn(async move {
                        tokio::time::sleep(time).await;
                        front.lane(&key, Lane::cut);
                    });
                    lane.drains_by(timer.abort_handle());
                }
            }
        }
    }

    /// Cuts all connections: the listener is no more.
    pub(super) fn close(&self) {
        self.ledger().lanes.values_mut().for_each(Lane::cut);
    }
}

impl Ledger {
    /// The backend that this client was with less than `time` ago, if it still may take connections.
    fn faithful_to(
        &mut self,
        client: IpAddr,
        time: Duration,
        able: &[(BackendKey, &Backend)],
    ) -> Option<usize> {
        self.faithful.retain(|_, (_, last)| last.elapsed() < time);
        let (key, _) = self.faithful.get(&client)?;
        able.iter().position(|(able, _)| able == key)
    }
}
