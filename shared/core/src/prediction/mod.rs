//! The rounds of CCM that follow from a change, and what they leave in the groups.

mod standing;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use self::standing::CloudBuilder;
pub(crate) use self::standing::{UNKNOWN_SERVER, is_unknown};
use crate::{
    annotation,
    backends::{self, BackendLabelError, Backends, LocalModel, Mode},
    change::ServiceChange,
    clb_answers::RegisteredBackend,
    identity::NamedKey,
    index::{Index, ServiceRef},
    object::{LoadBalancerIngress, ObjectRef, Service},
    outcome::{
        Cause, NoEffect, Outcome, Place, PortResult, Reason, ServiceOutcome, clb_of, has_hash,
        of_failures, unread_annotations,
    },
    round::{self, Cloud, Failure, RoundEvent, RoundInputs, WatchEvent},
};

/// The Services whose next round is taken as done, and what the groups hold after it. The default
/// names none: everything is as the snapshot has it.
#[derive(Debug, Default)]
pub struct Prediction {
    services: BTreeMap<Name, ServicePrediction>,
    /// By id. The groups that a round may have touched.
    groups: HashMap<String, Arc<Vec<RegisteredBackend>>>,
}

/// Cluster, namespace and name of a Service.
type Name = (usize, String, String);

/// What becomes of one Service.
#[derive(Debug, Clone, Default)]
pub struct ServicePrediction {
    /// Whether CCM looks at the Service. If not, everything stays as it is.
    pub is_queued: bool,
    /// Whether the Service differs from that of CCM's last successful round.
    pub hash_changed: bool,
    /// Why the round fails, and fails again when CCM tries once more.
    pub failures: Vec<Failure>,
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
        let mut cloud = builder.build(all);
        let known: Vec<String> = cloud.groups.iter().map(|group| group.id.clone()).collect();
        for change in all {
            let Some(service) = change.new.or(change.old) else { continue };
            let predicted = carry_out(&builder, change, rounds, &mut cloud);
            prediction.services.insert(name(change.cluster, service), predicted);
        }
        let groups = cloud.groups.into_iter().map(|group| (group.id, Arc::new(group.backends)));
        // A group that CCM deletes holds nothing.
        prediction.groups =
            known.into_iter().map(|id| (id, Arc::default())).chain(groups).collect();
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
        if self.services.is_empty() {
            return None;
        }
        self.services.get(&name(service_ref.cluster_index, service_ref.service))
    }

    /// What becomes of the Service of a change.
    pub fn of_change(&self, change: &ServiceChange<'_>) -> Option<&ServicePrediction> {
        let service = change.new.or(change.old)?;
        self.services.get(&name(change.cluster, service))
    }

    /// What becomes of each Service about which something changes, in the order of cluster,
    /// namespace and name. `index` is the snapshot after the change.
    pub fn services<'p>(
        &'p self,
        index: &'p Index<'_>,
    ) -> impl Iterator<Item = (ObjectRef, &'p ServicePrediction)> {
        self.services.iter().map(move |((cluster, namespace, name), predicted)| {
            let cluster = index.snapshot.clusters.get(*cluster);
            let object = ObjectRef {
                context: cluster.and_then(|cluster| cluster.context.clone()),
                kind: "Service".to_owned(),
                namespace: Some(namespace.clone()),
                name: name.clone(),
            };
            (object, predicted)
        })
    }

    /// The same, by name: whether or not the Service still exists.
    pub(crate) fn touches(&self, cluster: usize, namespace: &str, service: &str) -> bool {
        self.services.contains_key(&(cluster, namespace.to_owned(), service.to_owned()))
    }

    /// What a group holds after the rounds; `None` where none of them may have touched it.
    pub(crate) fn contents(&self, vgroup: &str) -> Option<&Arc<Vec<RegisteredBackend>>> {
        self.groups.get(vgroup)
    }
}

impl ServicePrediction {
    /// The outcome of the change for the Service, with its reasons. `present` is what a round makes
    /// of the Service as it is afterwards; `None` where CCM does not take it any more.
    pub fn outcome(&self, present: Option<&ServiceOutcome<'_>>) -> (Outcome, Vec<Reason>) {
        let mut reasons: Vec<Reason> = Vec::new();
        if !self.is_queued && self.unread.is_empty() {
            let cause = Cause::NotQueued;
            let reason = Reason { outcome: Outcome::NoEffect, place: Place::Service, cause };
            return (Outcome::NoEffect, vec![reason]);
        }
        if let Some(outcome) = of_failures(&self.failures) {
            let failures = self.failures.iter().cloned().map(Cause::Failure);
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

fn name(cluster: usize, service: &Service) -> Name {
    (cluster, service.metadata.namespace().to_owned(), service.metadata.name.clone())
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
    let differing = after.services().filter(|service_ref| !is_same_ground(before, service_ref));
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

/// Whether a Service stands on the same nodes and endpoints as before.
fn is_same_ground(before: &Index<'_>, service_ref: &ServiceRef<'_>) -> bool {
    let Some(cluster) = before.snapshot.clusters.get(service_ref.cluster_index) else {
        return true;
    };
    let (was, is) = (cluster.nodes(), service_ref.cluster.nodes());
    (std::ptr::eq(was, is) || was == is)
        && cluster.slices_of(service_ref.service)
            == service_ref.cluster.slices_of(service_ref.service)
}

/// Carries out the round over a changed Service, and a second one where the first fails.
fn carry_out(
    builder: &CloudBuilder<'_, '_>,
    change: &ServiceChange<'_>,
    rounds: usize,
    cloud: &mut Cloud,
) -> ServicePrediction {
    let Some(seen) = as_seen(builder, change) else { return ServicePrediction::default() };
    let goes = seen.needs_clean_up() || change.new.is_none();
    let index = if change.new.is_some() { builder.after } else { builder.before };
    let Some(cluster) = index.snapshot.clusters.get(change.cluster) else {
        return ServicePrediction::default();
    };
    let service_ref = ServiceRef { cluster_index: change.cluster, cluster, service: &seen };
    let version = cluster.ccm_version;
    let unread = change.new.map(|new| unread_annotations(change.old, new, version));
    let mut unread = unread.unwrap_or_default();
    let is_queued = is_queued(change, &seen, index.mode(&service_ref), version);
    let hash_changed = hash_changed(builder, change);
    if !is_queued {
        return ServicePrediction { goes, unread, ..ServicePrediction::default() };
    }
    let model = model(index, &service_ref, goes);
    let inputs = RoundInputs {
        service: &seen,
        model: &model,
        cluster_id: index.cluster_id(change.cluster),
        hash_changed,
        version,
        interface: &|ip| builder.interface(ip),
    };
    let before = weights(&inputs, cloud);
    let mut round = round::run(&inputs, cloud);
    let more = rounds.saturating_sub(1).max(usize::from(!round.is_success()));
    for _ in 0..more {
        round = round::run(&inputs, &round.cloud);
    }
    *cloud = round.cloud;
    let mut weights = changed_weights(&before, &weights(&inputs, cloud));
    if goes && cluster.id.is_none() && cluster.all_nodes().is_none() {
        weights.extend(possible_losses(index, &inputs, cloud));
    }
    // CCM writes a weight all the same where a server has a second entry in the group.
    let is_written = weights.iter().any(|change| change.before != change.after);
    unread.retain(|(_, why)| *why != NoEffect::WeightUpdatesIgnored || !is_written);
    ServicePrediction {
        is_queued,
        hash_changed,
        failures: round.failures,
        events: round.events,
        weights,
        goes,
        unread,
        removed_mapping: removed_mapping(change),
    }
}

/// The key of a mapping that goes, while the Service goes on to name a CLB whose listeners CCM does
/// not touch.
fn removed_mapping(change: &ServiceChange<'_>) -> Option<String> {
    let (old, new) = (change.old?, change.new?);
    let annotations = &new.metadata.annotations;
    let goes = backends::is_mapped(old)
        && !backends::is_mapped(new)
        && !clb_of(new).is_empty()
        && new.is_load_balancer()
        && annotations.text(annotation::FORCE_OVERRIDE) != "true";
    goes.then(|| old.metadata.annotations.key_of(annotation::VGROUP_PORT))
}

/// What CCM computes of a Service. A port whose backends cannot be computed has one of which nothing
/// is known.
fn model<'s, 'a: 's>(
    index: &Index<'a>,
    service_ref: &ServiceRef<'s>,
    goes: bool,
) -> Result<LocalModel<'s>, BackendLabelError> {
    if goes {
        return Ok(LocalModel { mode: Mode::Cluster, ports: Vec::new() });
    }
    let mut model = index.local_model(service_ref)?;
    let outcome = index.outcome_of(service_ref, &Prediction::default());
    for (port, of) in model.ports.iter_mut().zip(&outcome.ports) {
        if let (Ok(group), PortResult::Unknown(_)) = (&mut port.group, &of.result) {
            group.backends = Backends::unknown();
        }
    }
    Ok(model)
}

/// The Service as CCM's round sees it: with CCM's finalizer, and with what CCM wrote to it before.
fn as_seen(builder: &CloudBuilder<'_, '_>, change: &ServiceChange<'_>) -> Option<Service> {
    let mut seen = change.new.or(change.old)?.clone();
    let version = builder.version(change.cluster);
    let was_taken = change.old.is_some_and(|old| old.is_taken_by(version) || old.has_finalizer());
    if was_taken && !seen.has_finalizer() {
        seen.metadata.finalizers.push(annotation::FINALIZER.to_owned());
    }
    if change.new.is_none() && seen.metadata.deletion_timestamp.is_none() {
        seen.metadata.deletion_timestamp = Some("1970-01-01T00:00:00Z".to_owned());
    }
    // CCM has bound a Service that it took to its CLB, whether or not a manifest says so.
    if let Some(old) = change.old.filter(|old| was_taken && clb_of(old) != clb_of(&seen)) {
        let ingress = &mut seen.status.load_balancer.ingress;
        if ingress.is_empty() && !clb_of(old).is_empty() {
            let ip = "its address".to_owned();
            ingress.push(LoadBalancerIngress { ip, hostname: String::new() });
            let label = annotation::CLB_LABEL.to_owned();
            seen.metadata.labels.entry(label).or_insert_with(|| clb_of(old).to_owned());
        }
    }
    Some(seen)
}

fn is_queued(
    change: &ServiceChange<'_>,
    seen: &Service,
    mode: Option<Mode>,
    version: crate::version::CcmVersion,
) -> bool {
    let mode = mode.unwrap_or(Mode::Cluster);
    let is_same = |old: &Service| {
        old.spec == seen.spec
            && old.metadata.annotations == seen.metadata.annotations
            && old.metadata.deletion_timestamp == seen.metadata.deletion_timestamp
    };
    match change.old {
        // Its nodes or endpoints changed, or somebody asks what CCM's next round would write.
        Some(old) if is_same(old) => WatchEvent::Start.queues(seen, mode, version),
        before => WatchEvent::Service { before }.queues(seen, mode, version),
    }
}

/// Whether the Service differs from that of CCM's last success in what CCM hashes.
fn hash_changed(builder: &CloudBuilder<'_, '_>, change: &ServiceChange<'_>) -> bool {
    let (Some(old), Some(new)) = (change.old, change.new) else { return true };
    let (was, is) = (&old.spec, &new.spec);
    let is_same = old.metadata.annotations == new.metadata.annotations
        && old.metadata.deletion_timestamp == new.metadata.deletion_timestamp
        && (&was.ports, &was.kind, was.external_traffic_policy, &was.load_balancer_class)
            == (&is.ports, &is.kind, is.external_traffic_policy, &is.load_balancer_class);
    if !is_same || !has_hash(old) {
        return true;
    }
    let Some(cluster) = builder.before.snapshot.clusters.get(change.cluster) else { return true };
    let service_ref = ServiceRef { cluster_index: change.cluster, cluster, service: old };
    // After a failure the label is that of an older Service.
    !builder.before.outcome_of(&service_ref, &Prediction::default()).failures.is_empty()
}

/// The sum of a Service's weights in each group; `None` where it is not known.
fn weights(inputs: &RoundInputs<'_>, cloud: &Cloud) -> BTreeMap<String, Option<u64>> {
    let meta = &inputs.service.metadata;
    let is_own = |backend: &&RegisteredBackend| {
        NamedKey::parse(&backend.description).is_some_and(|key| {
            key.service == meta.name
                && key.namespace == meta.namespace()
                && key.cluster_id == inputs.cluster_id
        })
    };
    let sums = cloud.groups.iter().map(|group| {
        let own = group.backends.iter().filter(is_own);
        let sum = own.map(|backend| (!is_unknown(backend)).then(|| u64::from(backend.weight)));
        (group.id.clone(), sum.sum::<Option<u64>>())
    });
    sums.collect()
}

/// The groups that hold backends of a Service of this name in a cluster that is not at hand. Where
/// the id of the Service's own cluster is not known, they may be its own.
fn possible_losses<'c>(
    index: &'c Index<'_>,
    inputs: &'c RoundInputs<'_>,
    cloud: &'c Cloud,
) -> impl Iterator<Item = WeightChange> + 'c {
    let meta = &inputs.service.metadata;
    let may_be_own = move |backend: &RegisteredBackend| {
        let key = NamedKey::parse(&backend.description);
        key.is_some_and(|key| key.service == meta.name && key.namespace == meta.namespace())
            && index.cluster_of(backend).is_none()
    };
    let groups = cloud.groups.iter().filter(move |group| group.backends.iter().any(may_be_own));
    groups.map(|group| WeightChange { vgroup: group.id.clone(), before: None, after: Some(0) })
}

fn changed_weights(
    before: &BTreeMap<String, Option<u64>>,
    after: &BTreeMap<String, Option<u64>>,
) -> Vec<WeightChange> {
    let changes = before.iter().map(|(vgroup, before)| WeightChange {
        vgroup: vgroup.clone(),
        before: *before,
        after: after.get(vgroup).copied().unwrap_or(Some(0)),
    });
    changes.filter(|change| change.before != change.after).collect()
}
