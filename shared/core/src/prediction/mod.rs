//! The rounds of CCM that follow from a change, and what they leave in the groups.

mod by_name;
mod rounds;
mod standing;

use std::{collections::HashMap, sync::Arc};

pub(crate) use self::standing::{UNKNOWN_SERVER, is_unknown};
use self::{
    by_name::ByName,
    rounds::carry_out,
    standing::{CloudBuilder, GroupContents, StandingCloud},
};
use crate::{
    change::ServiceChange,
    clb_answers::RegisteredBackend,
    index::{Index, ServiceRef},
    object::ObjectRef,
    outcome::{Cause, NoEffect, Outcome, Place, Reason, ServiceOutcome, of_failures},
    round::{Failure, Listener, RoundEvent},
};

/// The Services whose next round is taken as done, and what the groups hold after it. The default
/// names none: everything is as the snapshot has it.
#[derive(Debug, Default)]
pub struct Prediction {
    services: ByName<ServicePrediction>,
    /// By id. The groups that a round may have touched.
    groups: GroupContents,
    /// By CLB. The listeners of the CLBs that a round may have touched.
    listeners: HashMap<String, Vec<Listener>>,
}

/// What becomes of one Service.
#[derive(Debug, Clone, Default)]
pub struct ServicePrediction {
    /// Whether CCM looks at the Service. If not, everything stays as it is.
    pub is_queued: bool,
    /// Whether the Service differs from that of CCM's last successful round.
    pub hash_changed: bool,
    /// Why the round fails, and fails again when CCM tries once more; `None` where it was not carried
    /// out.
    pub failures: Option<Vec<Failure>>,
    /// The events of the last round.
    pub events: Vec<RoundEvent>,
    /// The groups in which the Service has another weight than before.
    pub weights: Vec<WeightChange>,
    /// Whether the Service goes, or is no load balancer any more.
    pub goes: bool,
    /// The annotations whose change has no effect, by full key.
    unread: Vec<(String, NoEffect)>,
    /// The full key of the mapping that goes while the Service goes on to name a CLB.
    removed_mapping: Option<String>,
}

/// The sum of a Service's weights in a group, before and after a round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WeightChange {
    /// The group's id.
    pub vgroup: String,
    /// The sum before; `None` where it is not known.
    pub before: Option<u64>,
    /// The sum after; `None` where it is not known.
    pub after: Option<u64>,
}

impl WeightChange {
    /// Whether the Service may have less weight than before.
    pub fn is_loss(&self) -> bool {
        match (self.before, self.after) {
            (Some(before), Some(after)) => after < before,
            // What is not known may be above 0.
            (None, Some(_)) => true,
            (_, None) => false,
        }
    }
}

impl Prediction {
    /// The rounds that follow from `changes`: over the changed Services, and over those whose nodes
    /// or endpoints differ between the two snapshots. A round that fails is carried out once more,
    /// as CCM does.
    pub fn new<'a>(before: &Index<'a>, after: &Index<'a>, changes: &[ServiceChange<'a>]) -> Self {
        after.follows(before);
        let grounds: Vec<ServiceChange<'_>> = changed_grounds(before, after, changes);
        let all: Vec<&ServiceChange<'_>> = changes.iter().chain(&grounds).collect();
        Self::of_rounds(before, after, &all, 1)
    }

    /// The same for rules alone. A round that leaves what CCM computes for the Service as it is
    /// afterwards is not carried out, for the rules look at that already.
    pub fn for_rules<'a>(
        before: &Index<'a>,
        after: &Index<'a>,
        changes: &[ServiceChange<'a>],
    ) -> Self {
        after.follows(before);
        let builder = CloudBuilder::new(before, after);
        let (plain, others): (Vec<_>, Vec<_>) =
            changes.iter().partition(|change| builder.is_plain(change));
        let mut prediction = Self::of_rounds(before, after, &others, 1);
        for change in plain {
            let Some(service) = change.new.or(change.old) else { continue };
            prediction.services.insert(change.cluster, service, ServicePrediction::awaited());
        }
        prediction
    }

    /// The round over a Service that was edited, which is not carried out.
    pub(crate) fn of_edited(service_ref: &ServiceRef<'_>) -> Self {
        let mut prediction = Self::default();
        let ServiceRef { cluster_index, service, .. } = *service_ref;
        prediction.services.insert(cluster_index, service, ServicePrediction::awaited());
        prediction
    }

    /// What so many rounds leave that CCM makes over a Service as it is.
    pub(crate) fn of_unchanged<'a>(
        index: &Index<'a>,
        service_ref: &ServiceRef<'a>,
        rounds: usize,
    ) -> Self {
        let change = ServiceChange {
            object: service_ref.service.object_ref(service_ref.cluster.context.as_ref()),
            cluster: service_ref.cluster_index,
            old: Some(service_ref.service),
            new: Some(service_ref.service),
        };
        Self::of_rounds(index, index, &[&change], rounds)
    }

    fn of_rounds<'a>(
        before: &Index<'a>,
        after: &Index<'a>,
        all: &[&ServiceChange<'a>],
        rounds: usize,
    ) -> Self {
        let mut prediction = Self::default();
        if all.is_empty() {
            return prediction;
        }
        let builder = CloudBuilder::new(before, after);
        let mut standing = StandingCloud::default();
        for change in all {
            let Some(service) = change.new.or(change.old) else { continue };
            let predicted = carry_out(&builder, change, rounds, &mut standing);
            prediction.services.insert(change.cluster, service, predicted);
        }
        (prediction.groups, prediction.listeners) = standing.into_parts();
        prediction
    }

    /// Whether CCM's next round over the Service is taken as done.
    pub fn is_changed(&self, service_ref: &ServiceRef<'_>) -> bool {
        self.of(service_ref).is_some_and(|predicted| predicted.is_queued)
    }

    /// Whether the hash of the Service differs from that of CCM's last success; `None` where its
    /// round is not taken as done.
    pub(crate) fn hash_changed(&self, service_ref: &ServiceRef<'_>) -> Option<bool> {
        let predicted = self.of(service_ref).filter(|predicted| predicted.is_queued)?;
        Some(predicted.hash_changed)
    }

    /// What becomes of a Service; `None` where nothing changes about it.
    pub fn of(&self, service_ref: &ServiceRef<'_>) -> Option<&ServicePrediction> {
        let meta = &service_ref.service.metadata;
        self.services.get(service_ref.cluster_index, meta.namespace(), &meta.name)
    }

    /// What becomes of each Service about which something changes, in the order of cluster,
    /// namespace and name. `index` is the snapshot after the change.
    pub fn services<'p>(
        &'p self,
        index: &'p Index<'_>,
    ) -> impl Iterator<Item = (ObjectRef, &'p ServicePrediction)> {
        self.services.iter().map(move |(cluster, namespace, name, predicted)| {
            let cluster = index.snapshot.clusters.get(cluster);
            let object = ObjectRef {
                context: cluster.and_then(|cluster| cluster.context.clone()),
                kind: "Service".to_owned(),
                namespace: Some(namespace.to_owned()),
                name: name.to_owned(),
            };
            (object, predicted)
        })
    }

    /// The same, by name: whether or not the Service still exists.
    pub(crate) fn touches(&self, cluster: usize, namespace: &str, service: &str) -> bool {
        self.services.get(cluster, namespace, service).is_some()
    }

    /// What a group holds after the rounds; `None` where none of them may have touched it.
    pub(crate) fn contents(&self, vgroup: &str) -> Option<&Arc<Vec<RegisteredBackend>>> {
        self.groups.get(vgroup)
    }

    /// The listeners of a CLB after the rounds; `None` where none of them may have touched it.
    pub(crate) fn listeners_of(&self, clb: &str) -> Option<&[Listener]> {
        self.listeners.get(clb).map(Vec::as_slice)
    }
}

impl ServicePrediction {
    /// Of a Service that was edited and whose round is not carried out.
    fn awaited() -> Self {
        Self { is_queued: true, hash_changed: true, ..Self::default() }
    }

    /// The outcome of the change for the Service, with its reasons. `present` is what a round makes
    /// of the Service as it is afterwards; `None` where CCM does not take it any more.
    pub fn outcome(&self, present: Option<&ServiceOutcome<'_>>) -> (Outcome, Vec<Reason>) {
        let mut reasons: Vec<Reason> = Vec::new();
        if !self.is_queued && self.unread.is_empty() {
            let cause = Cause::NotQueued;
            let reason = Reason { outcome: Outcome::NoEffect, place: Place::Service, cause };
            return (Outcome::NoEffect, vec![reason]);
        }
        let failures = self.failures.as_deref().unwrap_or_default();
        if let Some(outcome) = of_failures(failures) {
            let failures = failures.iter().cloned().map(Cause::Failure);
            reasons.extend(failures.map(|cause| Reason { outcome, place: Place::Service, cause }));
            if outcome == Outcome::Frozen {
                return (outcome, reasons);
            }
        }
        let is_known = |reason: &Reason| matches!(reason.cause, Cause::Failure(_));
        let present =
            present.filter(|_| !self.goes).map(ServiceOutcome::reasons).unwrap_or_default();
        reasons.extend(present.into_iter().filter(|reason| !is_known(reason)));
        reasons.extend(self.removed_mapping.iter().map(|key| Reason {
            outcome: Outcome::Misrouted,
            place: Place::Annotation(key.clone()),
            cause: Cause::MappingRemoved,
        }));
        for (key, why) in &self.unread {
            let place = Place::Annotation(key.clone());
            let cause = Cause::NoEffect(*why);
            let reason = Reason { outcome: Outcome::NoEffect, place, cause };
            if !reasons.contains(&reason) {
                reasons.push(reason);
            }
        }
        let worst = reasons.iter().map(|reason| reason.outcome).max();
        (worst.unwrap_or(Outcome::Applied), reasons)
    }
}

/// The Services that are the same and whose nodes or endpoints are not.
fn changed_grounds<'a>(
    before: &Index<'a>,
    after: &Index<'a>,
    changes: &[ServiceChange<'a>],
) -> Vec<ServiceChange<'a>> {
    let is_listed = |service_ref: &ServiceRef<'_>| {
        changes.iter().any(|change| {
            change.cluster == service_ref.cluster_index
                && change.new.is_some_and(|new| std::ptr::eq(new, service_ref.service))
        })
    };
    let clusters = before.snapshot.clusters.iter().zip(&after.snapshot.clusters);
    let same_nodes: Vec<bool> = clusters
        .map(|(was, is)| std::ptr::eq(was.nodes(), is.nodes()) || was.nodes() == is.nodes())
        .collect();
    let is_same = |service_ref: &ServiceRef<'_>| {
        let Some(was) = before.snapshot.clusters.get(service_ref.cluster_index) else {
            return true;
        };
        let same_nodes = same_nodes.get(service_ref.cluster_index).copied().unwrap_or(true);
        same_nodes
            && was.slices_of(service_ref.service)
                == service_ref.cluster.slices_of(service_ref.service)
    };
    let differing = after.services().filter(|service_ref| !is_same(service_ref));
    let changes = differing.filter(|service_ref| !is_listed(service_ref)).map(|service_ref| {
        let cluster = before.snapshot.clusters.get(service_ref.cluster_index);
        let meta = &service_ref.service.metadata;
        ServiceChange {
            object: service_ref.service.object_ref(service_ref.cluster.context.as_ref()),
            cluster: service_ref.cluster_index,
            old: cluster.and_then(|cluster| cluster.service(meta.namespace(), &meta.name)),
            new: Some(service_ref.service),
        }
    });
    changes.collect()
}
