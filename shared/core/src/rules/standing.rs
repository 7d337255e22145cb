//! A Service as it stands, and the rules that judge it so.

use super::{
    AnyObject, Check, CheckedService, Findings, Rule, allowances::is_exempt, checked::ServiceFacts,
    engine::has_clb_keys, findings::ReportBuilder,
};
use crate::{
    finding::{Finding, Severity},
    index::{Index, ServiceRef},
    object::Service,
    prediction::Prediction,
};

/// A Service as it stands.
pub(super) struct StandingService<'s, 'a> {
    pub any: AnyObject<'a>,
    pub facts: &'s ServiceFacts<'s, 'a>,
    pub is_candidate: bool,
    is_migrated: bool,
    is_other_type: bool,
}

impl<'s, 'a> StandingService<'s, 'a> {
    pub fn new(facts: &'s ServiceFacts<'s, 'a>) -> Self {
        let ServiceRef { cluster, service, .. } = facts.service_ref;
        let is_candidate =
            service.is_taken_by(cluster.ccm_version) && has_clb_keys(service, facts.old);
        Self {
            any: AnyObject {
                object: service.object_ref(cluster.context.as_ref()),
                meta: &service.metadata,
                misplaced: Some(("spec.annotations", &service.spec.annotations)),
            },
            facts,
            is_candidate,
            is_migrated: is_candidate && facts.mapping().is_some(),
            is_other_type: !service.is_load_balancer()
                && !facts.old.is_some_and(Service::is_load_balancer)
                && service.metadata.annotations.has_clb_keys(),
        }
    }

    /// Runs a rule over it. `false` where the rule does not judge it as it stands.
    pub fn judge(&self, rule: &'static Rule, out: &mut Findings<'_>) -> bool {
        let checked = CheckedService::new(rule, self.facts);
        match rule.check {
            Check::Object(check) => check(&self.any, out),
            Check::Candidate(check) if self.is_candidate => check(&checked, out),
            Check::OnClb(check) if self.is_candidate && !checked.clb().is_empty() => {
                check(&checked, out);
            }
            Check::Migrated(check) if self.is_migrated => check(&checked, out),
            Check::Failures(check) if self.is_candidate => {
                check(&checked, self.facts.failures(), out);
            }
            Check::OtherType(check) if self.is_other_type => check(&checked, out),
            _ => return false,
        }
        true
    }
}

/// Takes the patches from those findings about a Service after which it would have an error that it
/// has not now: a rule offers only what helps. Their fixes then tell that error. `found` is all that
/// was found of the Service.
pub(super) fn withhold_patches(
    index: &Index<'_>,
    service_ref: ServiceRef<'_>,
    found: &mut [Finding],
) {
    let patched = found.iter().enumerate().filter(|(_, finding)| !finding.patch.is_empty());
    let brought = patched.filter_map(|(at, finding)| {
        let annotations = service_ref.service.metadata.annotations.patched(&finding.patch)?;
        let mut service = service_ref.service.clone();
        service.metadata.annotations = annotations;
        let errors = errors_of(index, ServiceRef { service: &service, ..service_ref });
        let error = errors.into_iter().find(|error| {
            let is_known = |older: &Finding| error.is_carried_over(older);
            !finding.may_reveal(error) && !found.iter().any(is_known)
        })?;
        Some((at, error))
    });
    let brought: Vec<(usize, Finding)> = brought.collect();
    for (at, error) in brought {
        if let Some(finding) = found.get_mut(at) {
            finding.patch.clear();
            finding.fix =
                format!("{}; alone, that brings {}: {}", finding.fix, error.rule, error.fix);
        }
    }
}

/// The errors of another version of a Service of the snapshot, as CCM is about to see it. Other
/// Services are found by the index, which tells them apart by name.
fn errors_of(index: &Index<'_>, service_ref: ServiceRef<'_>) -> Vec<Finding> {
    let prediction = Prediction::of_edited(&service_ref);
    let facts = ServiceFacts::new(index, service_ref, None, &prediction);
    let standing = StandingService::new(&facts);
    let mut scratch = ReportBuilder::new(true);
    let mut found = Vec::new();
    for rule in super::all().iter().copied().filter(|rule| rule.severity == Severity::Error) {
        standing.judge(rule, &mut scratch.findings_of(rule, &mut found));
    }
    found.retain(|finding| {
        finding.severity == Severity::Error && !is_exempt(standing.any.meta, finding.rule)
    });
    found
}
