//! What holds for every Service, good or bad.

use std::sync::Arc;

use clbmigrate_webhook::Webhook;
use proptest::{prelude::*, sample::select};
use serde_json::{Value, json};

use super::support::*;

pub const WEIGHTS: &[&str] =
    &["0", "1", "20", "60", "100", "101", "-1", "+5", "007", " 20", "20%", "", "abc"];
pub const MAPPINGS: &[&str] = &[
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

/// Other Services in the groups of [`MAPPINGS`].
pub fn neighbours() -> [Value; 2] {
    let neighbour = |name: &str, notes: &[(&str, Value)]| {
        edited(&neighbour(notes), &json!({"metadata": {"name": name}}))
    };
    [
        neighbour("n1", &[("vgroup-port", json!("rsp-b:80"))]),
        neighbour("n2", &[("vgroup-port", json!("rsp-a:80")), ("id", json!("lb-other"))]),
    ]
}

/// A cluster with the Service, and others in its groups.
pub fn cluster_around(service: &Value) -> TestCluster {
    let cluster = test_cluster().nodes(&[node(1), node(2), node(3)]).with_service(service);
    neighbours().iter().fold(cluster, TestCluster::with_service)
}

fn assert_allowed(old: &Value, new: &Value) -> Result<(), TestCaseError> {
    let response = cluster_around(old).update(old, new);
    prop_assert!(response.allowed(), "{}\n{old:#}\n{new:#}", response.message());
    Ok(())
}

/// So many cases, and more where `PROPTEST_CASES` asks for more than is usual. A failure is written
/// down as a test with a name, not as a seed in a file.
pub fn config(cases: u32) -> ProptestConfig {
    const USUAL: u32 = 256;
    let asked = ProptestConfig::default();
    let cases = (cases * asked.cases / USUAL).max(1);
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 2000, ..asked }
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
