//! The claims that this process granted and whose Services it has not seen since.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    binding::{Binding, ServiceName},
    bindings_in,
    group::{ClaimedWrite, WRITE_LIFETIME},
    settlement::ClaimRequest,
};
use crate::cache::Cache;

/// How many there may be. Each may have made a Lease, and forged reviews make no Service.
const MAX: usize = 256;

/// The claims that wait for their writes.
#[derive(Debug, Default)]
pub(super) struct PendingClaims(Mutex<VecDeque<PendingClaim>>);

#[derive(Debug)]
struct PendingClaim {
    since: Instant,
    group: String,
    service: ServiceName,
    bindings: BTreeSet<Binding>,
    write: ClaimedWrite,
}

impl PendingClaims {
    /// Whether one more may be granted. Those that the cache shows done do not count, nor do those that
    /// are too old to be done.
    pub fn admits(&self, cache: &Cache) -> bool {
        let mut claims = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if claims.len() < MAX {
            return true;
        }
        let lifetime = Duration::from_secs(WRITE_LIFETIME.unsigned_abs());
        claims.retain(|claim| claim.since.elapsed() < lifetime && !claim.is_done(cache));
        claims.len() < MAX
    }

    /// Adds a claim that was granted.
    pub fn add(&self, group: &str, request: &ClaimRequest) {
        let ClaimRequest { service, bindings, write, .. } = request.clone();
        let claim = PendingClaim {
            since: Instant::now(),
            group: group.to_owned(),
            service,
            bindings,
            write,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_back(claim);
    }
}

impl PendingClaim {
    fn is_done(&self, cache: &Cache) -> bool {
        let ServiceName { namespace, name } = &self.service;
        if let ClaimedWrite::Create { uid } = &self.write
            && cache.past_uids(namespace, name).contains(uid)
        {
            return true;
        }
        let service = cache.service(namespace, name);
        service.is_some_and(|service| self.bindings.is_subset(&bindings_in(&service, &self.group)))
    }
}
