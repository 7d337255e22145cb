//! Claims in memory, for tests and benchmarks: the cache is the whole cluster.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex},
};

use clbmigrate_webhook::{
    api_call::ApiCallError,
    cache::Cache,
    claims::{
        ClaimBackend, Claims,
        binding::{ServiceName, bindings_by_group},
        group::{GroupClaims, Observation, ServiceState},
        settlement::StoredClaims,
    },
    metrics::Metrics,
};

/// Claims that a [`MemoryBackend`] keeps.
pub type MemoryClaims = Arc<Claims<MemoryBackend>>;

/// Claims beside this cache, in a cluster where CCM does not take the Services that are `unbound`.
pub fn memory_claims(
    cache: &Arc<Cache>,
    unbound: impl IntoIterator<Item = ServiceName>,
) -> MemoryClaims {
    let unbound = unbound.into_iter().collect();
    let backend = MemoryBackend { cache: Arc::clone(cache), unbound, groups: Mutex::default() };
    Arc::new(Claims::new(backend, Arc::clone(cache), Arc::new(Metrics::default())))
}

/// Keeps claims in memory. What the cache shows is what is in the cluster, beside Services that CCM does not
/// take.
pub struct MemoryBackend {
    cache: Arc<Cache>,
    unbound: BTreeSet<ServiceName>,
    groups: Mutex<HashMap<String, (GroupClaims, u64)>>,
}

impl ClaimBackend for MemoryBackend {
    async fn read(&self, group: &str) -> Result<Option<StoredClaims>, ApiCallError> {
        let groups = self.groups.lock().expect("no panic");
        Ok(groups.get(group).map(|(claims, version)| StoredClaims {
            claims: claims.clone(),
            version: version.to_string(),
            now: 0,
        }))
    }

    async fn fill(&self, group: &str) -> Result<(), ApiCallError> {
        self.groups.lock().expect("no panic").entry(group.to_owned()).or_default();
        Ok(())
    }

    async fn observe(&self, group: &str, name: &ServiceName) -> Result<Observation, ApiCallError> {
        let unbound = self.unbound.contains(name).then(|| ServiceState {
            uid: String::new(),
            resource_version: String::new(),
            bindings: BTreeSet::new(),
        });
        let ServiceName { namespace, name } = name;
        let bound = self.cache.service(namespace, name).map(|service| ServiceState {
            uid: service.metadata.uid.clone(),
            resource_version: String::new(),
            bindings: bindings_by_group(&service).remove(group).unwrap_or_default(),
        });
        let service = bound.or(unbound);
        Ok(Observation { service, past_uids: self.cache.past_uids(namespace, name) })
    }

    async fn write(&self, group: &str, stored: &StoredClaims) -> Result<bool, ApiCallError> {
        let mut groups = self.groups.lock().expect("no panic");
        let Some((claims, version)) = groups.get_mut(group) else { return Ok(false) };
        if version.to_string() != stored.version {
            return Ok(false);
        }
        (*claims, *version) = (stored.claims.clone(), *version + 1);
        Ok(true)
    }
}
