//! Claims on vServer groups: of two Services that are written in the same instant, on any replica, no two
//! bind one group to different ports or CLBs.
//!
//! Neither knows of the other: the cache shows what is stored, and both are still to be stored. So a
//! Service claims a group before it may join it, in a Lease that all replicas share. [`settlement`] says
//! how.

pub mod binding;
pub mod group;
mod lease;
pub mod lease_sweep;
mod pending;
mod service_list;
pub mod settlement;
mod sweep;

pub use lease::{LeaseStore, lease_name};

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use clbmigrate_core::object::Service;
use futures::future::join_all;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use self::{
    binding::{Binding, ServiceName, joined_groups},
    group::{ClaimedWrite, Holder, Observation},
    pending::PendingClaims,
    settlement::{Answer, ClaimRequest, Settled, Settlement, Step, StoredClaims},
};
use crate::{
    api_call::ApiCallError,
    cache::Cache,
    metrics::{ClaimOutcome, Metrics},
};

/// How long all claims of a review may take: of the five seconds that API servers wait, as much as leaves
/// time to judge. A thousand Services that are written at once on two cores need more than one.
const DEADLINE: Duration = Duration::from_secs(2);

/// From this age on the cache of Services is not trusted: API servers send a bookmark each minute.
const MAX_CACHE_AGE: Duration = Duration::from_secs(180);

/// How many groups can be claimed at once in this process.
const LOCKS: usize = 64;

/// Where the claims on groups are kept, and where Services are read.
pub trait ClaimBackend: Send + Sync + 'static {
    /// The claims on a group; `None` where they have never been kept.
    fn read(
        &self,
        group: &str,
    ) -> impl Future<Output = Result<Option<StoredClaims>, ApiCallError>> + Send;

    /// Keeps what all Services in the cluster have of a group, unless claims are kept already.
    fn fill(&self, group: &str) -> impl Future<Output = Result<(), ApiCallError>> + Send;

    /// A Service as it is now, not as a cache has it.
    fn observe(
        &self,
        group: &str,
        service: &ServiceName,
    ) -> impl Future<Output = Result<Observation, ApiCallError>> + Send;

    /// Keeps claims in place of those of the same version. Returns whether that was the present one.
    fn write(
        &self,
        group: &str,
        claims: &StoredClaims,
    ) -> impl Future<Output = Result<bool, ApiCallError>> + Send;
}

/// A write of a Service under review.
#[derive(Debug, Clone, Copy)]
pub struct ReviewedWrite<'s> {
    /// The Service before the write; `None` where it is created.
    pub old: Option<&'s Service>,
    /// The Service after the write.
    pub new: &'s Service,
    /// The version that is changed; empty where the Service is created.
    pub resource_version: &'s str,
    /// Whether the write is only tried.
    pub is_dry_run: bool,
}

impl ReviewedWrite<'_> {
    fn claimed(&self) -> ClaimedWrite {
        match self.old {
            Some(old) => ClaimedWrite::Update {
                uid: old.metadata.uid.clone(),
                resource_version: self.resource_version.to_owned(),
            },
            None => ClaimedWrite::Create { uid: self.new.metadata.uid.clone() },
        }
    }
}

/// The result of claiming the groups that a Service joins.
#[derive(Debug, Clone)]
pub enum ClaimResult {
    /// The Service may join them, beside those that have claims on the same bindings.
    Granted(Vec<ClaimedGroup>),
    /// Others stand in the way, group by group.
    Held(Vec<ClaimedGroup>),
    /// Whether the groups are free is unknown, for this reason. The client must try again.
    Unsettled(String),
}

/// A group with claims of other Services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimedGroup {
    /// The group's id.
    pub group: String,
    /// The other Services.
    pub holders: Vec<Holder>,
}

/// What became of the groups of a review so far.
#[derive(Default)]
struct SettledGroups {
    granted: Vec<ClaimedGroup>,
    held: Vec<ClaimedGroup>,
}

impl SettledGroups {
    fn add(&mut self, group: &str, settled: Result<Vec<Holder>, Vec<Holder>>) {
        let (list, holders) = match settled {
            Ok(beside) => (&mut self.granted, beside),
            Err(in_the_way) => (&mut self.held, in_the_way),
        };
        list.push(ClaimedGroup { group: group.to_owned(), holders });
    }
}

impl From<SettledGroups> for ClaimResult {
    fn from(groups: SettledGroups) -> Self {
        if groups.held.is_empty() { Self::Granted(groups.granted) } else { Self::Held(groups.held) }
    }
}

/// Claims groups for Services.
pub trait ClaimStore: Send + Sync + 'static {
    /// Claims the groups that a write joins, if it joins any. Only a write that nothing else refuses
    /// is to claim: a claim is given up when its write is seen done, or after two minutes.
    fn claim(&self, write: ReviewedWrite<'_>) -> impl Future<Output = ClaimResult> + Send;
}

/// Claims that a backend keeps.
pub struct Claims<B> {
    backend: B,
    cache: Arc<Cache>,
    metrics: Arc<Metrics>,
    pending: PendingClaims,
    /// Two reviews of one process take turns at a group, so that they need not try again.
    locks: [Mutex<()>; LOCKS],
}

impl<B: ClaimBackend> Claims<B> {
    /// Claims that `backend` keeps. `cache` tells which claimed writes have been done.
    pub fn new(backend: B, cache: Arc<Cache>, metrics: Arc<Metrics>) -> Self {
        let locks = std::array::from_fn(|_| Mutex::new(()));
        Self { backend, cache, metrics, pending: PendingClaims::default(), locks }
    }

    async fn claim_all(&self, write: ReviewedWrite<'_>) -> ClaimResult {
        let joined = joined_groups(write.old, write.new);
        if joined.is_empty() {
            return ClaimResult::Granted(Vec::new());
        }
        if let Err(why) = check_age(self.cache.age_of("services")) {
            return ClaimResult::Unsettled(why);
        }
        let claimed = write.claimed();
        if !write.is_dry_run && !self.pending.admits(&self.cache) {
            let why = "too many Services were admitted that are not in the cluster yet";
            return ClaimResult::Unsettled(why.to_owned());
        }
        let deadline = Instant::now() + DEADLINE;
        let meta = &write.new.metadata;
        let service =
            ServiceName { namespace: meta.namespace().to_owned(), name: meta.name.clone() };
        let request = |bindings: &BTreeSet<Binding>, is_dry_run: bool| ClaimRequest {
            service: service.clone(),
            bindings: bindings.clone(),
            write: claimed.clone(),
            is_dry_run,
        };
        // Where one of several groups is taken, the others must not stay claimed for nothing.
        if write.is_dry_run || joined.len() > 1 {
            let mut tried = SettledGroups::default();
            for (group, bindings) in &joined {
                match self.settle_in_time(group, &request(bindings, true), deadline).await {
                    Ok(settled) => tried.add(group, settled),
                    Err(why) => return ClaimResult::Unsettled(why),
                }
            }
            if write.is_dry_run || !tried.held.is_empty() {
                return tried.into();
            }
        }
        let mut claimed = SettledGroups::default();
        for (group, bindings) in &joined {
            let request = request(bindings, false);
            let settled = match self.settle_in_time(group, &request, deadline).await {
                Ok(settled) => settled,
                Err(why) => return ClaimResult::Unsettled(why),
            };
            if settled.is_ok() {
                self.pending.add(group, &request);
            }
            claimed.add(group, settled);
        }
        claimed.into()
    }

    /// Settles a claim on one group. Returns the other Services there: beside this one if it is granted,
    /// in the way if it is not.
    ///
    /// # Errors
    /// With the reason why it cannot be settled now.
    async fn settle_in_time(
        &self,
        group: &str,
        request: &ClaimRequest,
        deadline: Instant,
    ) -> Result<Result<Vec<Holder>, Vec<Holder>>, String> {
        match timeout_at(deadline, self.settle(group, request)).await {
            Ok(Ok(Settled::Granted(beside))) => Ok(Ok(beside)),
            Ok(Ok(Settled::Held(in_the_way))) => Ok(Err(in_the_way)),
            Ok(Ok(Settled::Full)) => Err(format!(
                "too many Services that are not in the cluster yet have claimed {group}"
            )),
            Ok(Ok(Settled::Contended)) => Err(format!("many claim {group} at once")),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("the API server gave no answer within {} s", DEADLINE.as_secs())),
        }
    }

    async fn settle(&self, group: &str, request: &ClaimRequest) -> Result<Settled, ApiCallError> {
        let _turn = match self.lock_of(group) {
            Some(lock) => Some(lock.lock().await),
            None => None,
        };
        let mut settlement = Settlement::new(request);
        let mut step = Step::Read;
        loop {
            let answer = match step {
                Step::Read => Answer::Claims(self.backend.read(group).await?),
                Step::Fill => {
                    self.backend.fill(group).await?;
                    Answer::Filled
                }
                Step::Observe(services) => {
                    let reads = services.iter().map(|service| self.backend.observe(group, service));
                    let observed = join_all(reads).await;
                    Answer::Observed(observed.into_iter().collect::<Result<_, _>>()?)
                }
                Step::Write(claims) => Answer::Written(self.backend.write(group, &claims).await?),
                Step::End(settled) => return Ok(settled),
            };
            step = settlement.next(answer);
        }
    }

    fn lock_of(&self, group: &str) -> Option<&Mutex<()>> {
        use std::hash::{DefaultHasher, Hash, Hasher};

        let mut hasher = DefaultHasher::new();
        group.hash(&mut hasher);
        let number = hasher.finish() % u64::try_from(LOCKS).ok()?;
        self.locks.get(usize::try_from(number).ok()?)
    }
}

impl<B: ClaimBackend> ClaimStore for Arc<Claims<B>> {
    async fn claim(&self, write: ReviewedWrite<'_>) -> ClaimResult {
        let result = self.claim_all(write).await;
        self.metrics.count_claim(match &result {
            ClaimResult::Granted(_) => ClaimOutcome::Granted,
            ClaimResult::Held(_) => ClaimOutcome::Held,
            ClaimResult::Unsettled(_) => ClaimOutcome::Unsettled,
        });
        result
    }
}

/// Whether the cache of Services is heard of often enough; the error says since when it is not. Before it
/// was heard of nobody is judged at all.
fn check_age(age: Option<Duration>) -> Result<(), String> {
    match age {
        Some(age) if age > MAX_CACHE_AGE => {
            Err(format!("Services have not been heard of for {} s", age.as_secs()))
        }
        _ => Ok(()),
    }
}

/// The bindings of a Service in one group.
pub fn bindings_in(service: &Service, group: &str) -> BTreeSet<Binding> {
    binding::bindings_by_group(service).remove(group).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_that_have_not_been_heard_of_for_three_minutes_settle_nothing() {
        assert_eq!(check_age(None), Ok(()));
        assert_eq!(check_age(Some(Duration::from_secs(180))), Ok(()));
        let why = check_age(Some(Duration::from_secs(181))).expect_err("too old");
        assert_eq!(why, "Services have not been heard of for 181 s");
    }
}
