//! The rounds that follow from the change of one Service.

use std::collections::BTreeMap;

use super::{
    ServicePrediction, WeightChange, is_unknown,
    standing::{CloudBuilder, StandingCloud},
};
use crate::{
    annotation,
    backends::{self, BackendLabelError, Backends, LocalModel, Mode},
    change::ServiceChange,
    clb_answers::RegisteredBackend,
    identity::NamedKey,
    index::{Index, ServiceRef},
    known_cloud,
    object::{LoadBalancerIngress, Service},
    outcome::{NoEffect, PortResult, clb_of, has_hash, unread_annotations},
    prediction::Prediction,
    round::{self, Cloud, Round, RoundInputs, WatchEvent},
    version::{Behaviour, CcmVersion},
};

/// What becomes of a changed Service by its round, and by a second one where the first fails. What
/// the rounds leave is put back into `standing`.
pub(super) fn carry_out<'a>(
    builder: &CloudBuilder<'_, 'a>,
    change: &ServiceChange<'a>,
    rounds: usize,
    standing: &mut StandingCloud,
) -> ServicePrediction {
    let is_plain = rounds == 1 && builder.is_plain(change);
    let mut cloud = if is_plain { Cloud::default() } else { standing.take(builder, change) };
    let seen = as_seen(builder, change);
    let started = seen.as_ref().and_then(|seen| Started::new(builder, change, seen));
    let predicted = match started {
        None => ServicePrediction::default(),
        Some(started) if !started.prediction.is_queued => started.prediction,
        Some(started) if is_plain => started.judge(),
        Some(started) => started.carry_out(rounds, &mut cloud),
    };
    standing.put_back(cloud);
    predicted
}

/// Carries out so many rounds; one more where a single one fails.
fn repeat(inputs: &RoundInputs<'_>, rounds: usize, cloud: &Cloud) -> Round {
    let mut round = round::run(inputs, cloud);
    let more = rounds.saturating_sub(1).max(usize::from(!round.is_success()));
    for _ in 0..more {
        round = round::run(inputs, &round.cloud);
    }
    round
}

/// A round over a changed Service that is about to be carried out.
struct Started<'s, 'p, 'a> {
    /// The id of the network interface that has an address.
    interface: Box<dyn Fn(&str) -> String + 's>,
    index: &'p Index<'a>,
    service_ref: ServiceRef<'s>,
    /// What is known of it beforehand.
    prediction: ServicePrediction,
}

impl<'s, 'p, 'a: 's> Started<'s, 'p, 'a> {
    fn new(
        builder: &'s CloudBuilder<'p, 'a>,
        change: &ServiceChange<'_>,
        seen: &'s Service,
    ) -> Option<Self> {
        let index = if change.new.is_some() { builder.after } else { builder.before };
        let cluster = index.snapshot.clusters.get(change.cluster)?;
        let service_ref = ServiceRef { cluster_index: change.cluster, cluster, service: seen };
        let version = cluster.ccm_version;
        let unread = change.new.map(|new| unread_annotations(change.old, new, version));
        let prediction = ServicePrediction {
            is_queued: is_queued(change, seen, index.mode(&service_ref), version),
            hash_changed: hash_changed(builder, change),
            goes: seen.needs_clean_up() || change.new.is_none(),
            unread: unread.unwrap_or_default(),
            removed_mapping: removed_mapping(change),
            ..ServicePrediction::default()
        };
        let interface = Box::new(|ip: &str| builder.interface(ip));
        Some(Self { interface, index, service_ref, prediction })
    }

    fn carry_out(self, rounds: usize, cloud: &mut Cloud) -> ServicePrediction {
        let model = model(self.index, &self.service_ref, self.prediction.goes);
        let inputs = self.inputs(&model);
        let before = weights(&inputs, cloud);
        let round = repeat(&inputs, rounds, cloud);
        *cloud = round.cloud;
        let mut weights = changed_weights(&before, &weights(&inputs, cloud));
        let cluster = self.service_ref.cluster;
        if self.prediction.goes && cluster.id.is_none() && cluster.all_nodes().is_none() {
            weights.extend(possible_losses(self.index, &inputs, cloud));
        }
        // CCM writes a weight all the same where a server has a second entry in the group.
        let is_written = weights.iter().any(|change| change.before != change.after);
        let mut unread = self.prediction.unread.clone();
        unread.retain(|(_, why)| *why != NoEffect::WeightUpdatesIgnored || !is_written);
        ServicePrediction {
            failures: Some(round.failures),
            events: round.events,
            weights,
            unread,
            ..self.prediction
        }
    }

    /// The same for a Service whose groups hold afterwards what CCM computes for it, see
    /// [`CloudBuilder::is_plain`]. Of its backends, one node is enough to tell, and what is not known
    /// of them does not matter but where they have no port.
    fn judge(self) -> ServicePrediction {
        let model = if self.service_ref.service.awaits_node_ports() {
            self.index.local_model(&self.service_ref)
        } else {
            model(self.index, &self.service_ref, false)
        };
        let model = model.map(|model| model.with_one_node());
        let cloud = known_cloud::around(self.index, &self.service_ref);
        let round = repeat(&self.inputs(&model), 1, &cloud);
        ServicePrediction {
            failures: Some(round.failures),
            events: round.events,
            ..self.prediction
        }
    }

    fn inputs<'i>(
        &'i self,
        model: &'i Result<LocalModel<'s>, BackendLabelError>,
    ) -> RoundInputs<'i> {
        RoundInputs {
            service: self.service_ref.service,
            model,
            cluster_id: self.index.cluster_id(self.service_ref.cluster_index),
            hash_changed: self.prediction.hash_changed,
            version: self.service_ref.cluster.ccm_version,
            interface: self.interface.as_ref(),
        }
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
        let Ok(group) = &mut port.group else { continue };
        match &of.result {
            PortResult::Unknown(_) => group.backends = Backends::unknown(true),
            PortResult::Refused(refused) if refused.backends.is_empty() => {
                group.backends = Backends::unknown(false);
            }
            _ => {}
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
        let is_possible = annotation::clb_id_problem(clb_of(old)).is_none();
        if ingress.is_empty() && !clb_of(old).is_empty() && is_possible {
            let ip = "…".to_owned();
            ingress.push(LoadBalancerIngress { ip, hostname: String::new() });
            let labels = &mut seen.metadata.labels;
            if !labels.contains_key(annotation::CLB_LABEL) {
                labels.insert(annotation::CLB_LABEL, clb_of(old));
            }
        }
    }
    Some(seen)
}

fn is_queued(
    change: &ServiceChange<'_>,
    seen: &Service,
    mode: Option<Mode>,
    version: CcmVersion,
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
    let hashes_ranges = builder.version(change.cluster).has(Behaviour::HashesSourceRanges);
    let is_same = is_same
        && (!hashes_ranges || was.load_balancer_source_ranges == is.load_balancer_source_ranges);
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
