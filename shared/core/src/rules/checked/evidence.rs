//! The evidence about a Service, as a rule gets it.

use std::collections::BTreeSet;

use super::{
    CheckedService, ServiceFacts, clb_backends::backends_of, missing_answer, missing_cluster_id,
    of_context,
};
use crate::{
    annotation,
    backends::{self, Mode, NodeSet},
    clb_answers::{ClbAnswers, GroupAnswer, Listener, RegisteredBackend, UnknownClb},
    finding::Need,
    index::{ServiceRef, routes_of},
    object::{Endpoint, EndpointSlice, Labels, Workload},
    rules::{Evidence, Findings},
};

impl<'a> CheckedService<'_, 'a> {
    /// Notes that evidence is missing without which the rule is silent.
    fn note(
        &self,
        evidence: Evidence,
        out: &mut Findings<'_>,
        what: impl FnOnce() -> String,
        why: &str,
    ) {
        if self.rule.needs(evidence) {
            out.missing(evidence.need(), what, why);
        }
    }

    /// All nodes of its cluster; `None` where not all are at hand.
    pub fn nodes_at_hand(&self) -> Option<&'a NodeSet> {
        let all = || self.cluster().nodes_for(self.service(), self.mode());
        self.sees(Evidence::Nodes).then(all).flatten()
    }

    /// The same. Notes that they are missing where not all are at hand.
    pub fn nodes(&self, out: &mut Findings<'_>) -> Option<&'a NodeSet> {
        let nodes = self.nodes_at_hand();
        if nodes.is_none() {
            let what = || format!("nodes{}", of_context(self.cluster()));
            self.note(Evidence::Nodes, out, what, "there is no List of all nodes");
        }
        nodes
    }

    /// Its EndpointSlices; `None` where they are not at hand.
    pub fn slices_at_hand(&self) -> Option<&'a [EndpointSlice]> {
        let slices = || self.cluster().slices_of(self.service());
        self.sees(Evidence::Endpoints).then(slices).flatten()
    }

    /// The same. Notes that they are missing where they are not at hand.
    pub fn slices(&self, out: &mut Findings<'_>) -> Option<&'a [EndpointSlice]> {
        let slices = self.slices_at_hand();
        if slices.is_none() {
            let what = || format!("endpoints of Service {}", self.label());
            let why = "no EndpointSlice carries its name in the label kubernetes.io/service-name";
            self.note(Evidence::Endpoints, out, what, why);
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

    /// The workloads that it selects, as far as they are at hand.
    pub fn workloads_at_hand(&self) -> Vec<&'a Workload> {
        let workloads = || self.cluster().workloads_of(self.service()).collect();
        self.sees(Evidence::Workloads).then(workloads).unwrap_or_default()
    }

    /// The same; `None` where there are none. Notes that they are missing where its selector is not
    /// empty.
    pub fn workloads(&self, out: &mut Findings<'_>) -> Option<Vec<&'a Workload>> {
        let workloads = self.workloads_at_hand();
        if workloads.is_empty() && !self.service().spec.selector.is_empty() {
            let what = || format!("workloads of Service {}", self.label());
            self.note(Evidence::Workloads, out, what, "its selector matches no workload at hand");
        }
        (!workloads.is_empty()).then_some(workloads)
    }

    /// Whether CCM counts an endpoint of it, as far as the pods at hand tell.
    pub fn is_counted(&self, endpoint: &Endpoint) -> bool {
        self.sees(Evidence::Workloads);
        backends::is_counted(self.service(), self.cluster().pods(), endpoint)
    }

    /// The id of its cluster; `None` where it is unknown.
    pub fn cluster_id_at_hand(&self) -> Option<&'a str> {
        let id = || self.cluster().id.as_deref();
        self.sees(Evidence::ClusterId).then(id).flatten()
    }

    /// The same. Notes that it is missing where it is unknown.
    pub fn cluster_id(&self, out: &mut Findings<'_>) -> Option<&'a str> {
        let id = self.cluster_id_at_hand();
        if id.is_none() && self.rule.needs(Evidence::ClusterId) {
            missing_cluster_id(self.cluster(), out);
        }
        id
    }

    /// The CLB API's answers that are at hand; `None` where the rule does not declare them.
    fn answers(&self) -> Option<&'a ClbAnswers> {
        self.sees(Evidence::ClbApi).then_some(&self.facts.index.snapshot.clb_answers)
    }

    /// Whether there may be answers about its CLB. None is missing where no CLB has its id.
    fn may_have_answers(&self) -> bool {
        annotation::clb_id_problem(self.clb()).is_none() && self.unknown_clb().is_none()
    }

    /// That the API does not know its CLB; `None` where it knows it, or was not asked.
    pub fn unknown_clb(&self) -> Option<&'a UnknownClb> {
        self.answers()?.unshown.unknown.get(self.clb())
    }

    /// Notes why the API could not be asked about its CLB, if it was to be.
    pub fn note_unread_clb(&self, out: &mut Findings<'_>) {
        let why = self.answers().and_then(|answers| answers.unshown.unread.get(self.clb()));
        if let Some(why) = why {
            out.missing(Need::ClbApi, || format!("CLB {}", self.clb()), why);
        }
    }

    /// All groups of its CLB, as `(id, name)`; `None` where their list is not at hand.
    pub fn groups_at_hand(&self) -> Option<Vec<(&'a str, &'a str)>> {
        self.answers().and_then(|_| self.facts.index.groups_of(self.clb()))
    }

    /// The same. Notes that they are missing where their list is not at hand.
    pub fn groups(&self, out: &mut Findings<'_>) -> Option<Vec<(&'a str, &'a str)>> {
        let groups = self.groups_at_hand();
        if groups.is_none() && self.may_have_answers() {
            let what = || format!("groups of CLB {}", self.clb());
            let why = "the answer of DescribeVServerGroups is not at hand";
            self.note(Evidence::ClbApi, out, what, why);
        }
        groups
    }

    /// The answer about a group; `None` where it is not at hand.
    pub fn answer_at_hand(&self, vgroup: &str) -> Option<&'a GroupAnswer> {
        self.answers()?.groups.get(vgroup)
    }

    /// The same. Notes that it is missing where it is not at hand.
    pub fn answer(&self, vgroup: &str, out: &mut Findings<'_>) -> Option<&'a GroupAnswer> {
        let answer = self.answer_at_hand(vgroup);
        if answer.is_none() && self.rule.needs(Evidence::ClbApi) {
            missing_answer(vgroup, out);
        }
        answer
    }

    /// Whether any group's answer is at hand.
    pub fn has_answers(&self) -> bool {
        self.answers().is_some_and(|answers| !answers.groups.is_empty())
    }

    /// Whether no group's answer is at hand at all. If so, notes each of its groups as missing.
    /// Rules need not build a route then to learn that it is not complete.
    pub fn no_answers(&self, out: &mut Findings<'_>) -> bool {
        let is_bare = !self.has_answers();
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
        let all = self.answers().and_then(|_| self.facts.index.listeners_of(self.clb()));
        if all.is_none() {
            self.note_missing_listeners(out);
        }
        let groups = self.vgroups();
        Some(all?.into_iter().filter(|l| groups.contains(&l.vgroup.as_str())).collect())
    }

    /// Notes that the listeners of its CLB, or some of them, are missing.
    pub fn note_missing_listeners(&self, out: &mut Findings<'_>) {
        if !self.may_have_answers() {
            return;
        }
        let some = self.answers().and_then(|_| self.facts.index.listeners_of(self.clb()));
        let why = match some {
            Some(_) => "the answers of DescribeLoadBalancerListeners do not show all of them",
            None => "the answer of DescribeLoadBalancerListeners is not at hand",
        };
        self.note(Evidence::ClbApi, out, || format!("listeners of CLB {}", self.clb()), why);
    }

    /// Whether the health of any backends is at hand.
    pub fn has_health(&self) -> bool {
        self.answers().is_some_and(|answers| !answers.health.is_empty())
    }

    /// Notes that the health of backends is missing.
    pub fn note_missing_health(&self, out: &mut Findings<'_>) {
        let what = || format!("health of backends at CLB {}", self.clb());
        let why = "no answer of DescribeHealthStatus at hand names all of them";
        self.note(Evidence::ClbApi, out, what, why);
    }

    /// The backends behind its CLB. Where there cannot be more than `most`, nothing is counted, and
    /// all is 0.
    pub fn backends_behind_clb(&self, most: usize) -> BackendsBehindClb {
        self.sees(Evidence::ClbApi);
        self.sees_rounds();
        let ServiceFacts { index, service_ref, old, prediction, counts, .. } = self.facts;
        let Some(counts) = counts else { return BackendsBehindClb::default() };
        let behind = counts.behind(index, self.clb(), prediction, most);
        let own = behind.of(service_ref);
        let own_before = match old {
            Some(_) if behind.total() > 0 => {
                self.facts.old_round().map_or(0, |before| backends_of(before).count())
            }
            None if self.facts.is_in_change => 0,
            _ => own,
        };
        let is_largest = behind.is_largest(service_ref);
        BackendsBehindClb { all: behind.total(), own, own_before, is_largest }
    }

    /// Whether the change leaves what decides which backends the Service has: its shape, its mapping
    /// and the label of its nodes. `false` without a change.
    pub fn keeps_backends(&self) -> bool {
        let decisive = [annotation::ID, annotation::VGROUP_PORT, annotation::BACKEND_LABEL];
        self.old().is_some_and(|old| {
            let was = &old.metadata.annotations;
            self.service().keeps_shape_of(old)
                && decisive.iter().all(|suffix| was.text(suffix) == self.annotations().text(suffix))
        })
    }

    /// How many backends a change replaces: CCM removes them after it has added the new ones.
    pub fn replaced_by_change(&self) -> usize {
        if self.old().is_none_or(|old| self.service().keeps_shape_of(old)) {
            return 0;
        }
        let Some(before) = self.facts.old_round() else { return 0 };
        let after: BTreeSet<_> = backends_of(self.round()).collect();
        backends_of(before).filter(|backend| !after.contains(backend)).count()
    }

    /// Whether a backend of its group is an instance of its cluster, or a pod of its own.
    pub fn owns(&self, backend: &RegisteredBackend) -> bool {
        self.cluster().owns_server(&backend.server_id, &backend.server_ip, self.service())
    }

    /// Whether it and another Service of its cluster, with pods as backends, register the same pods.
    pub fn shares_pods_with(&self, other: &ServiceRef<'a>) -> bool {
        let pods = |of: &ServiceRef<'a>| self.facts.index.mode(of) == Some(Mode::Eni);
        if self.mode() != Some(Mode::Eni) || !pods(other) {
            return false;
        }
        let (a, b) = (self.service(), other.service);
        let (x, y) = (&a.spec.selector, &b.spec.selector);
        let contains = |outer: &Selector, inner: &Selector| {
            !inner.is_empty() && inner.iter().all(|(key, value)| outer.get(key) == Some(value))
        };
        let same_namespace = a.metadata.namespace == b.metadata.namespace;
        // A workload that both select, though neither selector contains the other.
        let of_both = || {
            !a.excludes_pods_of(b)
                && self.workloads_at_hand().iter().any(|w| b.selects_pods(w.pod_labels()))
        };
        let addresses = |slices: Option<&'a [EndpointSlice]>| -> BTreeSet<&'a str> {
            let endpoints = EndpointSlice::endpoints_of(slices.unwrap_or_default());
            endpoints.flat_map(|endpoint| &endpoint.addresses).map(String::as_str).collect()
        };
        let of_other = || {
            let sees = self.sees(Evidence::Endpoints);
            sees.then(|| other.cluster.slices_of(other.service)).flatten()
        };
        (same_namespace && (contains(x, y) || contains(y, x) || of_both()))
            || !addresses(self.slices_at_hand()).is_disjoint(&addresses(of_other()))
    }
}

/// The backends behind a Service's CLB, its known groups together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BackendsBehindClb {
    /// How many there are, or will be.
    pub all: usize,
    /// How many the Service has, or gets.
    pub own: usize,
    /// How many it had before the change; as many as it has without one.
    pub own_before: usize,
    /// Whether no other Service has more.
    pub is_largest: bool,
}

/// The labels that a Service selects pods by.
type Selector = Labels;
