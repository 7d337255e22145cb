use std::collections::HashSet;

use super::{AnyObject, Case, ChangeCase, Judge, Rule, WorkloadCase};
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
    run(survey, change, scope, false, |engine, out| {
        for (index, cluster) in survey.world.clusters.iter().enumerate() {
            for service in cluster.services() {
                engine.service(Seat { index, cluster, service }, out);
            }
            engine.gone(index, out);
            engine.workloads(index, cluster, out);
            engine.others(cluster, out);
        }
        engine.groups(out);
    })
}

/// Runs the rules over one Service, and those of the workloads it selects over these; whatever else
/// is in the world is evidence. With a change, `survey` is the world after it. Of what could not be
/// looked at, the report names the rules alone: this is for reviews, which must be quick.
pub fn check_service<'a>(
    survey: &Survey<'a>,
    change: Option<Change<'_, 'a>>,
    seat: Seat<'a>,
) -> Report {
    let is_it = |object: &ObjectRef| {
        object.kind == "Service"
            && object.name == seat.service.metadata.name
            && object.namespace.as_deref() == Some(seat.service.metadata.namespace())
    };
    run(survey, change, &is_it, true, |engine, out| {
        engine.service(seat, out);
        engine.workloads_of(seat, &mut HashSet::new(), out);
    })
}

/// Runs the rules of changes over the Services that a change takes away; `survey` is the world
/// after it.
pub fn check_gone<'a>(survey: &Survey<'a>, change: Change<'_, 'a>) -> Report {
    run(survey, Some(change), &|_| true, true, |engine, out| {
        (0..change.before.world.clusters.len()).for_each(|index| engine.gone(index, out));
    })
}

/// Runs the rules over the workloads of the world, and over nothing else of it.
pub fn check_workloads(survey: &Survey<'_>) -> Report {
    run(survey, None, &|_| true, true, |engine, out| {
        for (index, cluster) in survey.world.clusters.iter().enumerate() {
            engine.workloads(index, cluster, out);
        }
    })
}

fn run<'a>(
    survey: &Survey<'a>,
    change: Option<Change<'_, 'a>>,
    scope: Scope<'_>,
    is_terse: bool,
    over: impl FnOnce(&Engine<'_, 'a>, &mut Findings),
) -> Report {
    let rules = super::all();
    let Some(first) = rules.first().copied() else { return Report::default() };
    let none = Prediction::default();
    let prediction = change.map_or(&none, |change| change.prediction);
    let mut out = Findings::new(first, is_terse);
    over(&Engine { survey, change, prediction, rules, scope }, &mut out);
    out.finish()
}

/// Rule, object and path of a finding.
type Said = (&'static str, ObjectRef, String);

struct Engine<'s, 'a> {
    survey: &'s Survey<'a>,
    change: Option<Change<'s, 'a>>,
    prediction: &'s Prediction,
    rules: &'static [&'static Rule],
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
        let misplaced = Some(("spec.annotations", &seat.service.spec.annotations));
        let any = AnyObject { object, meta, misplaced };
        let old = self.old_of(&seat);
        let none = Prediction::default();
        let case = Case::new(self.survey, seat, old, self.prediction);
        let before = old.and_then(|old| self.before(seat.index, old, &none));
        let is_taken = seat.service.is_taken_by_ccm();
        let is_candidate = is_taken && has_clb_keys(seat.service, old);
        let is_migrated = is_candidate && case.mapping().is_some();
        for rule in self.rules {
            out.begin(rule);
            match rule.judge {
                Judge::Object(judge) => judge(&any, out),
                Judge::Candidate(judge) if is_candidate => judge(&case, out),
                Judge::OnClb(judge) if is_candidate && !case.clb().is_empty() => judge(&case, out),
                Judge::Migrated(judge) if is_migrated => judge(&case, out),
                Judge::Change(judge) => {
                    if let Some(before) = &before {
                        let after = is_taken.then_some(&case);
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
            for rule in self.rules {
                out.begin(rule);
                if let Judge::Change(judge) = rule.judge {
                    judge(&self.change_case(&before, None, None), out);
                }
            }
            let object = change.object.clone();
            settle(&AnyObject { object, meta: &old.metadata, misplaced: None }, start, out);
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
            if (self.scope)(&service.object_ref(cluster.context.as_ref())) {
                self.workloads_of(Seat { index, cluster, service }, &mut said, out);
            }
        }
    }

    /// The workloads that a migrated Service selects. What was `said` of one is not said again.
    fn workloads_of(&self, seat: Seat<'a>, said: &mut HashSet<Said>, out: &mut Findings) {
        let Seat { cluster, service, .. } = seat;
        if !service.is_candidate() || !backends::is_mapped(service) {
            return;
        }
        let workloads: Vec<&Workload> = cluster.workloads_of(service).collect();
        if workloads.is_empty() && out.is_terse() {
            return;
        }
        let case = Case::new(self.survey, seat, None, self.prediction);
        for rule in self.rules {
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
                    said.insert((finding.rule, finding.object.clone(), finding.path.clone()))
                });
                let new: Vec<Finding> = new.collect();
                out.extend(new);
                settle(&any_of_workload(cluster, workload), start, out);
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
            let any = AnyObject { object, meta: &other.meta, misplaced: None };
            if (self.scope)(&any.object) {
                let start = out.len();
                self.objects(&any, out);
                settle(&any, start, out);
            }
        }
    }

    fn groups(&self, out: &mut Findings) {
        for rule in self.rules {
            if let Judge::Groups(judge) = rule.judge {
                out.begin(rule);
                judge(self.survey, self.prediction, out);
            }
        }
    }

    fn objects(&self, any: &AnyObject<'_>, out: &mut Findings) {
        for rule in self.rules {
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
        let case = Case::new(survey, Seat { index, cluster, service: old }, None, none);
        (old.is_taken_by_ccm() && backends::is_mapped(old)).then_some(case)
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
        WorkloadKind::Pod => None,
        _ => Some(("spec.template.metadata.annotations", template)),
    };
    AnyObject { object, meta: &workload.metadata, misplaced }
}

/// Whether a Service, in its old or new version, carries keys that make it a candidate.
fn has_clb_keys(service: &Service, old: Option<&Service>) -> bool {
    [Some(service), old].into_iter().flatten().any(Service::has_clb_keys)
}

/// Drops what follows from another finding on the same object, and softens what the object is
/// exempt from.
fn settle(any: &AnyObject<'_>, start: usize, out: &mut Findings) {
    if out.len() == start {
        return;
    }
    let findings = out.since(start);
    let hidden: HashSet<&str> = findings
        .iter()
        .filter_map(|finding| super::find(finding.rule))
        .flat_map(|rule| rule.hides.iter().copied())
        .collect();
    let allowed: Vec<&str> = allowances(any.meta.annotations.get(annotation::ALLOW)).collect();
    for mut finding in findings {
        if hidden.contains(finding.rule) {
            out.hide(finding);
            continue;
        }
        if finding.object == any.object && allowed.contains(&finding.rule) {
            finding.allowed = true;
            finding.severity = finding.severity.min(Severity::Warning);
        }
        out.extend([finding]);
    }
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
