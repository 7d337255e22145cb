//! A Service that a rule judges.

use super::{ServiceFacts, of_context};
use crate::{
    annotation::{EffectiveValue, KnownAnnotation},
    backends::Mode,
    finding::Need,
    index::{Binding, ServiceRef},
    mapping::Mapping,
    object::{Annotations, ObjectRef, Service},
    outcome::{Outcome, ServiceOutcome},
    prediction::Prediction,
    route::{Participant, Route},
    rules::{Evidence, FindingBuilder, Findings, Rule},
    snapshot::Cluster,
    version::{Behaviour, CcmVersion},
    weight::WeightSetting,
};

/// A Service that a rule judges. It hands out the evidence that the rule's entry declares, as far as
/// that is at hand, and no other.
#[derive(Clone, Copy)]
pub struct CheckedService<'s, 'a> {
    pub(super) rule: &'static Rule,
    pub(super) facts: &'s ServiceFacts<'s, 'a>,
}

impl<'s, 'a> CheckedService<'s, 'a> {
    pub(in crate::rules) fn new(rule: &'static Rule, facts: &'s ServiceFacts<'s, 'a>) -> Self {
        Self { rule, facts }
    }

    /// Whether the rule declares that evidence. A rule that asks for other evidence is a mistake in
    /// the catalogue, which tests bring to light.
    pub(super) fn sees(&self, evidence: Evidence) -> bool {
        let is_declared = self.rule.looks_at(evidence);
        debug_assert!(is_declared, "{} does not declare {}", self.rule.id, evidence.as_str());
        is_declared
    }

    /// Whether the rule declares some of what a round of CCM depends on.
    pub(super) fn sees_rounds(&self) -> bool {
        let inputs = [Evidence::Nodes, Evidence::Endpoints, Evidence::ClbApi];
        let is_declared = inputs.iter().any(|of| self.rule.looks_at(*of));
        debug_assert!(is_declared, "{} declares nothing that rounds depend on", self.rule.id);
        is_declared
    }

    /// The Service.
    pub fn service(&self) -> &'a Service {
        self.facts.service_ref.service
    }

    /// Its annotations.
    pub fn annotations(&self) -> &'a Annotations {
        &self.service().metadata.annotations
    }

    /// The id of its CLB; empty without one.
    pub fn clb(&self) -> &'a str {
        self.facts.clb()
    }

    /// The mapping that CCM honours, see [`backends::mapping`].
    pub fn mapping(&self) -> Option<&'s Mapping<'a>> {
        self.facts.mapping()
    }

    /// Its annotations that CCM reads.
    pub(crate) fn known(&self) -> &'s [(&'static KnownAnnotation, EffectiveValue<'a>)] {
        self.facts.known()
    }

    /// The weights in effect; `None` where CCM refuses a value.
    pub fn weight_setting(&self) -> Option<WeightSetting> {
        self.facts.weight_setting()
    }

    /// Whether it has no `loadbalancer-weight`, or one above 0. `false` where CCM refuses a value.
    pub fn carries_weight(&self) -> bool {
        self.weight_setting().is_some_and(|setting| setting.total != Some(0))
    }

    /// The release of its cluster's CCM.
    pub fn version(&self) -> CcmVersion {
        self.cluster().ccm_version
    }

    /// The mode CCM uses; `None` where nothing tells.
    pub fn mode(&self) -> Option<Mode> {
        self.facts.mode()
    }

    /// The same. Notes that it is missing where nothing tells.
    pub fn known_mode(&self, out: &mut Findings<'_>) -> Option<Mode> {
        let mode = self.mode();
        if mode.is_none() {
            out.missing(
                Need::BackendType,
                || format!("default backend-type{}", of_context(self.cluster())),
                "nothing tells whether pods or nodes are the backends of a Service without backend-type; give --backend-type",
            );
        }
        mode
    }

    /// What a round of CCM does about it.
    pub fn round(&self) -> &'s ServiceOutcome<'a> {
        self.sees_rounds();
        self.facts.round()
    }

    /// The outcome of that round.
    pub fn outcome(&self) -> Outcome {
        self.round().outcome()
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
    pub fn routes(&self) -> &'s [Route<'a>] {
        self.sees(Evidence::ClbApi);
        self.facts.routes()
    }

    /// A route of it after so many rounds of CCM over it as it is.
    pub fn route_after_rounds(&self, route: &Route<'a>, rounds: usize) -> Route<'a> {
        self.sees(Evidence::ClbApi);
        let ServiceFacts { index, service_ref, .. } = self.facts;
        let prediction = Prediction::of_unchanged(index, service_ref, rounds);
        Route::build(index, route.key, &prediction)
    }

    /// The sum of its weights on a port, were its weight another one.
    pub fn weight_sum_with(&self, port: u16, weight: u32) -> u64 {
        self.sees_rounds();
        self.facts.index.weight_sum_with(&self.facts.service_ref, port, weight)
    }

    /// Whether a participant of a route is this Service.
    pub fn is(&self, participant: &Participant<'_>) -> bool {
        participant.service_ref.is_some_and(|service_ref| self.is_service(&service_ref))
    }

    /// Whether that is this Service.
    pub fn is_service(&self, service_ref: &ServiceRef<'_>) -> bool {
        service_ref.is_same(&self.facts.service_ref)
    }

    /// Whether a Service lives in this one's cluster.
    pub fn is_beside(&self, service_ref: &ServiceRef<'_>) -> bool {
        service_ref.cluster_index == self.facts.service_ref.cluster_index
    }

    /// `namespace/name`, with the context in brackets where the cluster has one.
    pub fn label(&self) -> String {
        self.facts.service_ref.label()
    }

    /// The Services that name its CLB, itself included.
    pub fn on_its_clb(&self) -> impl Iterator<Item = &'s ServiceRef<'a>> + use<'s, 'a> {
        self.facts.index.on_clb(self.clb())
    }

    /// The ports that other Services map to a group.
    pub fn rivals_in(&self, vgroup: &str) -> impl Iterator<Item = &'s Binding<'a>> {
        let bound = self.facts.index.bound_to(vgroup);
        bound.filter(|binding| !self.is_service(&binding.service_ref))
    }

    /// What the names of its cluster's Services end in; empty where nothing is set.
    pub fn suffix(&self) -> &'a str {
        self.cluster().suffix.as_deref().unwrap_or_default()
    }

    /// The other clusters: what messages call them, and what the names of their Services end in.
    pub fn other_suffixes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let suffix = |cluster: &'a Cluster| cluster.suffix.as_deref().filter(|of| !of.is_empty());
        self.other_clusters().filter_map(move |cluster| Some((name_of(cluster), suffix(cluster)?)))
    }

    /// What messages call the first other cluster that has an id; `None` where none has it.
    pub fn other_cluster_with_id(&self, id: &str) -> Option<&'a str> {
        self.sees(Evidence::ClusterId);
        let mut others = self.other_clusters();
        others.find(|cluster| cluster.id.as_deref() == Some(id)).map(name_of)
    }

    fn other_clusters(&self) -> impl Iterator<Item = &'a Cluster> {
        let own = self.facts.service_ref.cluster_index;
        let clusters = self.facts.index.snapshot.clusters.iter().enumerate();
        clusters.filter(move |(index, _)| *index != own).map(|(_, cluster)| cluster)
    }

    pub(super) fn cluster(&self) -> &'a Cluster {
        self.facts.service_ref.cluster
    }

    /// The Service before the change that is judged; `None` without a change, or where the change
    /// creates it.
    pub fn old(&self) -> Option<&'a Service> {
        self.facts.old.filter(|_| self.sees(Evidence::OldObject))
    }

    /// Whether the change creates it, or makes a Service of another type or class one that CCM takes.
    pub fn is_created(&self) -> bool {
        self.sees(Evidence::OldObject)
            && self.facts.is_in_change
            && self.facts.old.is_none_or(|old| !old.is_taken_by(self.version()))
    }

    /// Its name in findings.
    pub fn object(&self) -> ObjectRef {
        self.service().object_ref(self.cluster().context.as_ref())
    }

    /// Begins a finding about it.
    pub fn finding<'f>(&self, out: &'f mut Findings<'_>) -> FindingBuilder<'f>
    where
        'a: 'f,
    {
        out.finding(&self.service().metadata, self.object())
    }
}

/// What messages call another cluster.
fn name_of(cluster: &Cluster) -> &str {
    cluster.context.as_deref().unwrap_or("another cluster")
}
