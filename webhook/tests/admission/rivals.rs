//! Services that take one listener: every replica of the webhook names the same one, in whatever order
//! it heard of them.

use serde_json::{Value, json};

use super::support::*;

/// More than one answer looks at.
const MANY: usize = 40;

/// A Service without a mapping that takes over the listener of port 80.
fn overriding() -> Value {
    let notes = [
        ("force-override-listeners", json!("true")),
        ("vgroup-port", json!(null)),
        ("weight", json!(null)),
    ];
    with_annotations(&web(), &notes)
}

/// A Service whose own group stands behind port 80 of the same CLB.
fn rival(name: &str, protocol: &str) -> Value {
    let meta = json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}}});
    let notes = [
        ("vgroup-port", json!(format!("rsp-{name}:80"))),
        ("protocol-port", json!(format!("{protocol}:80"))),
    ];
    with_annotations(&edited(&web(), &meta), &notes)
}

fn cluster_of<'s>(services: impl Iterator<Item = &'s Value>) -> TestCluster {
    services.fold(test_cluster(), TestCluster::with_service)
}

#[test]
fn a_rival_is_found_among_many_that_have_another_protocol() {
    let mut services: Vec<Value> =
        (0..MANY).map(|n| rival(&format!("a-udp-{n:02}"), "udp")).collect();
    services.push(rival("z-tcp", "tcp"));
    for cluster in [cluster_of(services.iter()), cluster_of(services.iter().rev())] {
        let response = cluster.create(&overriding());
        assert_eq!(response.action_on("CLB010"), "denied", "{response:?}");
        assert!(response.message().contains("shop/z-tcp"), "{response:?}");
    }
}

#[test]
fn of_many_rivals_the_first_by_name_is_named() {
    let services: Vec<Value> = (0..MANY).map(|n| rival(&format!("tcp-{n:02}"), "tcp")).collect();
    for cluster in [cluster_of(services.iter()), cluster_of(services.iter().rev())] {
        let response = cluster.create(&overriding());
        assert_eq!(response.action_on("CLB010"), "denied", "{response:?}");
        assert!(response.message().contains("shop/tcp-00"), "{response:?}");
    }
}

#[test]
fn many_services_of_another_protocol_are_no_rivals() {
    let services: Vec<Value> = (0..MANY).map(|n| rival(&format!("udp-{n:02}"), "udp")).collect();
    let response = cluster_of(services.iter()).create(&overriding());
    assert_eq!(response.action_on("CLB010"), "", "{response:?}");
}
