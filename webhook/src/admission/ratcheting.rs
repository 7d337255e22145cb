//! Ratcheting, as Kubernetes calls it: only what a change introduces may deny it, never what was
//! there before, and never what lowers a risk.

use clbmigrate_core::{
    annotation::{self, parse_weight},
    finding::{Finding, Report, Severity},
    object::{Annotations, Service},
    rules::{self, Harms},
};

use super::decision::Remark;

/// The prefix of this project's own annotations; no CCM reads them.
const OWN_PREFIX: &str = "clbmigrate.io/";

/// Whether a change lowers the weight and changes nothing else that CCM reads: to 0 from whatever it
/// was, or from one valid weight to a lower one. The weight's key with the other prefix may go.
pub(super) fn only_lowers_weight(old: &Service, new: &Service) -> bool {
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let weight =
        |annotations: &Annotations| parse_weight(annotations.text(annotation::WEIGHT)).ok();
    let lower = match (weight(was), weight(is)) {
        (_, Some(0)) => true,
        (Some(was), Some(is)) => is < was,
        _ => false,
    };
    let written = is.key_of(annotation::WEIGHT);
    let is_left_out = |key: &str| {
        let goes = annotation::suffix_of(key) == Some(annotation::WEIGHT) && is.get(key).is_none();
        key == written || goes || key.starts_with(OWN_PREFIX) || !annotation::is_reviewed(key)
    };
    lower && old.spec == new.spec && was.without(is_left_out).eq(is.without(is_left_out))
}

/// Whether a change leaves everything that rules read.
pub(super) fn is_unchanged(old: &Service, new: &Service) -> bool {
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let is_left_out = |key: &str| !annotation::is_reviewed(key);
    old.spec == new.spec
        && was.not_strings().eq(is.not_strings())
        && was.without(is_left_out).eq(is.without(is_left_out))
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

/// The remark on a finding that stood behind an error of the old version all along, where the change
/// corrects that error and does nothing else; `None` where it counts. What would harm others always
/// counts, and so does what the fix of a warning brings: the object worked before.
pub(super) fn revealed_by_fix(
    finding: &Finding,
    before: &Report,
    old: &Service,
    new: &Service,
) -> Option<Remark> {
    let harms_itself = rules::find(finding.rule).is_some_and(|rule| rule.harms == Harms::Itself);
    let (was, is) = (&old.metadata.annotations, &new.metadata.annotations);
    let is_corrected = |older: &Finding| {
        let is_its_field = |key: &str| annotation::field_path(key) == older.path;
        let is_its_patch = || was.patched(&older.patch).is_some_and(|fixed| fixed == *is);
        was.without(is_its_field).eq(is.without(is_its_field)) || is_its_patch()
    };
    let mut errors = before.findings.iter().filter(|older| older.may_reveal(finding));
    (harms_itself && old.spec == new.spec && errors.any(is_corrected))
        .then_some(Remark::ComesWithFix)
}

/// The remark on a finding that an earlier pod template of the workload had, too: going back to it is
/// a way out of trouble. `None` where it counts.
pub(super) fn in_earlier_template(finding: &Finding, earlier: &Report) -> Option<Remark> {
    let mut known = earlier.findings.iter().chain(&earlier.hidden);
    known.any(|older| finding.is_carried_over(older)).then_some(Remark::InEarlierTemplate)
}
