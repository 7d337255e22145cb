//! Services as a later Kubernetes may write them: whatever cannot be read, the rest is judged.

use proptest::prelude::*;
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn bad() -> Value {
    with_annotations(&web(), &[("weight", json!("101"))])
}

/// The object with another value at a JSON Pointer.
fn with(object: &Value, pointer: &str, value: Value) -> Value {
    let mut object = object.clone();
    let (around, key) = pointer.rsplit_once('/').expect("a pointer");
    let place = object.pointer_mut(around).expect("a place");
    match place {
        Value::Array(list) => list[key.parse::<usize>().expect("an index")] = value,
        place => place[key] = value,
    }
    object
}

#[rstest]
#[case::a_new_policy("/spec/externalTrafficPolicy", json!("Elsewhere"))]
#[case::a_policy_of_parts("/spec/externalTrafficPolicy", json!({"mode": "Local"}))]
#[case::a_target_port_by_kind("/spec/ports/0/targetPort", json!({"name": "http"}))]
#[case::a_target_port_out_of_range("/spec/ports/0/targetPort", json!(70_000))]
#[case::no_protocol("/spec/ports/0/protocol", json!(null))]
#[case::a_protocol_of_parts("/spec/ports/0/protocol", json!(["TCP", "UDP"]))]
#[case::a_node_port_as_text("/spec/ports/0/nodePort", json!("auto"))]
#[case::a_port_as_text("/spec/ports/0/port", json!("80"))]
#[case::a_range_for_a_port("/spec/ports/0", json!({"from": 80, "to": 90}))]
#[case::ports_by_name("/spec/ports", json!({"http": 80}))]
#[case::a_selector_of_expressions("/spec/selector", json!(["app=web"]))]
#[case::a_class_of_parts("/spec/loadBalancerClass", json!({"name": "x"}))]
#[case::a_headless_flag("/spec/clusterIP", json!(false))]
#[case::source_ranges_of_parts("/spec/loadBalancerSourceRanges", json!([{"cidr": "10.0.0.0/8"}]))]
#[case::node_ports_by_word("/spec/allocateLoadBalancerNodePorts", json!("Auto"))]
#[case::a_type_of_parts("/spec/type", json!({"name": "LoadBalancer"}))]
#[case::a_spec_in_order("/spec", json!(["LoadBalancer"]))]
#[case::an_address_of_parts("/status", json!({"loadBalancer": {"ingress": [{"ip": [203, 0, 113, 10]}]}}))]
#[case::labels_in_order("/metadata/labels", json!(["a=b"]))]
#[case::a_uid_of_parts("/metadata/uid", json!({"high": 1, "low": 2}))]
fn what_cannot_be_read_excuses_nothing_and_brings_no_refusal(
    #[case] pointer: &str,
    #[case] value: Value,
) {
    let response = test_cluster().create(&with(&bad(), pointer, value.clone()));
    assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
    assert!(response.message().starts_with("Service shop/web: CLB001"), "{response:?}");

    let odd = with(&web(), pointer, value);
    let response = test_cluster().create(&odd);
    assert!(response.allowed(), "what is right stays allowed: {response:?}");
    let response = test_cluster().with_service(&web()).update(&web(), &odd);
    assert!(response.allowed(), "what is right may become that: {response:?}");
    let response =
        test_cluster().update(&odd, &with_annotations(&odd, &[("weight", json!("101"))]));
    assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
}

#[test]
fn a_neighbour_that_cannot_be_read_in_full_is_a_neighbour() {
    let at_443 = json!({"spec": {"ports": [{"name": "https", "port": 443, "targetPort": 8443}]}});
    let other = edited(&neighbour(&[("vgroup-port", json!("rsp-bp1example:443"))]), &at_443);
    let odd = with(&other, "/spec/externalTrafficPolicy", json!("Elsewhere"));
    let response = test_cluster().with_service(&odd).create(&web());
    assert_eq!(response.action_on("CLB102"), "denied", "{response:?}");
}

/// Any JSON, not too large.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é修]{0,12}".prop_map(Value::from),
        prop::sample::select(vec!["Local", "Cluster", "TCP", "None", "", "80"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-zA-Z]{0,8}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Where the value stands: a field of `spec`, or of a port in it. Not the fields that tell whether CCM
/// takes the Service at all.
fn pointers() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "/spec/clusterIP",
        "/spec/allocateLoadBalancerNodePorts",
        "/spec/loadBalancerSourceRanges",
        "/spec/selector",
        "/spec/ports",
        "/spec/ports/0",
        "/spec/ports/0/name",
        "/spec/ports/0/protocol",
        "/spec/ports/0/port",
        "/spec/ports/0/targetPort",
        "/spec/ports/0/nodePort",
        "/spec/externalTrafficPolicy",
        "/spec/annotations",
        "/spec/aFieldOfLater",
        "/status",
        "/metadata/labels",
        "/metadata/ownerReferences",
        "/metadata/finalizers",
        "/metadata/managedFields",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn a_weight_of_101_is_refused_whatever_stands_beside_it(
        places in prop::collection::vec((pointers(), any_json()), 1..4),
    ) {
        let place = |object: &Value| {
            places.iter().fold(object.clone(), |object, (pointer, value)| {
                let around = pointer.rsplit_once('/').map_or("", |(around, _)| around);
                let is_place = object.pointer(around).is_some_and(|place| match place {
                    Value::Object(_) => true,
                    Value::Array(list) => !list.is_empty() && pointer.ends_with("/0"),
                    _ => false,
                });
                if is_place { with(&object, pointer, value.clone()) } else { object }
            })
        };
        let (good, bad) = (place(&web()), place(&bad()));
        let response = test_cluster().create(&bad);
        prop_assert_eq!(response.action_on("CLB001"), "denied", "{:?}\n{:#}", response, bad);
        let response = test_cluster().with_service(&good).update(&good, &bad);
        prop_assert_eq!(response.action_on("CLB001"), "denied", "{:?}\n{:#}", response, bad);
        let _ = test_cluster().with_service(&good).delete(&good);
    }

    #[test]
    fn what_tells_whether_ccm_takes_a_service_is_read_or_counts_as_if_it_did(
        pointer in prop::sample::select(vec!["/spec/type", "/spec/loadBalancerClass"]),
        value in any_json().prop_filter("a word or nothing is an answer", |value| {
            !value.is_string() && !value.is_null()
        }),
    ) {
        let response = test_cluster().create(&with(&bad(), pointer, value));
        prop_assert_eq!(response.action_on("CLB001"), "denied", "{:?}", response);
    }
}
