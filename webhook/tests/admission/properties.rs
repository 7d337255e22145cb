//! What holds for every Service, good or bad.

use std::sync::Arc;

use clbmigrate_core::{
    index::Index,
    object::Service,
    patch::PatchOp,
    rules,
    snapshot::{Cluster, Object, Snapshot},
};
use clbmigrate_webhook::Webhook;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::support::*;

const WEIGHTS: &[&str] =
    &["0", "1", "20", "60", "100", "101", "-1", "+5", "007", " 20", "20%", "", "abc"];
const MAPPINGS: &[&str] = &[
    "rsp-a:80",
    "rsp-a:80,rsp-b:443",
    " rsp-a:80, rsp-b:443",
    "rsp-a:81",
    "rsp-a",
    "80:rsp-a",
    "rsp-a:80,",
    "rsp-a:80,rsp-b:80",
    "rsp-a:80:tcp",
    "rsp-a:0",
    "rsp-a:80,rsp-a:443",
    "\"rsp-a:80\"",
    "",
    "rsp-a:http",
];
const OTHERS: &[(&str, &str)] = &[
    ("default-weight", "101"),
    ("healthy-threshold", "3s"),
    ("protocol-port", "'https:80'"),
    ("backend-label", "pool=web, zone=a"),
    ("backend-label", "pool"),
    ("ignore-weight-update", "on"),
    ("force-override-listeners", "true"),
    ("spec", "slb.s1.small"),
    ("wieght", "5"),
    ("vgroup-ids", "80:rsp-a"),
    ("service.beta.kubernetes.io/backend-type", "ENI"),
    ("service.beta.kubernetes.io/backend-type", "eni"),
    ("service.beta.kubernetes.io/alicloud-loadbalancer-weight", "50"),
    ("service.beta.kubernetes.io/alicloud-loadbalancer-id", "lb-other"),
    ("clbmigrate.io/allow", "CLB001,CLB404"),
];

/// Services with any number of mistakes.
fn services() -> impl Strategy<Value = Value> {
    let shape = (any::<bool>(), any::<bool>(), prop::option::weighted(0.9, Just("lb-bp1example")));
    let mapping = prop::option::weighted(0.9, select(MAPPINGS));
    let weight = prop::option::weighted(0.9, select(WEIGHTS));
    let others = prop::collection::vec(select(OTHERS), 0..4);
    (shape, mapping, weight, others).prop_map(|((two, local, clb), mapping, weight, others)| {
        let mut service = if two { two_ports() } else { web() };
        if local {
            service["spec"]["externalTrafficPolicy"] = json!("Local");
        }
        let mut notes: Vec<(&str, Value)> = vec![
            ("id", clb.map_or(Value::Null, Value::from)),
            ("vgroup-port", mapping.map_or(Value::Null, Value::from)),
            ("weight", weight.map_or(Value::Null, Value::from)),
        ];
        notes.extend(others.into_iter().map(|(key, value)| (key, value.into())));
        with_annotations(&service, &notes)
    })
}

/// A cluster with the Service, and others in its groups.
fn cluster_around(service: &Value) -> TestCluster {
    let neighbour = |name: &str, notes: &[(&str, Value)]| {
        edited(&neighbour(notes), &json!({"metadata": {"name": name}}))
    };
    test_cluster()
        .nodes(&[node(1), node(2), node(3)])
        .with_service(service)
        .with_service(&neighbour("n1", &[("vgroup-port", json!("rsp-b:80"))]))
        .with_service(&neighbour(
            "n2",
            &[("vgroup-port", json!("rsp-a:80")), ("id", json!("lb-other"))],
        ))
}

fn assert_allowed(old: &Value, new: &Value) -> Result<(), TestCaseError> {
    let response = cluster_around(old).update(old, new);
    prop_assert!(response.allowed(), "{}\n{old:#}\n{new:#}", response.message());
    Ok(())
}

/// The fixes that rules propose, each as the object that results.
fn fixes(service: &Value) -> Vec<Value> {
    let mut cluster = Cluster::default();
    let typed: Service = serde_json::from_value(service.clone()).expect("a Service");
    cluster.insert(Object::Service(Box::new(typed)));
    let world = Snapshot { clusters: vec![cluster], ..Snapshot::default() };
    let report = rules::check(&Index::new(&world), None, &|_| true);
    let patches = report.findings.into_iter().map(|finding| finding.patch);
    patches.filter(|patch| !patch.is_empty()).map(|patch| patched(service, &patch)).collect()
}

fn patched(service: &Value, patch: &[PatchOp]) -> Value {
    let mut service = service.clone();
    let patch = serde_json::to_value(patch).expect("JSON");
    let patch: json_patch::Patch = serde_json::from_value(patch).expect("a patch");
    json_patch::patch(&mut service, &patch).expect("it applies");
    service
}

/// A failure is written down as a test with a name, not as a seed in a file.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(cases) }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn a_change_of_what_no_rule_reads_is_never_refused(service in services(), label in "[a-z]{1,8}") {
        assert_allowed(&service, &edited(&service, &json!({"metadata": {"labels": {"x": label}}})))?;
        let note = json!({"metadata": {"annotations": {"example.com/note": label}}});
        assert_allowed(&service, &edited(&service, &note))?;
        assert_allowed(&service, &edited(&service, &json!({"spec": {"sessionAffinity": "ClientIP"}})))?;
    }

    #[test]
    fn weight_0_is_never_refused(service in services()) {
        assert_allowed(&service, &with_annotations(&service, &[("weight", json!("0"))]))?;
    }

    #[test]
    fn a_lower_weight_is_never_refused(service in services(), from in 1_u32..=100, by in 1_u32..=100) {
        let old = with_annotations(&service, &[("weight", from.to_string().into())]);
        let new = with_annotations(&old, &[("weight", from.saturating_sub(by).to_string().into())]);
        assert_allowed(&old, &new)?;
    }

    #[test]
    fn the_fix_of_one_finding_is_never_refused(service in services()) {
        for fixed in fixes(&service) {
            let response = test_cluster().with_service(&service).update(&service, &fixed);
            prop_assert!(response.allowed(), "{}\n{service:#}\n{fixed:#}", response.message());
        }
    }

    #[test]
    fn a_bad_service_is_judged_without_panic(old in services(), new in services()) {
        let cluster = cluster_around(&old);
        let _ = (cluster.create(&new), cluster.update(&old, &new), cluster.delete(&old));
    }
}

/// Changes a byte here and there.
fn garbled(text: String, edits: Vec<(prop::sample::Index, u8)>) -> Vec<u8> {
    let mut bytes = text.into_bytes();
    for (at, byte) in edits {
        let at = at.index(bytes.len());
        bytes[at] = byte;
    }
    bytes
}

proptest! {
    #![proptest_config(config(2000))]

    #[test]
    fn whatever_is_posted_is_answered_or_refused(
        body in any::<Vec<u8>>(),
        service in services(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        webhook in select(Webhook::ALL.to_vec()),
    ) {
        use clbmigrate_webhook::serve::ReviewHandler;

        let admission = Arc::new(cluster_around(&service).admission());
        let review = review(USER, "UPDATE", Some(&web()), Some(&service)).to_string();
        for body in [body, garbled(review, edits)] {
            let response = block_on(admission.handle(webhook, body.into()));
            prop_assert!([200, 400].contains(&response.status.as_u16()));
            if response.status == 200 {
                let answer: Value = serde_json::from_slice(&response.body).expect("JSON");
                prop_assert!(answer["response"]["uid"].is_string());
                prop_assert!(answer["response"]["allowed"].is_boolean());
            }
        }
    }
}
