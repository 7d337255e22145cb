//! The claims of Services on one vServer group, as a Lease keeps them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::binding::{Binding, ServiceName};
pub use crate::api_call::Seconds;

/// How long a write that was admitted may still be carried out, in seconds. API servers end a write after
/// a minute (Kubernetes: `--request-timeout`).
pub const WRITE_LIFETIME: i64 = 120;

/// How many Services may have claims on one group whose writes were not seen done. Only forged reviews
/// and writes that fail reach it.
pub const MAX_PENDING: usize = 32;

/// How many writes of a Service are told apart for one binding. Only one that is tried again and again
/// reaches it.
const MAX_WRITES: usize = 4;

/// The write that a claim was granted for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum ClaimedWrite {
    /// It is done: the binding was seen in the cluster.
    Done,
    /// The creation of the object with this uid, which the API server chooses before it asks.
    Create {
        /// The new object's uid.
        uid: String,
    },
    /// A change of this version of an object. The API server carries it out on this version alone, and
    /// asks again before it carries it out on another.
    Update {
        /// The object's uid.
        uid: String,
        /// The resource version that is changed.
        resource_version: String,
    },
    /// Some writes of which only the time of the last one is kept, because there are many.
    Many,
}

/// One binding that a Service has or may soon have.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Claim {
    /// The CLB and the port.
    #[serde(flatten)]
    pub binding: Binding,
    /// The write that brings it.
    pub write: ClaimedWrite,
    /// When it was granted.
    pub since: Seconds,
}

impl Claim {
    /// Whether the write may still be carried out at that time, as far as time tells.
    pub fn is_pending(&self, now: Seconds) -> bool {
        self.write != ClaimedWrite::Done && now < self.since.saturating_add(WRITE_LIFETIME)
    }

    fn is_told_apart(&self) -> bool {
        matches!(self.write, ClaimedWrite::Create { .. } | ClaimedWrite::Update { .. })
    }
}

/// A Service as a read of the API server showed it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ServiceState {
    /// Its uid.
    pub uid: String,
    /// Its resource version.
    pub resource_version: String,
    /// Its bindings in the group that is asked about.
    pub bindings: BTreeSet<Binding>,
}

/// What is known of a Service by a read that began after its claims were read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Observation {
    /// The Service; `None` where there is none of that name.
    pub service: Option<ServiceState>,
    /// Uids that Services of that name were known to have had before the read began: a creation with one
    /// of them is over. One that becomes known later may be that of a Service which the read does not
    /// show.
    pub past_uids: BTreeSet<String>,
}

/// The claims on one group, by Service.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupClaims(BTreeMap<ServiceNameKey, BTreeSet<Claim>>);

/// A Service's name as a key in JSON: `NAMESPACE/NAME`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
struct ServiceNameKey(ServiceName);

impl From<ServiceNameKey> for String {
    fn from(key: ServiceNameKey) -> Self {
        key.0.to_string()
    }
}

impl TryFrom<String> for ServiceNameKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let (namespace, name) =
            text.split_once('/').ok_or_else(|| format!("{text:?} is no NAMESPACE/NAME"))?;
        Ok(Self(ServiceName { namespace: namespace.to_owned(), name: name.to_owned() }))
    }
}

/// A Service that has a claim beside another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Holder {
    /// The Service's name.
    pub service: ServiceName,
    /// A binding that it has or may soon have; the one that stands in the way, where one does.
    pub binding: Binding,
    /// Whether none of it was seen in the cluster yet: its write was admitted, and may have failed since.
    pub is_pending: bool,
}

impl GroupClaims {
    /// Adds a binding that a list of the cluster's Services shows.
    pub fn add_seen(&mut self, service: &ServiceName, bindings: &BTreeSet<Binding>, now: Seconds) {
        for binding in bindings {
            self.insert(service, binding, ClaimedWrite::Done, now);
        }
    }

    /// Adds the claim of a write that is about to be admitted. Returns whether anything changed.
    pub fn grant(
        &mut self,
        service: &ServiceName,
        bindings: &BTreeSet<Binding>,
        write: &ClaimedWrite,
        now: Seconds,
    ) -> bool {
        let mut is_changed = false;
        for binding in bindings {
            is_changed |= self.insert(service, binding, write.clone(), now);
        }
        is_changed
    }

    /// Adds a claim, or renews the same one: the write is tried once more, and may be carried out that much
    /// later. Returns whether anything changed.
    fn insert(
        &mut self,
        service: &ServiceName,
        binding: &Binding,
        write: ClaimedWrite,
        now: Seconds,
    ) -> bool {
        let claims = self.0.entry(ServiceNameKey(service.clone())).or_default();
        let of_binding = |claim: &&Claim| claim.binding == *binding;
        let known = claims.iter().filter(of_binding).find(|claim| claim.write == write);
        if known.is_some_and(|known| write == ClaimedWrite::Done || known.since >= now) {
            return false;
        }
        claims.retain(|claim| claim.binding != *binding || claim.write != write);
        let told_apart = claims.iter().filter(of_binding).filter(|claim| claim.is_told_apart());
        let is_many = !matches!(write, ClaimedWrite::Done | ClaimedWrite::Many)
            && told_apart.count() >= MAX_WRITES;
        if is_many {
            claims.retain(|claim| claim.binding != *binding || !claim.is_told_apart());
            return self.insert(service, binding, ClaimedWrite::Many, now);
        }
        claims.insert(Claim { binding: binding.clone(), write, since: now })
    }

    /// The other Services that keep `service` from having `bindings`: with these, the group would not be
    /// bound to one port of one CLB.
    pub fn in_the_way(&self, service: &ServiceName, bindings: &BTreeSet<Binding>) -> Vec<Holder> {
        let others = || self.0.iter().filter(|(other, _)| other.0 != *service);
        let all: BTreeSet<&Binding> = others()
            .flat_map(|(_, claims)| claims.iter().map(|claim| &claim.binding))
            .chain(bindings)
            .collect();
        if all.len() <= 1 {
            return Vec::new();
        }
        let differs = |claim: &Claim| bindings.len() > 1 || !bindings.contains(&claim.binding);
        self.holders(service, differs).collect()
    }

    /// The other Services that have a claim.
    pub fn others(&self, service: &ServiceName) -> Vec<Holder> {
        self.holders(service, |_| true).collect()
    }

    /// The other Services with a claim of which `is_meant` is true, each once.
    fn holders<'c>(
        &'c self,
        service: &'c ServiceName,
        is_meant: impl Fn(&Claim) -> bool + 'c,
    ) -> impl Iterator<Item = Holder> + 'c {
        self.0.iter().filter(|(other, _)| other.0 != *service).filter_map(move |(name, claims)| {
            let claim = claims.iter().find(|claim| is_meant(claim))?;
            Some(Holder {
                service: name.0.clone(),
                binding: claim.binding.clone(),
                is_pending: claims.iter().all(|claim| claim.write != ClaimedWrite::Done),
            })
        })
    }

    /// How many claims a Service has.
    pub fn count_of(&self, service: &ServiceName) -> usize {
        self.0.get(&ServiceNameKey(service.clone())).map_or(0, BTreeSet::len)
    }

    /// The other Services that have a claim whose write was not seen done.
    pub fn pending(&self, service: &ServiceName) -> Vec<ServiceName> {
        let is_pending =
            |claims: &BTreeSet<Claim>| claims.iter().any(|claim| claim.write != ClaimedWrite::Done);
        let others =
            self.0.iter().filter(|(other, claims)| other.0 != *service && is_pending(claims));
        others.map(|(name, _)| name.0.clone()).collect()
    }

    /// All Services that have a claim.
    pub fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.0.keys().map(|key| &key.0)
    }

    /// Whether a write may still be carried out at that time, as far as time tells.
    pub fn has_pending(&self, now: Seconds) -> bool {
        self.0.values().flatten().any(|claim| claim.is_pending(now))
    }

    /// Whether nobody has a claim.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Replaces the claims of a Service by what a read shows of it: the bindings it has, and the claims
    /// whose writes may still be carried out. `now` is not later than the read.
    ///
    /// A write that was seen done, or that can no longer be, leaves nothing but what the read shows: a
    /// change of a version that is no longer the present one, a creation whose uid has been seen, and
    /// any write that is older than [`WRITE_LIFETIME`].
    pub fn observe(&mut self, service: &ServiceName, observation: &Observation, now: Seconds) {
        let key = ServiceNameKey(service.clone());
        let mut claims = self.0.remove(&key).unwrap_or_default();
        let state = observation.service.as_ref();
        let has = |binding: &Binding| state.is_some_and(|state| state.bindings.contains(binding));
        claims.retain(|claim| match &claim.write {
            ClaimedWrite::Done => has(&claim.binding),
            write => claim.is_pending(now) && may_be_carried_out(write, observation),
        });
        for binding in state.into_iter().flat_map(|state| &state.bindings) {
            if !claims.iter().any(|it| it.binding == *binding && it.write == ClaimedWrite::Done) {
                let (binding, write) = (binding.clone(), ClaimedWrite::Done);
                claims.insert(Claim { binding, write, since: now });
            }
        }
        if !claims.is_empty() {
            self.0.insert(key, claims);
        }
    }
}

/// Whether a read leaves it open that a write is carried out later.
fn may_be_carried_out(write: &ClaimedWrite, observation: &Observation) -> bool {
    let state = observation.service.as_ref();
    match write {
        ClaimedWrite::Done => false,
        ClaimedWrite::Many => true,
        ClaimedWrite::Create { uid } => {
            state.is_none_or(|state| state.uid != *uid) && !observation.past_uids.contains(uid)
        }
        ClaimedWrite::Update { uid, resource_version } => state
            .is_some_and(|state| state.uid == *uid && state.resource_version == *resource_version),
    }
}
