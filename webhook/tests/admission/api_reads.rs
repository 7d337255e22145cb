//! What is read from the API server, and only where a refusal hangs on it.

use serde_json::{Value, json};

use super::support::*;

fn local() -> Value {
    edited(&web(), &json!({"spec": {"externalTrafficPolicy": "Local"}}))
}

fn slice(ready: bool) -> Value {
    json!({
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "nodeName": "node-1", "conditions": {"ready": ready}}],
        "ports": [{"name": "http", "port": 8080}],
    })
}

fn lost() -> Value {
    edited(&local(), &json!({"spec": {"selector": {"app": "wbe"}}}))
}

fn cluster_with(api_reader: FakeApiReader) -> TestCluster {
    test_cluster()
        .nodes(&[node(1)])
        .with_service(&local())
        .with_workload(&deployment())
        .api_reader(api_reader)
}

#[test]
fn a_selector_that_loses_all_endpoints_is_refused_once_they_have_been_seen() {
    let api_reader = FakeApiReader { slices: Some(vec![slice(true)]), ..FakeApiReader::default() };
    let response = cluster_with(api_reader).update(&local(), &lost());
    assert_eq!(response.action_on("CLB412"), "denied", "{response:?}");
}

#[test]
fn without_the_endpoints_the_rule_is_silent() {
    let response = cluster_with(FakeApiReader::default()).update(&local(), &lost());
    assert!(response.allowed(), "{response:?}");
    assert_eq!(response.action_on("CLB412"), "", "{response:?}");
}

#[test]
fn at_weight_0_a_selector_may_change_and_nothing_is_read() {
    let idle = |service: &Value| with_annotations(service, &[("weight", json!("0"))]);
    let api_reader = FakeApiReader { slices: Some(vec![slice(true)]), ..FakeApiReader::default() };
    let response = cluster_with(api_reader).update(&idle(&local()), &idle(&lost()));
    assert_eq!(response.action_on("CLB412"), "", "{response:?}");
}

fn unfit() -> Value {
    with_containers(&deployment(), &[unprobed()])
}

#[test]
fn a_rollback_to_a_template_that_lived_before_passes() {
    let api_reader = FakeApiReader {
        past_templates: Some(vec![unfit()["spec"]["template"].clone()]),
        ..FakeApiReader::default()
    };
    let response =
        test_cluster().with_service(&web()).api_reader(api_reader).update(&deployment(), &unfit());
    assert_eq!(response.action_on("CLB301"), "warned", "{response:?}");
}

#[test]
fn a_template_that_never_lived_is_refused() {
    let api_reader = FakeApiReader {
        past_templates: Some(vec![deployment()["spec"]["template"].clone()]),
        ..FakeApiReader::default()
    };
    let response =
        test_cluster().with_service(&web()).api_reader(api_reader).update(&deployment(), &unfit());
    assert_eq!(response.action_on("CLB301"), "denied", "{response:?}");
}

#[test]
fn where_the_past_cannot_be_read_it_is_not_held_against_the_workload() {
    let response = test_cluster().with_service(&web()).update(&deployment(), &unfit());
    assert_eq!(response.action_on("CLB301"), "warned", "{response:?}");
}

#[test]
fn a_service_that_came_milliseconds_before_its_workload_is_found() {
    let api_reader = FakeApiReader { services: Some(vec![web()]), ..FakeApiReader::default() };
    let response = test_cluster().api_reader(api_reader).create(&unfit());
    assert_eq!(response.action_on("CLB301"), "denied", "{response:?}");
    assert!(test_cluster().create(&unfit()).is_silent(), "nobody selects it");
}
