use std::collections::HashSet;

use super::{
    AnyObject, Check, CheckedChange, CheckedService, CheckedWorkload, ContradictoryClusters,
    Findings, Rule,
    allowances::add_filtered,
    checked::{BackendCounts, ServiceFacts},
    findings::ReportBuilder,
    not_judged,
    standing::{StandingService, withhold_patches},
};
use crate::{
    annotation, backends,
    change::ServiceChange,
    finding::{Finding, Report},
    index::{Index, ServiceRef},
    object::{ObjectRef, Service, Workload, WorkloadKind},
    prediction::Prediction,
    round::Failure,
    snapshot::Cluster,
};

/// Tells which objects are judged.
pub type Scope<'f> = &'f dyn Fn(&ObjectRef) -> bool;

/// A change between two snapshots, for the rules to judge.
#[derive(Clone, Copy)]
pub struct ChangeSet<'s, 'a> {
    /// The snapshot before the change.
    pub before: &'s Index<'a>,
    /// The Services that differ.
    pub services: &'s [ServiceChange<'a>],
    /// The rounds of CCM that follow.
    pub prediction: &'s Prediction,
}

/// Runs all rules over the objects in `scope`. With a change, `index` is the snapshot after it.
pub fn check<'a>(index: &Index<'a>, change: Option<ChangeSet<'_, 'a>>, scope: Scope<'_>) -> Report {
    run(super::all(), index, change, Some(scope), false, |engine, report| {
        for (cluster_index, cluster) in index.snapshot.clusters.iter().enumerate() {
            for service in cluster.services() {
                engine.service(ServiceRef { cluster_index, cluster, service }, report);
            }
            engine.gone(cluster_index, report);
            engine.workloads(cluster_index, cluster, report);
            engine.others(cluster, report);
        }
        engine.groups(report);
    })
}

/// Runs the rules over one Service, and those about workloads over the workloads that it selects.
/// Everything else in the snapshot is evidence only. With a change, `index` is the snapshot after
/// it. For missing evidence, the report names the rules alone: admission reviews use this, which
/// must be quick.
pub fn check_service<'a>(
    index: &Index<'a>,
    change: Option<ChangeSet<'_, 'a>>,
    service_ref: ServiceRef<'a>,
) -> Report {
    check_service_by(super::all(), index, change, service_ref)
}

/// The same by some rules alone. A rule finds what it finds among all others; but what others would
/// hide is not hidden.
pub fn check_service_by<'a>(
    rules: &[&'static Rule],
    index: &Index<'a>,
    change: Option<ChangeSet<'_, 'a>>,
    service_ref: ServiceRef<'a>,
) -> Report {
    run(rules, index, change, None, true, |engine, report| {
        engine.service(service_ref, report);
        engine.workloads_of(service_ref, &mut HashSet::new(), report);
    })
}

/// Runs the rules about changes over the Services that a change takes away. `index` is the snapshot
/// after it.
pub fn check_removed<'a>(index: &Index<'a>, change: ChangeSet<'_, 'a>) -> Report {
    run(super::all(), index, Some(change), None, true, |engine, report| {
        (0..change.before.snapshot.clusters.len())
            .for_each(|cluster_index| engine.gone(cluster_index, report));
    })
}

/// Runs the rules about workloads over all workloads of the snapshot, and no other rule.
pub fn check_workloads(index: &Index<'_>) -> Report {
    run(super::all(), index, None, None, true, |engine, report| {
        for (cluster_index, cluster) in index.snapshot.clusters.iter().enumerate() {
            engine.workloads(cluster_index, cluster, report);
        }
    })
}

fn run<'a>(
    rules: &[&'static Rule],
    index: &Index<'a>,
    change: Option<ChangeSet<'_, 'a>>,
    scope: Option<Scope<'_>>,
    is_terse: bool,
    over: impl FnOnce(&Engine<'_, 'a>, &mut ReportBuilder),
) -> Report {
    let none = Prediction::default();
    let prediction = change.map_or(&none, |change| change.prediction);
    let mut report = ReportBuilder::new(is_terse);
    let counts = &BackendCounts::default();
    let before = change.map(|change| change.before.snapshot);
    let contradictory = ContradictoryClusters::of(before.into_iter().chain([index.snapshot]));
    contradictory.note(rules, change.is_some(), &mut report);
    let engine = Engine { index, change, prediction, counts, rules, scope, contradictory };
    over(&engine, &mut report);
    engine.contradictory.clear_report(report.finish())
}

/// Rule, object and path of a finding.
type FindingKey = (&'static str, ObjectRef, String);

struct Engine<'s, 'a> {
    index: &'s Index<'a>,
    change: Option<ChangeSet<'s, 'a>>,
    prediction: &'s Prediction,
    counts: &'s BackendCounts<'a>,
    rules: &'s [&'static Rule],
    /// `None` for all objects.
    scope: Option<Scope<'s>>,
    contradictory: ContradictoryClusters<'s>,
}

impl<'a> Engine<'_, 'a> {
    fn is_in_scope(&self, object: impl FnOnce() -> ObjectRef) -> bool {
        self.scope.is_none_or(|scope| scope(&object()))
    }

    /// The rules that judge the Services of a cluster; for `None`, groups.
    fn rules_for(&self, cluster: Option<&Cluster>) -> impl Iterator<Item = &'static Rule> {
        let rules = self.rules.iter().copied();
        rules.filter(move |rule| !self.contradictory.silences(rule, cluster))
    }

    fn service(&self, service_ref: ServiceRef<'a>, report: &mut ReportBuilder) {
        let ServiceRef { service, cluster, .. } = service_ref;
        if !self.is_in_scope(|| service.object_ref(cluster.context.as_ref())) {
            return;
        }
        let mut found = Vec::new();
        let change = self.change_of(&service_ref);
        let old = change.and_then(|change| change.old);
        let none = Prediction::default();
        let facts = ServiceFacts::new(self.index, service_ref, old, self.prediction)
            .in_run(change.is_some(), self.counts);
        let before = old.and_then(|old| self.before(service_ref.cluster_index, old, &none));
        let is_taken = service.is_taken_by(cluster.ccm_version);
        not_judged::note(&service_ref, report);
        let standing = StandingService::new(&facts);
        let was_migrated = old.is_some_and(backends::is_mapped);
        let goes = !is_taken && before.is_some();
        for rule in self.rules_for(Some(service_ref.cluster)) {
            let mut out = report.findings_of(rule, &mut found);
            if standing.judge(rule, &mut out) {
                continue;
            }
            match rule.check {
                Check::Failures(check) if goes => {
                    self.failing_departure(rule, check, &facts, &mut out);
                }
                Check::Change(check) | Check::Departure(check) => {
                    let is_judged = matches!(rule.check, Check::Departure(_)) || was_migrated;
                    if let Some(before) = before.as_ref().filter(|_| is_judged) {
                        let before = CheckedService::new(rule, before);
                        let after = is_taken.then(|| CheckedService::new(rule, &facts));
                        check(
                            &self.checked_change(before, after, Some(service_ref.service)),
                            &mut out,
                        );
                    }
                }
                _ => {}
            }
        }
        withhold_patches(self.index, service_ref, &mut found);
        add_filtered(&standing.any, found, report);
    }

    /// Services that the change takes away.
    fn gone(&self, cluster_index: usize, report: &mut ReportBuilder) {
        let changes = self.change.map(|change| change.services).unwrap_or_default();
        let none = Prediction::default();
        for change in changes.iter().filter(|change| change.cluster == cluster_index) {
            let (Some(old), None) = (change.old, change.new) else { continue };
            let Some(before) = self.before(cluster_index, old, &none) else { continue };
            let mut found = Vec::new();
            for rule in self.rules_for(Some(before.service_ref.cluster)) {
                let mut out = report.findings_of(rule, &mut found);
                let gone = CheckedService::new(rule, &before);
                match rule.check {
                    Check::Departure(check) => {
                        check(&self.checked_change(gone, None, None), &mut out);
                    }
                    Check::Change(check) if backends::is_mapped(old) => {
                        check(&self.checked_change(gone, None, None), &mut out);
                    }
                    Check::Failures(check) => {
                        self.failing_departure(rule, check, &before, &mut out);
                    }
                    _ => {}
                }
            }
            let object = change.object.clone();
            add_filtered(
                &AnyObject { object, meta: &old.metadata, misplaced: None },
                found,
                report,
            );
        }
    }

    fn workloads(&self, cluster_index: usize, cluster: &'a Cluster, report: &mut ReportBuilder) {
        for workload in cluster.workloads() {
            let any = any_of_workload(cluster, workload);
            if self.is_in_scope(|| any.object.clone()) {
                self.object(&any, report);
            }
        }
        let mut reported = HashSet::new();
        for service in cluster.services() {
            if self.is_in_scope(|| service.object_ref(cluster.context.as_ref())) {
                self.workloads_of(
                    ServiceRef { cluster_index, cluster, service },
                    &mut reported,
                    report,
                );
            }
        }
    }

    /// The workloads that a migrated Service selects. What is `reported` of one already is not
    /// reported again.
    fn workloads_of(
        &self,
        service_ref: ServiceRef<'a>,
        reported: &mut HashSet<FindingKey>,
        report: &mut ReportBuilder,
    ) {
        let ServiceRef { cluster, service, .. } = service_ref;
        if !service.is_candidate() || !backends::is_mapped(service) {
            return;
        }
        let workloads: Vec<&Workload> = cluster.workloads_of(service).collect();
        if workloads.is_empty() && report.is_terse() {
            return;
        }
        let facts = ServiceFacts::new(self.index, service_ref, None, self.prediction);
        for rule in self.rules {
            let Check::Workload(check) = rule.check else { continue };
            let checked = CheckedService::new(rule, &facts);
            if workloads.is_empty() {
                checked.workloads(&mut report.findings_of(rule, &mut Vec::new()));
            }
            for workload in workloads.iter().copied() {
                let mut found = Vec::new();
                let mut out = report.findings_of(rule, &mut found);
                check(&CheckedWorkload { service: checked, workload }, &mut out);
                // Two Services may select one workload; once is enough.
                found.retain(|finding: &Finding| {
                    reported.insert((finding.rule, finding.object.clone(), finding.path.clone()))
                });
                add_filtered(&any_of_workload(cluster, workload), found, report);
            }
        }
    }

    fn others(&self, cluster: &'a Cluster, report: &mut ReportBuilder) {
        for other in cluster.others() {
            let object = ObjectRef {
                context: cluster.context.clone(),
                kind: other.kind.clone(),
                namespace: other.meta.namespace.clone(),
                name: other.meta.name.clone(),
            };
            let any = AnyObject { object, meta: &other.meta, misplaced: None };
            if self.is_in_scope(|| any.object.clone()) {
                self.object(&any, report);
            }
        }
    }

    fn groups(&self, report: &mut ReportBuilder) {
        let mut found = Vec::new();
        for rule in self.rules_for(None) {
            if let Check::Groups(check) = rule.check {
                check(self.index, self.prediction, &mut report.findings_of(rule, &mut found));
            }
        }
        report.add(found);
    }

    /// The rules that judge any object.
    fn object(&self, any: &AnyObject<'_>, report: &mut ReportBuilder) {
        let mut found = Vec::new();
        for rule in self.rules {
            if let Check::Object(check) = rule.check {
                check(any, &mut report.findings_of(rule, &mut found));
            }
        }
        add_filtered(any, found, report);
    }

    /// The change that brings a Service, in its new version.
    fn change_of(&self, service_ref: &ServiceRef<'a>) -> Option<&ServiceChange<'a>> {
        let services = self.change?.services;
        let same = |change: &&ServiceChange<'a>| {
            change.cluster == service_ref.cluster_index
                && change.new.is_some_and(|new| std::ptr::eq(new, service_ref.service))
        };
        services.iter().find(same)
    }

    /// Judges the round in which CCM lets go of a Service, where it fails.
    fn failing_departure(
        &self,
        rule: &'static Rule,
        check: fn(&CheckedService<'_, '_>, &[Failure], &mut Findings<'_>),
        facts: &ServiceFacts<'_, 'a>,
        out: &mut Findings<'_>,
    ) {
        let predicted = self.prediction.of(&facts.service_ref);
        let failures = predicted.and_then(|predicted| predicted.failures.as_deref());
        if let Some(failures) = failures.filter(|failures| !failures.is_empty()) {
            check(&CheckedService::new(rule, facts), failures, out);
        }
    }

    /// The case of a Service on a CLB before the change.
    fn before<'s>(
        &'s self,
        cluster_index: usize,
        old: &'a Service,
        none: &'s Prediction,
    ) -> Option<ServiceFacts<'s, 'a>> {
        let index = self.change?.before;
        let cluster = index.snapshot.clusters.get(cluster_index)?;
        let facts = ServiceFacts::new(
            index,
            ServiceRef { cluster_index, cluster, service: old },
            None,
            none,
        );
        let is_on_clb = !old.metadata.annotations.text(annotation::ID).is_empty();
        (old.is_taken_by(cluster.ccm_version) && is_on_clb).then_some(facts)
    }

    fn checked_change<'s>(
        &'s self,
        before: CheckedService<'s, 'a>,
        after: Option<CheckedService<'s, 'a>>,
        next: Option<&'a Service>,
    ) -> CheckedChange<'s, 'a> {
        CheckedChange::new(before, after, next, self.index, self.prediction)
    }
}

fn any_of_workload<'o>(cluster: &Cluster, workload: &'o Workload) -> AnyObject<'o> {
    let object = workload.object_ref(cluster.context.as_ref());
    let template = &workload.template.metadata.annotations;
    let misplaced = match workload.kind {
        WorkloadKind::Pod => None,
        _ => Some(("spec.template.metadata.annotations", template)),
    };
    AnyObject { object, meta: &workload.metadata, misplaced }
}

/// Whether a Service, in its old or new version, carries keys that make it a candidate.
pub(super) fn has_clb_keys(service: &Service, old: Option<&Service>) -> bool {
    [Some(service), old].into_iter().flatten().any(Service::has_clb_keys)
}
