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

fn scene_of(told: Told) -> Scene {
    scene().nodes(&[node(1)]).with(&local()).with_workload(&deployment()).told(told)
}

#[test]
fn a_selector_that_loses_all_endpoints_is_refused_once_they_have_been_seen() {
    let told = Told { slices: Some(vec![slice(true)]), ..Told::default() };
    let reply = scene_of(told).update(&local(), &lost());
    assert_eq!(reply.of("CLB412"), "denied", "{reply:?}");
}

#[test]
fn without_the_endpoints_the_rule_is_silent() {
    let reply = scene_of(Told::default()).update(&local(), &lost());
    assert!(reply.allowed(), "{reply:?}");
    assert_eq!(reply.of("CLB412"), "", "{reply:?}");
}

#[test]
fn at_weight_0_a_selector_may_change_and_nothing_is_read() {
    let idle = |service: &Value| noted(service, &[("weight", json!("0"))]);
    let told = Told { slices: Some(vec![slice(true)]), ..Told::default() };
    let reply = scene_of(told).update(&idle(&local()), &idle(&lost()));
    assert_eq!(reply.of("CLB412"), "", "{reply:?}");
}

fn unfit() -> Value {
    with_containers(&deployment(), &[unprobed()])
}

#[test]
fn a_rollback_to_a_template_that_lived_before_passes() {
    let told = Told { past: Some(vec![unfit()["spec"]["template"].clone()]), ..Told::default() };
    let reply = scene().with(&web()).told(told).update(&deployment(), &unfit());
    assert_eq!(reply.of("CLB301"), "warned", "{reply:?}");
}

#[test]
fn a_template_that_never_lived_is_refused() {
    let told =
        Told { past: Some(vec![deployment()["spec"]["template"].clone()]), ..Told::default() };
    let reply = scene().with(&web()).told(told).update(&deployment(), &unfit());
    assert_eq!(reply.of("CLB301"), "denied", "{reply:?}");
}

#[test]
fn where_the_past_cannot_be_read_it_is_not_held_against_the_workload() {
    let reply = scene().with(&web()).update(&deployment(), &unfit());
    assert_eq!(reply.of("CLB301"), "warned", "{reply:?}");
}

#[test]
fn a_service_that_came_milliseconds_before_its_workload_is_found() {
    let told = Told { services: Some(vec![web()]), ..Told::default() };
    let reply = scene().told(told).create(&unfit());
    assert_eq!(reply.of("CLB301"), "denied", "{reply:?}");
    assert!(scene().create(&unfit()).is_silent(), "nobody selects it");
}
