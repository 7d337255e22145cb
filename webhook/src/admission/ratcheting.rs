//! Ratcheting, as Kubernetes calls it: only what a change introduces may deny it, never what was
//! there before, and never what lowers a risk.

use std::cell::OnceCell;

use clbmigrate_core::{
    annotation::{self, parse_weight},
    finding::{Finding, Report, Severity},
    index::{Index, ServiceRef},
    object::{Annotations, Service},
    rules::{self, Harms, Rule},
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

/// The version of a Service before a change. Rules run over it only for what would deny the change.
pub(super) struct OldVersion<'s, 'a> {
    index: &'s Index<'a>,
    service: ServiceRef<'a>,
    report: OnceCell<Report>,
}

impl<'s, 'a> OldVersion<'s, 'a> {
    pub fn new(index: &'s Index<'a>, service: ServiceRef<'a>) -> Self {
        Self { index, service, report: OnceCell::new() }
    }

    /// The remark on a finding that does not count against the change to `new`; `None` where it does.
    pub fn excuse(&self, finding: &Finding, new: &Service) -> Option<Remark> {
        if self.may_excuse(finding, new) { self.excuse_by_all_rules(finding, new) } else { None }
    }

    fn excuse_by_all_rules(&self, finding: &Finding, new: &Service) -> Option<Remark> {
        let before =
            self.report.get_or_init(|| rules::check_service(self.index, None, self.service));
        preexisting(finding, before, &new.metadata.annotations)
            .or_else(|| revealed_by_fix(finding, before, self.service.service, new))
    }

    /// Whether [`Self::excuse_by_all_rules`] may have a remark. The usual mistake is new and of a rule that
    /// no fix reveals: what its own rule says of the old version is enough to know.
    fn may_excuse(&self, finding: &Finding, new: &Service) -> bool {
        let is_revealed = || rules::catalogue().any(|rule| rule.reveals.contains(&finding.rule));
        is_removed(finding, &new.metadata.annotations)
            || is_revealed()
            || rules::find(finding.rule).is_none_or(|rule| self.has_known(finding, rule))
    }

    fn has_known(&self, finding: &Finding, rule: &'static Rule) -> bool {
        let Report { findings, hidden, .. } =
            rules::check_service_by(&[rule], self.index, None, self.service);
        findings.iter().chain(&hidden).any(|older| finding.is_carried_over(older))
    }
}

/// Whether a finding is about an annotation that is not there any more.
fn is_removed(finding: &Finding, new: &Annotations) -> bool {
    finding.path.starts_with("metadata.annotations[")
        && !new.keys().any(|key| annotation::field_path(key) == finding.path)
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
    (is_removed(finding, new) && known().any(was_wrong)).then_some(Remark::WrongValueGoes)
}

/// The remark on a finding that stood behind an error of the old version all along, where the change
/// corrects that error and does nothing else; `None` where it counts. What would harm others always
/// counts, and so does what the fix of a warning brings: the object worked before.
fn revealed_by_fix(
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use clbmigrate_core::{
        change::ServiceChange,
        prediction::Prediction,
        rules::ChangeSet,
        snapshot::{Cluster, Snapshot},
    };
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::json;

    use super::*;

    /// Annotations that are right, wrong, misspelt, and wrong only beside each other.
    const ANNOTATIONS: &[(&str, &[&str])] = &[
        ("loadbalancer-id", &["lb-bp1example", "lb-bp2example", " lb-bp1example", ""]),
        (
            "loadbalancer-vgroup-port",
            &["rsp-a:80", "rsp-a:81", "rsp-a", "rsp-a:80,", "rsp-a: 80", "rsp-b:80", "rsp-a:0", ""],
        ),
        ("loadbalancer-vgroup-ids", &["80:rsp-a", "rsp-a"]),
        ("loadbalancer-weight", &["0", "20", "60", "101", "abc", " 20", ""]),
        ("loadbalancer-default-weight", &["100", "101"]),
        ("loadbalancer-wieght", &["60", "101"]),
        ("loadbalancer-healthy-threshold", &["3", "3s"]),
        ("loadbalancer-backend-label", &["pool=web", "pool", "pool=web, zone=a"]),
        ("loadbalancer-force-override-listeners", &["true", "false"]),
        ("loadbalancer-ip", &["203.0.113.7"]),
        ("backend-type", &["eni", "ecs", "ENI"]),
    ];
    const PREFIXES: &[&str] = &[annotation::PREFIX, annotation::LEGACY_PREFIX];

    type Pairs = Vec<(String, String)>;

    fn annotations() -> impl Strategy<Value = (String, String)> {
        let key = (select(PREFIXES), select(ANNOTATIONS));
        let allow = select(vec!["CLB001", "CLB003,CLB004", "CLB406"]);
        let allow = allow.prop_map(|ids| (annotation::ALLOW.to_owned(), ids.to_owned()));
        let value = key.prop_flat_map(|(prefix, (suffix, values))| {
            let key = match suffix {
                "backend-type" => annotation::BACKEND_TYPE.to_owned(),
                suffix => format!("{prefix}{suffix}"),
            };
            select(values).prop_map(move |value| (key.clone(), value.to_owned()))
        });
        prop_oneof![12 => value, 1 => allow]
    }

    /// A Service, and the same after a few edits of its annotations, where a value of `None` removes.
    fn pairs() -> impl Strategy<Value = (Pairs, Vec<(String, Option<String>)>, bool)> {
        let usual = [
            (annotation::ID, "lb-bp1example"),
            (annotation::VGROUP_PORT, "rsp-a:80"),
            (annotation::WEIGHT, "60"),
        ];
        let usual: Pairs =
            usual.map(|(suffix, value)| (annotation::full_key(suffix), value.to_owned())).into();
        let old = vec(annotations(), 0..5).prop_map(move |more| [usual.clone(), more].concat());
        let edit = (annotations(), any::<bool>())
            .prop_map(|((key, value), goes)| (key, (!goes).then_some(value)));
        (old, vec(edit, 1..4), any::<bool>())
    }

    fn service(annotations: &Annotations, is_local: bool) -> Arc<Service> {
        let policy = if is_local { "Local" } else { "Cluster" };
        let pairs: serde_json::Map<String, serde_json::Value> =
            annotations.iter().map(|(key, value)| (key.to_owned(), value.into())).collect();
        let service = json!({
            "metadata": {"namespace": "shop", "name": "web", "annotations": pairs},
            "spec": {
                "type": "LoadBalancer", "externalTrafficPolicy": policy,
                "selector": {"app": "web"},
                "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}],
            },
        });
        Arc::new(serde_json::from_value(service).expect("a Service"))
    }

    fn snapshot(service: &Arc<Service>) -> Snapshot {
        let mut cluster = Cluster::default();
        cluster.replace_service(Arc::clone(service));
        Snapshot { clusters: vec![cluster], ..Snapshot::default() }
    }

    fn only_service(snapshot: &Snapshot) -> ServiceRef<'_> {
        let cluster = snapshot.clusters.first().expect("a cluster");
        let service = cluster.services().next().expect("a Service");
        ServiceRef { cluster_index: 0, cluster, service }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_no_rule_of_its_own_excuses_no_other_rule_excuses(
            (old, edits, becomes_local) in pairs(),
        ) {
            let was: Annotations = old.into_iter().collect();
            let mut is = was.clone();
            for (key, value) in edits {
                match value {
                    Some(value) => is.set(key, value),
                    None => drop(is.remove(&key)),
                }
            }
            let (old, new) = (service(&was, false), service(&is, becomes_local));
            let snapshots = [&old, &new].map(snapshot);
            let [before, after] = snapshots.each_ref().map(Index::new);
            let (old, new) = (only_service(before.snapshot), only_service(after.snapshot));
            let changes = [ServiceChange {
                object: new.service.object_ref(None),
                cluster: 0,
                old: Some(old.service),
                new: Some(new.service),
            }];
            let prediction = Prediction::for_rules(&before, &after, &changes);
            let change = ChangeSet { before: &before, services: &changes, prediction: &prediction };
            let found = rules::check_service(&after, Some(change), new);
            let old = OldVersion::new(&before, old);
            for finding in found.findings.iter().chain(&found.hidden) {
                prop_assert_eq!(
                    old.excuse(finding, new.service),
                    old.excuse_by_all_rules(finding, new.service),
                    "{:?}", finding
                );
            }
        }
    }
}
