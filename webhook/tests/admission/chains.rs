//! Fixes that are offered, and chains of requests: no way leads round what a direct write is refused
//! for.

use clbmigrate_core::{
    annotation::{LEGACY_PREFIX, PREFIX, nearest_known_key},
    finding::{Finding, Report, Severity},
    index::Index,
    patch::PatchOp,
    rules,
    snapshot::{Cluster, Object, Snapshot},
};
use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index as At, select},
};
use serde_json::{Value, json};

use super::{
    properties::{MAPPINGS, WEIGHTS, cluster_around, config, neighbours},
    support::*,
};

/// Keys that CCM reads, by their suffixes, and what is written there.
const KEYS: &[(&str, &[&str])] = &[
    ("weight", WEIGHTS),
    ("default-weight", WEIGHTS),
    ("vgroup-port", MAPPINGS),
    ("vgroup-ids", &["80:rsp-a", "80: rsp-a", "rsp-a", "x:rsp-a", "80:rsp-b,443:rsp-a"]),
    ("id", &["lb-bp1example", "lb-other", " lb-bp1example", "rsp-a", "203.0.113.9", ""]),
    ("healthy-threshold", &["3", "3s", " 3", "'3'", "three"]),
    ("health-check-interval", &["5", "5s", ""]),
    ("protocol-port", &["tcp:80", "'https:80'", "TCP:80", "tcp=80", "80"]),
    ("backend-label", &["pool=web", "pool=web, zone=a", "pool:web", "pool"]),
    ("force-override-listeners", &["true", "false", "on"]),
    ("bandwidth", &["5", "5M"]),
    (BACKEND_TYPE, &["eni", "ecs", "ENI", "Ecs", "pods", ""]),
];

/// Keys that decide whether CCM takes a Service at all.
const CLASSES: &[&str] =
    &["service.beta.kubernetes.io/class", "loadbalancer-tunnel-type", "loadbalancer-name"];

/// A careless stroke in a key's name.
#[derive(Debug, Clone, Copy)]
enum Slip {
    Drop,
    Swap,
    Double,
    DashIn,
    DashOut,
}

impl Slip {
    fn on(self, name: &str, at: At) -> String {
        let mut name: Vec<char> = name.chars().collect();
        let dashes: Vec<usize> = (0..name.len()).filter(|at| name[*at] == '-').collect();
        let first = at.index(name.len() - 1);
        match self {
            Self::Drop => drop(name.remove(first)),
            Self::Swap => name.swap(first, first + 1),
            Self::Double => name.insert(first, name[first]),
            Self::DashIn => name.insert(first, '-'),
            Self::DashOut if dashes.is_empty() => {}
            Self::DashOut => drop(name.remove(dashes[at.index(dashes.len())])),
        }
        name.into_iter().collect()
    }
}

/// An annotation with a key that CCM reads, under one of its prefixes, or with a slip or two in it.
fn annotations() -> impl Strategy<Value = (String, &'static str)> {
    let slips = select(vec![Slip::Drop, Slip::Swap, Slip::Double, Slip::DashIn, Slip::DashOut]);
    let slips = vec((slips, any::<At>()), 0..3);
    let prefix = prop_oneof![3 => Just(PREFIX), 1 => Just(LEGACY_PREFIX)];
    (select(KEYS), any::<At>(), prefix, slips).prop_map(
        |((suffix, values), value, prefix, slips)| {
            let key = if suffix.contains('/') {
                suffix.to_owned()
            } else {
                format!("{prefix}loadbalancer-{suffix}")
            };
            let (domain, name) = key.split_once('/').expect("a domain");
            let name = slips.iter().fold(name.to_owned(), |name, (slip, at)| slip.on(&name, *at));
            (format!("{domain}/{name}"), values[value.index(values.len())])
        },
    )
}

/// What a Service begins with.
#[derive(Debug, Clone)]
struct Start {
    is_local: bool,
    has_two_ports: bool,
    /// Which of id, mapping and weight it has.
    has: [bool; 3],
    more: Vec<(String, &'static str)>,
}

impl Start {
    fn service(&self) -> Value {
        let mut service = if self.has_two_ports { two_ports() } else { web() };
        if self.is_local {
            service["spec"]["externalTrafficPolicy"] = json!("Local");
        }
        let left_out = ["id", "vgroup-port", "weight"].into_iter().zip(self.has);
        let left_out = left_out.filter(|(_, has)| !has).map(|(key, _)| (key, Value::Null));
        let service = with_annotations(&service, &left_out.collect::<Vec<_>>());
        self.more.iter().fold(service, |service, (key, value)| {
            with_annotations(&service, &[(key.as_str(), json!(value))])
        })
    }
}

fn starts() -> impl Strategy<Value = Start> {
    let has = [0.8, 0.7, 0.5].map(proptest::bool::weighted);
    (any::<[bool; 2]>(), has, vec(annotations(), 0..4)).prop_map(
        |([is_local, has_two_ports], has, more)| Start { is_local, has_two_ports, has, more },
    )
}

/// One request.
#[derive(Debug, Clone)]
enum Step {
    /// Does what a finding proposes.
    Patch(At),
    /// Writes a key as it was probably meant.
    Correct(At),
    /// Gives a key the other prefix.
    OtherPrefix(At),
    Remove(At),
    Set(String, &'static str),
    /// Gives a key's value to another key.
    Rename(At, String),
    Weight(&'static str),
    Type(&'static str),
    /// Sets or removes a key that decides whose Service it is.
    Class(&'static str, bool),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => any::<At>().prop_map(Step::Patch),
        4 => any::<At>().prop_map(Step::Correct),
        1 => any::<At>().prop_map(Step::OtherPrefix),
        2 => any::<At>().prop_map(Step::Remove),
        3 => annotations().prop_map(|(key, value)| Step::Set(key, value)),
        2 => (any::<At>(), annotations()).prop_map(|(at, (key, _))| Step::Rename(at, key)),
        1 => select(&["0", "1", "20"][..]).prop_map(Step::Weight),
        1 => select(&["ClusterIP", "LoadBalancer"][..]).prop_map(Step::Type),
        1 => (select(CLASSES), any::<bool>()).prop_map(|(key, is_set)| Step::Class(key, is_set)),
    ];
    vec(step, 1..4)
}

impl Step {
    /// The object after the step; the same where there is nothing to do.
    fn on(&self, service: &Value) -> Value {
        let annotations = service["metadata"]["annotations"].as_object();
        let all: Vec<(&String, &Value)> = annotations.into_iter().flatten().collect();
        let chosen = |at: &At| (!all.is_empty()).then(|| all[at.index(all.len())]);
        let moved = |key: &String, to: &str| {
            let value = all.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
            with_annotations(
                service,
                &[(key, Value::Null), (to, value.cloned().unwrap_or_default())],
            )
        };
        let result = match self {
            Self::Patch(at) => {
                let report = report(service);
                let offered = offered(&report);
                (!offered.is_empty())
                    .then(|| patched(service, &offered[at.index(offered.len())].patch))
            }
            Self::Correct(at) => {
                let meant = |key: &String| Some((key.clone(), nearest_known_key(key)?));
                let wrong: Vec<_> = all.iter().filter_map(|(key, _)| meant(key)).collect();
                (!wrong.is_empty()).then(|| {
                    let (key, meant) = &wrong[at.index(wrong.len())];
                    moved(key, meant)
                })
            }
            Self::OtherPrefix(at) => chosen(at).and_then(|(key, _)| {
                let other = |from: &str, to: &str| Some(format!("{to}{}", key.strip_prefix(from)?));
                let to = other(PREFIX, LEGACY_PREFIX).or_else(|| other(LEGACY_PREFIX, PREFIX))?;
                Some(moved(key, &to))
            }),
            Self::Remove(at) => {
                chosen(at).map(|(key, _)| with_annotations(service, &[(key, Value::Null)]))
            }
            Self::Set(key, value) => Some(with_annotations(service, &[(key, json!(value))])),
            Self::Rename(at, to) => chosen(at).map(|(key, _)| moved(key, to)),
            Self::Weight(weight) => Some(with_annotations(service, &[("weight", json!(weight))])),
            Self::Type(kind) => Some(edited(service, &json!({"spec": {"type": kind}}))),
            Self::Class(key, is_set) => {
                let value = if *is_set { json!("tunnel") } else { Value::Null };
                Some(with_annotations(service, &[(key, value)]))
            }
        };
        result.unwrap_or_else(|| service.clone())
    }
}

/// What the rules say of a Service beside those in its groups.
fn report(service: &Value) -> Report {
    let mut cluster = Cluster::default();
    for object in neighbours().iter().chain([service]) {
        let typed = serde_json::from_value(object.clone()).expect("a Service");
        cluster.insert(Object::Service(Box::new(typed)));
    }
    let nodes = [1, 2, 3].map(|at| serde_json::from_value(node(at)).expect("a node"));
    cluster.replace_nodes(nodes.into_iter().collect::<clbmigrate_core::backends::NodeSet>());
    let world = Snapshot { clusters: vec![cluster], ..Snapshot::default() };
    let mut report = rules::check(&Index::new(&world), None, &|object| object.name == "web");
    report.findings.retain(|finding| finding.object.name == "web");
    report
}

/// The findings with a patch.
fn offered(report: &Report) -> Vec<&Finding> {
    report.findings.iter().filter(|finding| !finding.patch.is_empty()).collect()
}

fn patched(service: &Value, patch: &[PatchOp]) -> Value {
    let mut service = service.clone();
    let patch = serde_json::to_value(patch).expect("JSON");
    let patch: json_patch::Patch = serde_json::from_value(patch).expect("a patch");
    json_patch::patch(&mut service, &patch).expect("it applies");
    service
}

/// The errors of a report, each as rule and path.
fn errors(findings: &[Finding]) -> Vec<(&str, &str)> {
    let errors = findings.iter().filter(|finding| finding.severity == Severity::Error);
    errors.map(|finding| (finding.rule, finding.path.as_str())).collect()
}

/// What an error's fix may bring to light, for it was there all along.
fn may_come_to_light(fixed: &Finding, error: &str) -> bool {
    let behind: &[&str] = match fixed.rule {
        "CLB003" => &["CLB029"],
        "CLB007" => &["CLB008"],
        "CLB014" | "CLB016" => &["CLB003", "CLB029"],
        _ => &[],
    };
    fixed.severity == Severity::Error && behind.contains(&error)
}

fn notes(service: &Value) -> &Value {
    &service["metadata"]["annotations"]
}

proptest! {
    #![proptest_config(config(250))]

    #[test]
    fn an_offered_patch_brings_no_error(start in starts()) {
        let service = start.service();
        let before = report(&service);
        let known: Vec<_> = [errors(&before.findings), errors(&before.hidden)].concat();
        for finding in offered(&before) {
            let fixed = patched(&service, &finding.patch);
            let after = report(&fixed);
            for error in errors(&after.findings) {
                prop_assert!(
                    known.contains(&error) || may_come_to_light(finding, error.0),
                    "the patch of {} brings {error:?}: {}", finding.rule, notes(&fixed)
                );
            }
        }
    }

    #[test]
    fn an_offered_patch_of_an_error_is_never_refused(start in starts()) {
        let service = start.service();
        let before = report(&service);
        for finding in offered(&before).into_iter().filter(|of| of.severity == Severity::Error) {
            let fixed = patched(&service, &finding.patch);
            let response = cluster_around(&service).update(&service, &fixed);
            prop_assert!(response.allowed(), "{}: {}", finding.rule, response.message());
        }
    }
}

/// What may be stored all the same: where the weight is lowered by the key with the new prefix, both
/// prefixes are set, and CCM reads the lower value.
const LOWERED_BY_THE_NEW_PREFIX: &str = "CLB009";

proptest! {
    #![proptest_config(config(500))]

    #[test]
    fn no_chain_of_requests_stores_what_a_direct_write_is_refused_for(
        start in starts(),
        steps in steps(),
    ) {
        let mut stored = start.service();
        if !cluster_around(&stored).create(&stored).allowed() {
            return Ok(());
        }
        for step in steps {
            let next = step.on(&stored);
            if !cluster_around(&stored).update(&stored, &next).allowed() {
                continue;
            }
            let direct = cluster_around(&next).create(&next);
            let denied = direct.audit().split(',').filter_map(|one| one.strip_suffix("=denied"));
            for rule in denied {
                prop_assert!(
                    rule == LOWERED_BY_THE_NEW_PREFIX,
                    "{step:?} stores {rule}: {} became {}", notes(&stored), notes(&next)
                );
            }
            stored = next;
        }
    }
}
