use std::collections::HashSet;

use super::{AnyObject, Case, ChangeCase, Judge, Rule, WorkloadCase, catalogue};
use crate::{
    annotation, backends,
    finding::{Finding, Findings, Report, Severity},
    object::{ObjectRef, Service, Workload, WorkloadKind},
    prediction::Prediction,
    preview::ServiceChange,
    snapshot::{Cluster, World},
    survey::{Seat, Survey},
};

/// Which objects are judged.
pub type Scope<'f> = &'f dyn Fn(&ObjectRef) -> bool;

/// A change that is judged.
#[derive(Clone, Copy)]
pub struct Change<'s, 'a> {
    /// The world before it.
    pub before: &'s Survey<'a>,
    /// The Services that differ.
    pub services: &'s [ServiceChange<'a>],
    /// What CCM's next round does.
    pub prediction: &'s Prediction,
}

/// Runs all rules. With a change, `survey` is the world after it.
pub fn check<'a>(survey: &Survey<'a>, change: Option<Change<'_, 'a>>, scope: Scope<'_>) -> Report {
    let rules: Vec<&'static Rule> = catalogue().collect();
    let Some(first) = rules.first().copied() else { return Report::default() };
    let none = Prediction::default();
    let prediction = change.map_or(&none, |change| change.prediction);
    let engine = Engine { survey, change, prediction, rules, scope };
    let mut out = Findings::new(first);
    for (index, cluster) in survey.world.clusters.iter().enumerate() {
        for service in cluster.services() {
            engine.service(Seat { index, cluster, service }, &mut out);
        }
        engine.gone(index, &mut out);
        engine.workloads(index, cluster, &mut out);
        engine.others(cluster, &mut out);
    }
    engine.groups(&mut out);
    out.finish()
}

struct Engine<'s, 'a> {
    survey: &'s Survey<'a>,
    change: Option<Change<'s, 'a>>,
    prediction: &'s Prediction,
    rules: Vec<&'static Rule>,
    scope: Scope<'s>,
}

impl<'a> Engine<'_, 'a> {
    fn service(&self, seat: Seat<'a>, out: &mut Findings) {
        let object = seat.service.object_ref(seat.cluster.context.as_ref());
        if !(self.scope)(&object) {
            return;
        }
        let start = out.len();
        let meta = &seat.service.metadata;
        let misplaced = vec![("spec.annotations", &seat.service.spec.annotations)];
        let any = AnyObject { object, meta, misplaced };
        let old = self.old_of(&seat);
        let none = Prediction::default();
        let case = Case::new(self.survey, seat, old, self.prediction);
        let before = old.and_then(|old| self.before(seat.index, old, &none));
        let is_candidate = is_candidate(seat.service, old);
        let is_migrated = is_candidate && backends::mapping(seat.service).is_some();
        for rule in &self.rules {
            out.begin(rule);
            match rule.judge {
                Judge::Object(judge) => judge(&any, out),
                Judge::Candidate(judge) if is_candidate => judge(&case, out),
                Judge::OnClb(judge) if is_candidate && !case.clb().is_empty() => judge(&case, out),
                Judge::Migrated(judge) if is_migrated => judge(&case, out),
                Judge::Change(judge) => {
                    if let Some(before) = &before {
                        let after = seat.service.is_taken_by_ccm().then_some(&case);
                        judge(&self.change_case(before, after, Some(seat.service)), out);
                    }
                }
                _ => {}
            }
        }
        settle(&any, start, out);
    }

    /// Services that the change takes away.
    fn gone(&self, index: usize, out: &mut Findings) {
        let changes = self.change.map(|change| change.services).unwrap_or_default();
        let none = Prediction::default();
        for change in changes.iter().filter(|change| change.cluster == index) {
            let (Some(old), None) = (change.old, change.new) else { continue };
            let Some(before) = self.before(index, old, &none) else { continue };
            let start = out.len();
            for rule in &self.rules {
                out.begin(rule);
                if let Judge::Change(judge) = rule.judge {
                    judge(&self.change_case(&before, None, None), out);
                }
            }
            let object = change.object.clone();
            settle(&AnyObject { object, meta: &old.metadata, misplaced: Vec::new() }, start, out);
        }
    }

    fn workloads(&self, index: usize, cluster: &'a Cluster, out: &mut Findings) {
        for workload in cluster.workloads() {
            let any = any_of_workload(cluster, workload);
            if (self.scope)(&any.object) {
                let start = out.len();
                self.objects(&any, out);
                settle(&any, start, out);
            }
        }
        let mut said = HashSet::new();
        for service in cluster.services() {
            let is_migrated = is_candidate(service, None) && backends::mapping(service).is_some();
            let seat = Seat { index, cluster, service };
            let object = service.object_ref(cluster.context.as_ref());
            if !is_migrated || !(self.scope)(&object) {
                continue;
            }
            let case = Case::new(self.survey, seat, None, self.prediction);
            let workloads: Vec<&Workload> = cluster.workloads_of(service).collect();
            for rule in &self.rules {
                let Judge::Workload(judge) = rule.judge else { continue };
                out.begin(rule);
                if workloads.is_empty() {
                    case.workloads(out);
                }
                for workload in workloads.iter().copied() {
                    let start = out.len();
                    judge(&WorkloadCase { case: &case, workload }, out);
                    // Two Services may select one workload; once is enough.
                    let new = out.since(start).into_iter().filter(|finding| {
                        let key = (finding.rule, finding.object.clone(), finding.path.clone());
                        said.insert(key)
                    });
                    let new: Vec<Finding> = new.collect();
                    out.extend(new);
                    settle(&any_of_workload(cluster, workload), start, out);
                }
            }
        }
    }

    fn others(&self, cluster: &'a Cluster, out: &mut Findings) {
        for other in cluster.others() {
            let object = ObjectRef {
                context: cluster.context.clone(),
                kind: other.kind.clone(),
                namespace: other.meta.namespace.clone(),
                name: other.meta.name.clone(),
            };
            let any = AnyObject { object, meta: &other.meta, misplaced: Vec::new() };
            if (self.scope)(&any.object) {
                let start = out.len();
                self.objects(&any, out);
                settle(&any, start, out);
            }
        }
    }

    fn groups(&self, out: &mut Findings) {
        for rule in &self.rules {
            if let Judge::Groups(judge) = rule.judge {
                out.begin(rule);
                judge(self.survey, self.prediction, out);
            }
        }
    }

    fn objects(&self, any: &AnyObject<'_>, out: &mut Findings) {
        for rule in &self.rules {
            if let Judge::Object(judge) = rule.judge {
                out.begin(rule);
                judge(any, out);
            }
        }
    }

    fn old_of(&self, seat: &Seat<'a>) -> Option<&'a Service> {
        let services = self.change?.services;
        let same = |change: &&ServiceChange<'a>| {
            change.cluster == seat.index
                && change.new.is_some_and(|new| std::ptr::eq(new, seat.service))
        };
        services.iter().find(same)?.old
    }

    /// The case of a migrated Service before the change.
    fn before<'s>(
        &'s self,
        index: usize,
        old: &'a Service,
        none: &'s Prediction,
    ) -> Option<Case<'s, 'a>> {
        let survey = self.change?.before;
        let cluster = survey.world.clusters.get(index)?;
        let is_migrated = old.is_taken_by_ccm() && backends::mapping(old).is_some();
        let seat = Seat { index, cluster, service: old };
        is_migrated.then(|| Case::new(survey, seat, None, none))
    }

    fn change_case<'s>(
        &'s self,
        before: &'s Case<'s, 'a>,
        after: Option<&'s Case<'s, 'a>>,
        next: Option<&'a Service>,
    ) -> ChangeCase<'s, 'a> {
        ChangeCase { before, after, next, survey: self.survey, prediction: self.prediction }
    }
}

fn any_of_workload<'o>(cluster: &Cluster, workload: &'o Workload) -> AnyObject<'o> {
    let object = workload.object_ref(cluster.context.as_ref());
    let template = &workload.template.metadata.annotations;
    let misplaced = match workload.kind {
        WorkloadKind::Pod => Vec::new(),
        _ => vec![("spec.template.metadata.annotations", template)],
    };
    AnyObject { object, meta: &workload.metadata, misplaced }
}

/// Whether a Service is a candidate, in its old or new version.
fn is_candidate(service: &Service, old: Option<&Service>) -> bool {
    service.is_taken_by_ccm()
        && [Some(service), old].into_iter().flatten().any(Service::has_clb_keys)
}

/// Drops what follows from another finding on the same object, and softens what the object is
/// exempt from.
fn settle(any: &AnyObject<'_>, start: usize, out: &mut Findings) {
    let findings = out.since(start);
    let hidden: HashSet<&str> = findings
        .iter()
        .filter_map(|finding| super::find(finding.rule))
        .flat_map(|rule| rule.hides.iter().copied())
        .collect();
    let allowed: Vec<&str> = allowances(any.meta.annotations.get(annotation::ALLOW)).collect();
    out.extend(findings.into_iter().filter(|finding| !hidden.contains(finding.rule)).map(
        |mut finding| {
            if finding.object == any.object && allowed.contains(&finding.rule) {
                finding.allowed = true;
                finding.severity = finding.severity.min(Severity::Warning);
            }
            finding
        },
    ));
}

fn allowances(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|id| !id.is_empty())
}

/// Ids in `clbmigrate.io/allow` that are no rule's, with the Service that carries them.
pub fn unknown_allowances(world: &World) -> Vec<(ObjectRef, String)> {
    let services = world.clusters.iter().flat_map(|cluster| {
        cluster.services().map(move |service| (service, cluster.context.as_ref()))
    });
    let unknown = services.flat_map(|(service, context)| {
        let ids = allowances(service.metadata.annotations.get(annotation::ALLOW));
        ids.filter(|id| super::find(id).is_none_or(|rule| rule.id != *id))
            .map(move |id| (service.object_ref(context), id.to_owned()))
    });
    unknown.collect()
}
