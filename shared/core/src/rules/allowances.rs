//! The annotation `clbmigrate.io/allow`, and what of an object's findings is reported.

use std::collections::HashSet;

use super::{AnyObject, findings::ReportBuilder};
use crate::{
    annotation,
    finding::{Finding, Severity},
    object::{ObjectMeta, ObjectRef},
    snapshot::Snapshot,
};

/// Adds the findings about one object to a report: hides those that follow from another one, and
/// softens those that the object is exempt from.
pub(super) fn add_filtered(any: &AnyObject<'_>, found: Vec<Finding>, report: &mut ReportBuilder) {
    if found.is_empty() {
        return;
    }
    let hidden: HashSet<&str> = found
        .iter()
        .filter_map(|finding| super::find(finding.rule))
        .flat_map(|rule| rule.hides.iter().copied())
        .collect();
    for mut finding in found {
        if hidden.contains(finding.rule) {
            report.hide(finding);
            continue;
        }
        if finding.object == any.object && is_exempt(any.meta, finding.rule) {
            finding.allowed = true;
            finding.severity = finding.severity.min(Severity::Warning);
        }
        report.add([finding]);
    }
}

/// Whether an object's annotation exempts it from a rule.
pub(super) fn is_exempt(meta: &ObjectMeta, rule: &str) -> bool {
    allowances(meta.annotations.get(annotation::ALLOW)).any(|id| id == rule)
}

fn allowances(text: Option<&str>) -> impl Iterator<Item = &str> {
    text.unwrap_or_default().split(',').map(str::trim).filter(|id| !id.is_empty())
}

/// The ids in annotations `clbmigrate.io/allow` of Services that are no rule's, each with its
/// Service.
pub fn unknown_allowances(snapshot: &Snapshot) -> Vec<(ObjectRef, String)> {
    let services = snapshot.clusters.iter().flat_map(|cluster| {
        cluster.services().map(move |service| (service, cluster.context.as_ref()))
    });
    let unknown = services.flat_map(|(service, context)| {
        let ids = allowances(service.metadata.annotations.get(annotation::ALLOW));
        ids.filter(|id| super::find(id).is_none_or(|rule| rule.id != *id))
            .map(move |id| (service.object_ref(context), id.to_owned()))
    });
    unknown.collect()
}
