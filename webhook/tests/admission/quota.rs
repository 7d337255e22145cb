//! More backends than a CLB takes: told where a change may add some, and not at each edit of a weight.

use serde_json::json;

use super::support::*;

/// A cluster with so many nodes.
fn with_nodes(count: usize) -> TestCluster {
    test_cluster().nodes(&(1..=count).map(node).collect::<Vec<_>>())
}

fn on_nodes(weight: &str) -> serde_json::Value {
    with_annotations(&web(), &[("weight", json!(weight)), (BACKEND_TYPE, json!("ecs"))])
}

#[test]
fn a_service_that_is_made_is_warned_of() {
    assert_eq!(with_nodes(201).create(&on_nodes("100")).action_on("CLB417"), "warned");
    assert_ne!(with_nodes(200).create(&on_nodes("100")).action_on("CLB417"), "warned");
}

#[test]
fn a_change_of_its_backends_is_warned_of_and_an_edit_of_its_weight_is_not() {
    let (before, other_weight) = (on_nodes("100"), on_nodes("90"));
    let other_port = edited(
        &before,
        &json!({"spec": {"ports": [
            {"name": "http", "port": 80, "targetPort": 8081, "nodePort": 30080}
        ]}}),
    );
    let cluster = with_nodes(201);
    assert_eq!(cluster.update(&before, &other_port).action_on("CLB417"), "warned");
    assert_ne!(cluster.update(&before, &other_weight).action_on("CLB417"), "warned");
}
