use std::cell::OnceCell;

use super::{FindingBuilder, Findings};
use crate::{
    annotation::{self, EffectiveValue, KnownAnnotation},
    backends::{self, Mode, NodeSet},
    clb_answers::{GroupAnswer, Listener},
    index::{Index, ServiceRef, routes_of},
    mapping::Mapping,
    object::{Annotations, EndpointSlice, ObjectRef, Service, Workload},
    outcome::{Outcome, ServiceOutcome},
    prediction::Prediction,
    round::Failure,
    route::{Participant, Route, RouteKey},
    snapshot::Cluster,
    version::{Behaviour, CcmVersion},
    weight::WeightSetting,
};

/// A Service that rules judge, with everything that they may ask about it. What is computed is
/// computed once.
pub struct CheckedService<'s, 'a> {
    /// The snapshot that the Service is in.
    pub index: &'s Index<'a>,
    /// The Service and its cluster.
    pub service_ref: ServiceRef<'a>,
    /// The Service before the change that is judged; `None` without a change, or where the change
    /// creates it.
    pub old: Option<&'a Service>,
    prediction: &'s Prediction,
    mode: OnceCell<Option<Mode>>,
    mapping: OnceCell<Option<Mapping<'a>>>,
    setting: OnceCell<Option<WeightSetting>>,
    known: OnceCell<Vec<(&'static KnownAnnotation, EffectiveValue<'a>)>>,
    round: OnceCell<ServiceOutcome<'a>>,
    routes: OnceCell<Vec<Route<'a>>>,
}

impl<'s, 'a> CheckedService<'s, 'a> {
    pub(crate) fn new(
        index: &'s Index<'a>,
        service_ref: ServiceRef<'a>,
        old: Option<&'a Service>,
        prediction: &'s Prediction,
    ) -> Self {
        Self {
            index,
            service_ref,
            old,
            prediction,
            mode: OnceCell::new(),
            mapping: OnceCell::new(),
            setting: OnceCell::new(),
            known: OnceCell::new(),
            round: OnceCell::new(),
            routes: OnceCell::new(),
        }
    }

    /// The Service.
    pub fn service(&self) -> &'a Service {
        self.service_ref.service
    }

    /// Its annotations.
    pub fn annotations(&self) -> &'a Annotations {
        &self.service_ref.service.metadata.annotations
    }

    /// The id of its CLB; empty without one.
    pub fn clb(&self) -> &'a str {
        self.annotations().text(annotation::ID)
    }

    /// The mapping that CCM honours, see [`backends::mapping`].
    pub fn mapping(&self) -> Option<&Mapping<'a>> {
        self.mapping.get_or_init(|| backends::mapping(self.service_ref.service)).as_ref()
    }

    /// Its annotations that CCM reads.
    pub(crate) fn known(&self) -> &[(&'static KnownAnnotation, EffectiveValue<'a>)] {
        self.known.get_or_init(|| annotation::known_in(self.annotations()))
    }

    /// The weights in effect; `None` where CCM refuses a value.
    pub fn weight_setting(&self) -> Option<WeightSetting> {
        *self
            .setting
            .get_or_init(|| backends::weight_setting(self.service_ref.service, self.version()).ok())
    }

    /// Whether it has no `loadbalancer-weight`, or one above 0. `false` where CCM refuses a value.
    pub fn carries_weight(&self) -> bool {
        self.weight_setting().is_some_and(|setting| setting.total != Some(0))
    }

    /// The release of its cluster's CCM.
    pub fn version(&self) -> CcmVersion {
        self.service_ref.cluster.ccm_version
    }

    /// The mode CCM uses; `None` where nothing tells.
    pub fn mode(&self) -> Option<Mode> {
        *self.mode.get_or_init(|| self.index.mode(&self.service_ref))
    }

    /// The same. Notes that it is missing where nothing tells.
    pub fn known_mode(&self, out: &mut Findings<'_>) -> Option<Mode> {
        let mode = self.mode();
        if mode.is_none() {
            out.missing(
                || format!("default backend-type{}", of_context(self.service_ref.cluster)),
                "nothing tells whether pods or nodes are the backends of a Service without backend-type; give --backend-type",
            );
        }
        mode
    }

    /// What a round of CCM does about it.
    pub fn round(&self) -> &ServiceOutcome<'a> {
        self.round.get_or_init(|| self.index.outcome_of(&self.service_ref, self.prediction))
    }

    /// The outcome of that round.
    pub fn outcome(&self) -> Outcome {
        self.round().outcome()
    }

    /// Why the round over it fails, or the round that a change has it go through.
    pub fn failures(&self) -> &[Failure] {
        let predicted = self.prediction.of(&self.service_ref);
        match predicted.and_then(|predicted| predicted.failures.as_ref()) {
            Some(failures) => failures,
            None => &self.round().failures,
        }
    }

    /// What CCM does where it cannot build a port: `in_silence` with releases that leave it out, while
    /// older ones fail the round.
    pub fn on_skipped_port(&self, in_silence: &str) -> String {
        let version = self.version();
        if version.has(Behaviour::LeavesPortsOut) {
            in_silence.to_owned()
        } else {
            format!(
                "CCM {version} fails each round with that: nothing is written, and new pods are not registered"
            )
        }
    }

    /// The groups that CCM maps its ports to, sorted, each once.
    pub fn vgroups(&self) -> Vec<&'a str> {
        let Some(mapping) = self.mapping() else { return Vec::new() };
        let ports = self.service().spec.ports.iter();
        let mut groups: Vec<&str> =
            ports.filter_map(|port| mapping.group_of(port.port).ok().flatten()).collect();
        groups.sort_unstable();
        groups.dedup();
        groups
    }

    /// The routes that it is in; after the change, where one is judged.
    pub fn routes(&self) -> &[Route<'a>] {
        self.routes.get_or_init(|| {
            let routes = routes_of(self.service()).into_iter();
            let key = |(vgroup, port)| RouteKey { clb: self.clb(), vgroup, port: Some(port) };
            routes.map(|at| Route::build(self.index, key(at), self.prediction)).collect()
        })
    }

    /// Whether a participant of a route is this Service.
    pub fn is(&self, participant: &Participant<'_>) -> bool {
        participant.service_ref.is_some_and(|service_ref| service_ref.is_same(&self.service_ref))
    }

    /// Its name in findings.
    pub fn object(&self) -> ObjectRef {
        self.service_ref.service.object_ref(self.service_ref.cluster.context.as_ref())
    }

    /// Begins a finding about it.
    pub fn finding<'f>(&'f self, out: &'f mut Findings<'_>) -> FindingBuilder<'f> {
        out.finding(&self.service_ref.service.metadata, self.object())
    }

    /// All nodes of its cluster. Notes that they are missing where not all are at hand.
    pub fn nodes(&self, out: &mut Findings<'_>) -> Option<&'a NodeSet> {
        let nodes = self.service_ref.cluster.nodes_for(self.service(), self.mode());
        if nodes.is_none() {
            out.missing(
                || format!("nodes{}", of_context(self.service_ref.cluster)),
                "there is no List of all nodes",
            );
        }
        nodes
    }

    /// Its EndpointSlices. Notes that they are missing where they are not at hand.
    pub fn slices(&self, out: &mut Findings<'_>) -> Option<&'a [EndpointSlice]> {
        let slices = self.service_ref.cluster.slices_of(self.service());
        if slices.is_none() {
            out.missing(
                || format!("endpoints of Service {}", self.service_ref.label()),
                "no EndpointSlice carries its name in the label kubernetes.io/service-name",
            );
        }
        slices
    }

    /// Notes which of nodes and endpoints are missing to compute its backends.
    pub fn note_missing_inputs(&self, out: &mut Findings<'_>) {
        let _ = self.nodes(out);
        if self.known_mode(out) != Some(Mode::Cluster) {
            let _ = self.slices(out);
        }
    }

    /// The workloads that it selects; `None` where there are none. Notes that they are missing
    /// where its selector is not empty.
    pub fn workloads(&self, out: &mut Findings<'_>) -> Option<Vec<&'a Workload>> {
        let service = self.service();
        let workloads: Vec<&Workload> = self.service_ref.cluster.workloads_of(service).collect();
        if workloads.is_empty() && !service.spec.selector.is_empty() {
            out.missing(
                || format!("workloads of Service {}", self.service_ref.label()),
                "its selector matches no workload",
            );
        }
        (!workloads.is_empty()).then_some(workloads)
    }

    /// The id of its cluster. Notes that it is missing where it is unknown.
    pub fn cluster_id(&self, out: &mut Findings<'_>) -> Option<&'a str> {
        let id = self.service_ref.cluster.id.as_deref();
        if id.is_none() {
            missing_cluster_id(self.service_ref.cluster, out);
        }
        id
    }

    /// All groups of its CLB, as `(id, name)`. Notes that they are missing where their list is not
    /// at hand.
    pub fn groups(&self, out: &mut Findings<'_>) -> Option<Vec<(&'a str, &'a str)>> {
        let groups = self.index.groups_of(self.clb());
        if groups.is_none() {
            out.missing(
                || format!("groups of CLB {}", self.clb()),
                "the answer of DescribeVServerGroups is not at hand",
            );
        }
        groups
    }

    /// The answer about a group. Notes that it is missing where it is not at hand.
    pub fn answer(&self, vgroup: &str, out: &mut Findings<'_>) -> Option<&'a GroupAnswer> {
        let answer = self.index.snapshot.clb_answers.groups.get(vgroup);
        if answer.is_none() {
            missing_answer(vgroup, out);
        }
        answer
    }

    /// Whether no group's answer is at hand at all. If so, notes each of its groups as missing.
    /// Rules need not build a route then to learn that it is not complete.
    pub fn no_answers(&self, out: &mut Findings<'_>) -> bool {
        let is_bare = self.index.snapshot.clb_answers.groups.is_empty();
        if is_bare && out.is_terse() {
            missing_answer("", out);
        } else if is_bare {
            for (vgroup, _) in routes_of(self.service()) {
                missing_answer(vgroup, out);
            }
        }
        is_bare
    }

    /// The listeners that forward to its groups. Notes that they are missing where its CLB's are
    /// not at hand.
    pub fn listeners(&self, out: &mut Findings<'_>) -> Option<Vec<&'a Listener>> {
        let all = self.index.snapshot.clb_answers.listeners_of(self.clb());
        if all.is_none() {
            out.missing(
                || format!("listeners of CLB {}", self.clb()),
                "the answer of DescribeLoadBalancerListeners is not at hand",
            );
        }
        let all = all?;
        let groups = self.vgroups();
        Some(all.into_iter().filter(|l| groups.contains(&l.vgroup.as_str())).collect())
    }
}

fn of_context(cluster: &Cluster) -> String {
    match &cluster.context {
        Some(context) => format!(" of {context}"),
        None => String::new(),
    }
}

/// Notes that a cluster's id is missing.
pub(super) fn missing_cluster_id(cluster: &Cluster, out: &mut Findings<'_>) {
    out.missing(
        || format!("cluster id{}", of_context(cluster)),
        "neither --cluster-id, nor the ConfigMap kube-system/ack-cluster-profile, nor a group's answer tells it",
    );
}

/// Notes that a group's answer is missing.
pub(super) fn missing_answer(vgroup: &str, out: &mut Findings<'_>) {
    out.missing(
        || format!("group {vgroup}"),
        "the answer of DescribeVServerGroupAttribute is not at hand",
    );
}

/// A workload that rules judge, with the Service that selects it.
pub struct CheckedWorkload<'s, 'a> {
    /// The Service.
    pub service: &'s CheckedService<'s, 'a>,
    /// The workload.
    pub workload: &'a Workload,
}

impl CheckedWorkload<'_, '_> {
    /// Begins a finding about the workload.
    pub fn finding<'f>(&'f self, out: &'f mut Findings<'_>) -> FindingBuilder<'f> {
        let object = self.workload.object_ref(self.service.service_ref.cluster.context.as_ref());
        out.finding(&self.workload.metadata, object)
    }
}

/// The sum of a Service's weights in a route, before and after a change.
pub struct RouteSums<'a> {
    /// Before; `None` where it is not known.
    pub before: Option<u64>,
    /// After; `None` where it is not known.
    pub after: Option<u64>,
    /// The route after the change.
    pub route: Route<'a>,
}

/// A change of a migrated Service that rules judge.
pub struct CheckedChange<'s, 'a> {
    /// The Service before the change, in its snapshot.
    pub before: &'s CheckedService<'s, 'a>,
    /// The Service after the change; `None` where CCM does not take it any more.
    pub after: Option<&'s CheckedService<'s, 'a>>,
    /// The object after the change, whoever takes it; `None` where it is deleted.
    pub next: Option<&'a Service>,
    /// The snapshot after the change.
    pub index: &'s Index<'a>,
    /// The rounds of CCM that follow.
    pub prediction: &'s Prediction,
}

impl<'a> CheckedChange<'_, 'a> {
    /// The Service before the change.
    pub fn old(&self) -> &'a Service {
        self.before.service_ref.service
    }

    /// The Service after the change; `None` where CCM does not take it any more.
    pub fn present(&self) -> Option<&'a Service> {
        self.after.map(|checked| checked.service_ref.service)
    }

    /// The mapping that CCM honours after the change.
    pub fn mapping_after(&self) -> Option<&Mapping<'a>> {
        self.after.and_then(CheckedService::mapping)
    }

    /// Begins a finding about the Service: about its new version where CCM takes that, else about
    /// the old one.
    pub fn finding<'f>(&'f self, out: &'f mut Findings<'_>) -> FindingBuilder<'f> {
        self.after.unwrap_or(self.before).finding(out)
    }

    /// The sums of the Service's weights in the routes that it was in, before and after the change.
    pub fn sums(&self) -> Vec<RouteSums<'a>> {
        let of = |route: &Route<'_>| {
            route.participants.iter().find(|of| self.before.is(of)).map(|of| of.weight_sum)
        };
        let pairs = self.before.routes().iter().zip(self.routes_after());
        let sums = pairs.map(|(before, route)| RouteSums {
            before: of(before).flatten(),
            after: of(&route).unwrap_or(Some(0)),
            route,
        });
        sums.collect()
    }

    /// The routes that the Service was in before the change, as they are after it.
    pub fn routes_after(&self) -> Vec<Route<'a>> {
        let keys = self.before.routes().iter().map(|route| route.key);
        keys.map(|key| Route::build(self.index, key, self.prediction)).collect()
    }
}
