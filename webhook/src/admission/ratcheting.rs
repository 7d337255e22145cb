//! Ratcheting, as Kubernetes calls it: only what a change introduces may deny it, never what was
//! there before, and never what lowers a risk.

use clbmigrate_core::{
    annotation::{self, parse_weight},
    finding::{Finding, Report, Severity},
    object::{Annotations, Service},
    patch::PatchOp,
    rules::{self, Family},
};

use super::decision::Remark;

/// The prefix of this project's own annotations; no CCM reads them.
const OWN_PREFIX: &str = "clbmigrate.io/";

/// Whether a change lowers the weight and changes nothing else that CCM reads: to 0 from whatever it
/// was, or from one valid weight to a lower one.
pub(super) fn only_lowers_weight(old: &Service, new: &Service) -> bool {
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let weight =
        |annotations: &Annotations| parse_weight(annotations.text(annotation::WEIGHT)).ok();
    let lower = match (weight(was), weight(is)) {
        (_, Some(0)) => true,
        (Some(was), Some(is)) => is < was,
        _ => false,
    };
    lower && old.spec == new.spec && other_annotations(was).eq(other_annotations(is))
}

/// All annotations but the weight and this project's own.
fn other_annotations(annotations: &Annotations) -> impl Iterator<Item = (&str, &str)> {
    annotations.iter().filter(|(key, _)| {
        annotation::suffix_of(key) != Some(annotation::WEIGHT) && !key.starts_with(OWN_PREFIX)
    })
}

/// Whether a change leaves everything that rules read.
pub(super) fn is_unchanged(old: &Service, new: &Service) -> bool {
    old.spec == new.spec && old.metadata.annotations == new.metadata.annotations
}

/// The remark on a finding that was there before the change, or whose wrong value the change removes;
/// `None` where it counts against the change. `before` is what was found on the old version, `new`
/// the annotations of the new one.
pub(super) fn preexisting(finding: &Finding, before: &Report, new: &Annotations) -> Option<Remark> {
    let known = || before.findings.iter().chain(&before.hidden);
    if known().any(|older| finding.is_carried_over(older)) {
        return Some(Remark::WasSoBefore);
    }
    let was_wrong = |older: &Finding| {
        older.severity == Severity::Error && !older.path.is_empty() && older.path == finding.path
    };
    let is_removed = finding.path.starts_with("metadata.annotations[")
        && !new.keys().any(|key| annotation::field_path(key) == finding.path);
    (is_removed && known().any(was_wrong)).then_some(Remark::WrongValueGoes)
}

/// The remark on a finding that the fix of another one reveals, where the change is exactly the patch
/// that an older finding proposed; `None` where it counts. What would harm other Services always
/// counts.
pub(super) fn revealed_by_fix(
    finding: &Finding,
    before: &Report,
    old: &Service,
    new: &Service,
) -> Option<Remark> {
    let harms_others =
        rules::find(finding.rule).is_none_or(|rule| rule.family() == Family::Bindings);
    if harms_others || old.spec != new.spec {
        return None;
    }
    let patches =
        before.findings.iter().map(|older| &older.patch).filter(|patch| !patch.is_empty());
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let is_it = |patch: &Vec<PatchOp>| patched(was, patch).is_some_and(|fixed| fixed == *is);
    patches.into_iter().any(is_it).then_some(Remark::ComesWithFix)
}

/// Annotations after a patch of annotations; `None` for any other patch.
fn patched(annotations: &Annotations, patch: &[PatchOp]) -> Option<Annotations> {
    let mut annotations = annotations.clone();
    for op in patch {
        let key = op.annotation()?;
        match op {
            PatchOp::Add { value, .. } | PatchOp::Replace { value, .. } => {
                annotations.set(key, value.as_str()?);
            }
            PatchOp::Remove { .. } => drop(annotations.remove(&key)),
        }
    }
    Some(annotations)
}

/// The remark on a finding that an earlier pod template of the workload had, too: going back to it is
/// a way out of trouble. `None` where it counts.
pub(super) fn in_earlier_template(finding: &Finding, earlier: &Report) -> Option<Remark> {
    let mut known = earlier.findings.iter().chain(&earlier.hidden);
    known.any(|older| finding.is_carried_over(older)).then_some(Remark::InEarlierTemplate)
}
