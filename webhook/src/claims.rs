//! Who is about to join a vServer group: two Services written in the same instant are both unknown to
//! the cache, and would both pass.

use std::{
    collections::HashMap,
    future::{Future, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clbmigrate_core::{annotation, index::bindings_of, object::Service};
use tokio::time::Instant;

use crate::cache::Cache;

/// How long a Service that was let through is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// From this many groups on, all are looked through for reservations that have run out.
const CROWD: usize = 1024;

/// What became of a wish to join groups.
#[derive(Debug, Clone)]
pub enum Settlement {
    /// Nobody else is about to join one of them.
    Granted,
    /// These Services are about to, or hold them unbeknown to the cache: they are judged together.
    TakenBy(Vec<Arc<Service>>),
    /// It cannot be told, for this reason; the request must be tried again.
    Unsettled(String),
}

/// Keeps Services from joining a group behind each other's backs.
pub trait Claims: Send + Sync + 'static {
    /// Reserves the groups that `new` joins and `old` has not held. The reservation lasts until the
    /// Service is seen in the cluster, or some seconds. A dry run asks, and reserves nothing.
    fn settle(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> impl Future<Output = Settlement> + Send;

    /// Gives up what was reserved for a Service: it was refused.
    fn release(&self, service: &Arc<Service>);
}

/// The groups that `new` joins and `old` has not held: group and port.
pub fn joined<'s>(old: Option<&Service>, new: &'s Service) -> Vec<(&'s str, u16)> {
    let clb = |service: &Service| service.metadata.annotations.text(annotation::ID).to_owned();
    let bound = bindings_of(new);
    let held = old.filter(|old| clb(old) == clb(new)).map(bindings_of).unwrap_or_default();
    bound.into_iter().filter(|binding| !held.contains(binding)).collect()
}

/// Reservations of this process: enough while there is one replica.
pub struct InMemory {
    cache: Arc<Cache>,
    groups: Mutex<HashMap<String, Vec<Reservation>>>,
}

struct Reservation {
    service: Arc<Service>,
    port: u16,
    until: Instant,
}

impl InMemory {
    /// Without reservations. What the cache shows needs none.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache, groups: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Reservation>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn settle_now(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> Settlement {
        let joined = joined(old, new);
        if joined.is_empty() {
            return Settlement::Granted;
        }
        let now = Instant::now();
        let mut others: Vec<Arc<Service>> = Vec::new();
        let mut groups = self.lock();
        if groups.len() > CROWD {
            groups.retain(|_, held| held.iter().any(|reservation| reservation.until > now));
        }
        for (group, port) in joined {
            let held = groups.entry(group.to_owned()).or_default();
            held.retain(|known| known.until > now && !self.is_seen(group, known));
            for known in held.iter().filter(|known| !is_same(&known.service, new)) {
                if !others.iter().any(|other| is_same(other, &known.service)) {
                    others.push(Arc::clone(&known.service));
                }
            }
            if !is_dry_run {
                let until = now + PATIENCE;
                held.push(Reservation { service: Arc::clone(new), port, until });
            }
            if held.is_empty() {
                groups.remove(group);
            }
        }
        if others.is_empty() { Settlement::Granted } else { Settlement::TakenBy(others) }
    }

    /// Whether the cache shows what was reserved.
    fn is_seen(&self, group: &str, reservation: &Reservation) -> bool {
        let meta = &reservation.service.metadata;
        let seen = self.cache.service(meta.namespace(), &meta.name);
        seen.is_some_and(|service| bindings_of(&service).contains(&(group, reservation.port)))
    }
}

impl Claims for InMemory {
    fn settle(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> impl Future<Output = Settlement> + Send {
        ready(self.settle_now(old, new, is_dry_run))
    }

    fn release(&self, service: &Arc<Service>) {
        let mut groups = self.lock();
        for (group, _) in bindings_of(service) {
            let Some(held) = groups.get_mut(group) else { continue };
            held.retain(|known| !Arc::ptr_eq(&known.service, service));
            if held.is_empty() {
                groups.remove(group);
            }
        }
    }
}

/// Whether both are versions of one Service. One whose name is still to be made up is only itself.
fn is_same(a: &Service, b: &Service) -> bool {
    let (a, b) = (&a.metadata, &b.metadata);
    !a.name.is_empty() && a.name == b.name && a.namespace == b.namespace
}
