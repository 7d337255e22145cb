//! Findings, sorted to what they concern.

use std::collections::{HashMap, HashSet};

use clbmigrate_core::{
    finding::{Finding, Severity},
    object::{ObjectRef, Service},
    route::{Participant, RouteKey},
    rules,
    snapshot::{Cluster, Snapshot},
};

use crate::output::json::Problem;

/// The kind that findings on a group of the CLB have.
const GROUP: &str = "VServerGroup";

/// Findings by what they concern.
pub struct ProblemIndex<'f> {
    on: HashMap<&'f ObjectRef, Vec<&'f Finding>>,
    /// The namespaces with findings on workloads, by cluster. In others, no Service's workloads need
    /// be looked for.
    with_workloads: HashSet<(usize, &'f str)>,
}

impl<'f> ProblemIndex<'f> {
    /// Sorts the findings on objects of a snapshot.
    pub fn new(snapshot: &'f Snapshot, findings: &'f [Finding]) -> Self {
        let mut on: HashMap<&ObjectRef, Vec<&Finding>> = HashMap::new();
        for finding in findings {
            on.entry(&finding.object).or_default().push(finding);
        }
        let mut with_workloads = HashSet::new();
        for (index, cluster) in snapshot.clusters.iter().enumerate() {
            let of_cluster = on.keys().filter(|object| object.context == cluster.context);
            let workloads = of_cluster.filter(|object| object.kind != "Service");
            let namespaces = workloads.filter_map(|object| object.namespace.as_deref());
            with_workloads.extend(namespaces.map(|namespace| (index, namespace)));
        }
        Self { on, with_workloads }
    }

    /// What is wrong with a Service and the workloads behind it.
    pub fn for_service(&self, index: usize, cluster: &Cluster, service: &Service) -> Vec<Problem> {
        let object = service.object_ref(cluster.context.as_ref());
        let mut problems: Vec<Problem> = self.of(&object).map(from_finding).collect();
        if self.with_workloads.contains(&(index, service.metadata.namespace())) {
            for workload in cluster.workloads_of(service) {
                let object = workload.object_ref(cluster.context.as_ref());
                let name = format!("{} {}", object.kind, object.name);
                problems.extend(self.of(&object).map(|finding| {
                    let problem = from_finding(finding);
                    Problem { message: format!("{name}: {}", problem.message), ..problem }
                }));
            }
        }
        problems
    }

    /// What is wrong with one participant of a group, by the group's own findings.
    pub fn for_participant(&self, vgroup: &str, participant: &Participant<'_>) -> Vec<Problem> {
        let path = participant.path();
        let own = self.on_group(vgroup).filter(|finding| finding.path == path);
        // The rule's title speaks of the group; the message, of this participant.
        let at_length = own.map(|of| Problem { message: of.message.clone(), ..from_finding(of) });
        at_length.collect()
    }

    /// What is wrong with a group, and with none of its participants in particular.
    pub fn for_route(&self, key: &RouteKey<'_>, participants: &[Participant<'_>]) -> Vec<Problem> {
        let is_apart = |finding: &&Finding| participants.iter().all(|p| finding.path != p.path());
        self.on_group(key.vgroup).filter(is_apart).map(from_finding).collect()
    }

    fn on_group(&self, vgroup: &str) -> impl Iterator<Item = &'f Finding> + use<'_, 'f> {
        let group = ObjectRef {
            context: None,
            kind: GROUP.to_owned(),
            namespace: None,
            name: vgroup.to_owned(),
        };
        self.on.get(&group).into_iter().flatten().copied()
    }

    fn of(&self, object: &ObjectRef) -> impl Iterator<Item = &'f Finding> + use<'_, 'f> {
        self.on.get(object).into_iter().flatten().copied()
    }
}

/// Whether a finding is about a group of the CLB.
pub fn is_on_group(object: &ObjectRef) -> bool {
    object.kind == GROUP
}

/// A finding in a line: the rule's title says what it is, `check` says it at length.
fn from_finding(finding: &Finding) -> Problem {
    let title = rules::find(finding.rule).map_or(finding.message.as_str(), |rule| rule.en.title);
    let allowed = if finding.allowed { " (allowed)" } else { "" };
    Problem {
        rule: Some(finding.rule.to_owned()),
        severity: finding.severity.into(),
        message: format!("{title}{allowed}"),
    }
}

/// The problems with the worst first; one that is there several times becomes one with their
/// number.
pub fn ordered(problems: Vec<Problem>) -> Vec<Problem> {
    let mut counted: Vec<(Problem, usize)> = Vec::new();
    for problem in problems {
        let same = |(known, _): &&mut (Problem, usize)| {
            known.rule == problem.rule && known.message == problem.message
        };
        match counted.iter_mut().find(same) {
            Some((_, times)) => *times += 1,
            None => counted.push((problem, 1)),
        }
    }
    counted.sort_by_key(|(problem, _)| std::cmp::Reverse(Severity::from(problem.severity)));
    let once = counted.into_iter().map(|(problem, times)| match times {
        1 => problem,
        _ => Problem { message: format!("{} ({times} times)", problem.message), ..problem },
    });
    once.collect()
}

/// A problem that no rule has found.
pub fn without_rule(severity: Severity, message: impl Into<String>) -> Problem {
    Problem { rule: None, severity: severity.into(), message: message.into() }
}
