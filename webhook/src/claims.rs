//! Claims on vServer groups: two Services written in the same instant are both unknown to the cache,
//! and each would be allowed to join the same group.

use std::{
    collections::HashMap,
    future::{Future, ready},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use clbmigrate_core::{annotation, index::bindings_of, object::Service};
use tokio::time::Instant;

use crate::cache::Cache;

/// How long a claim lasts unless the Service is seen in the cluster before.
const CLAIM_LIFETIME: Duration = Duration::from_secs(10);

/// From this many claimed groups on, expired claims on all of them are removed.
const SWEEP_THRESHOLD: usize = 1024;

/// The result of claiming the groups that a Service joins.
#[derive(Debug, Clone)]
pub enum ClaimResult {
    /// No other Service has a claim on one of the groups.
    Granted,
    /// These Services have claims on them and may not be in the cache yet: the rules must see them, too.
    HeldBy(Vec<Arc<Service>>),
    /// Whether the groups are claimed is unknown, for this reason. The client must try again.
    Unknown(String),
}

/// Keeps the claims of Services on vServer groups.
pub trait ClaimStore: Send + Sync + 'static {
    /// Claims the groups that `new` joins and `old` was not bound to. The claim lasts until the Service
    /// is seen in the cluster, or ten seconds. A dry run looks for claims of others and makes none.
    fn claim(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> impl Future<Output = ClaimResult> + Send;

    /// Removes the claims of a Service, because it was denied.
    fn release(&self, service: &Arc<Service>);
}

/// The bindings of `new` that `old` did not have: the group's id and the port of its backends. All
/// bindings of `new` where `old` is `None` or names another CLB.
pub fn newly_bound_groups<'s>(old: Option<&Service>, new: &'s Service) -> Vec<(&'s str, u16)> {
    let clb = |service: &Service| service.metadata.annotations.text(annotation::ID).to_owned();
    let bound = bindings_of(new);
    let before = old.filter(|old| clb(old) == clb(new)).map(bindings_of).unwrap_or_default();
    bound.into_iter().filter(|binding| !before.contains(binding)).collect()
}

/// Claims in this process's memory: enough while there is one replica.
pub struct InMemoryClaims {
    cache: Arc<Cache>,
    groups: Mutex<HashMap<String, Vec<Claim>>>,
}

struct Claim {
    service: Arc<Service>,
    port: u16,
    until: Instant,
}

impl InMemoryClaims {
    /// A store without claims. What `cache` shows needs none.
    pub fn new(cache: Arc<Cache>) -> Self {
        Self { cache, groups: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Vec<Claim>>> {
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn claim_now(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> ClaimResult {
        let joined = newly_bound_groups(old, new);
        if joined.is_empty() {
            return ClaimResult::Granted;
        }
        let now = Instant::now();
        let mut others: Vec<Arc<Service>> = Vec::new();
        let mut groups = self.lock();
        if groups.len() > SWEEP_THRESHOLD {
            groups.retain(|_, claims| claims.iter().any(|claim| claim.until > now));
        }
        for (group, port) in joined {
            let claims = groups.entry(group.to_owned()).or_default();
            claims.retain(|known| known.until > now && !self.is_seen(group, known));
            for known in claims.iter().filter(|known| !is_same(&known.service, new)) {
                if !others.iter().any(|other| is_same(other, &known.service)) {
                    others.push(Arc::clone(&known.service));
                }
            }
            if !is_dry_run {
                let until = now + CLAIM_LIFETIME;
                claims.push(Claim { service: Arc::clone(new), port, until });
            }
            if claims.is_empty() {
                groups.remove(group);
            }
        }
        if others.is_empty() { ClaimResult::Granted } else { ClaimResult::HeldBy(others) }
    }

    /// Whether the cache shows the binding that was claimed.
    fn is_seen(&self, group: &str, claim: &Claim) -> bool {
        let meta = &claim.service.metadata;
        let seen = self.cache.service(meta.namespace(), &meta.name);
        seen.is_some_and(|service| bindings_of(&service).contains(&(group, claim.port)))
    }
}

impl ClaimStore for InMemoryClaims {
    fn claim(
        &self,
        old: Option<&Service>,
        new: &Arc<Service>,
        is_dry_run: bool,
    ) -> impl Future<Output = ClaimResult> + Send {
        ready(self.claim_now(old, new, is_dry_run))
    }

    fn release(&self, service: &Arc<Service>) {
        let mut groups = self.lock();
        for (group, _) in bindings_of(service) {
            let Some(claims) = groups.get_mut(group) else { continue };
            claims.retain(|known| !Arc::ptr_eq(&known.service, service));
            if claims.is_empty() {
                groups.remove(group);
            }
        }
    }
}

/// Whether both are versions of one Service. A Service whose name is still to be generated equals no
/// other.
fn is_same(a: &Service, b: &Service) -> bool {
    let (a, b) = (&a.metadata, &b.metadata);
    !a.name.is_empty() && a.name == b.name && a.namespace == b.namespace
}
