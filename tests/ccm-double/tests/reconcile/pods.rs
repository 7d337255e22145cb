//! Pods: readiness gates, and network interfaces that are not there.

use std::time::Duration;

use clbmigrate_ccm_double::outcome::Outcome;
use serde_json::{Value, json};

use crate::fixture::{ENI, Fixture, slice};

const GATE: &str = "service.readiness.alibabacloud.com/web";

fn pod(name: &str, gate: &str, are_ready: bool) -> Value {
    let status = if are_ready { "True" } else { "False" };
    json!({
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [], "readinessGates": [{"conditionType": gate}]},
        "status": {"conditions": [{"type": "ContainersReady", "status": status}]},
    })
}

fn told(fixture: &Fixture, pod: &str) -> Value {
    let pod = fixture.kubernetes().object("Pod", pod).expect("a Pod");
    let conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let gate = conditions.into_iter().find(|one| one["type"] == GATE);
    gate.map(|gate| json!([gate["status"], gate["reason"]])).unwrap_or_default()
}

async fn fixture() -> Fixture {
    Fixture::new(&json!({ENI: "eni", "vgroup-port": "rsp-a:80,rsp-a:443"})).await
}

#[tokio::test]
async fn a_gated_pod_is_served_when_its_containers_are_ready_and_awaited_before() {
    let fixture = fixture().await;
    fixture.kubernetes().put(&slice(&[("10.0.0.1", "web-1", true), ("10.0.0.2", "web-2", false)]));
    fixture.kubernetes().put(&pod("web-2", GATE, false));
    let (ended, _) = fixture.round().await;
    assert_eq!(ended.requeue_after, Some(Duration::from_secs(10)));
    assert_eq!(told(&fixture, "web-2"), Value::Null);
    fixture.kubernetes().put(&pod("web-2", GATE, true));
    let (ended, _) = fixture.round().await;
    assert_eq!(ended.requeue_after, None);
    assert_eq!(told(&fixture, "web-2"), json!(["True", "ServerRegistered"]));
    assert_eq!(fixture.cloud.backends("rsp-a").len(), 2);
}

#[tokio::test]
async fn a_pod_that_is_not_there_yet_is_awaited_and_one_with_another_gate_is_not() {
    let fixture = fixture().await;
    fixture.kubernetes().put(&slice(&[("10.0.0.1", "web-1", false)]));
    assert_eq!(fixture.round().await.0.requeue_after, Some(Duration::from_secs(10)));
    fixture.kubernetes().put(&pod("web-1", "service.readiness.alibabacloud.com/other", true));
    let (ended, _) = fixture.round().await;
    assert_eq!((ended.requeue_after, ended.report.outcome), (None, Outcome::Applied));
    assert!(fixture.cloud.backends("rsp-a").is_empty());
}

#[tokio::test]
async fn behind_nodes_gated_pods_are_told_too() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.kubernetes().put(&slice(&[("10.0.0.1", "web-1", false)]));
    fixture.kubernetes().put(&pod("web-1", GATE, true));
    fixture.round().await;
    assert_eq!(told(&fixture, "web-1"), json!(["True", "ServerRegistered"]));
}

#[tokio::test]
async fn with_an_unknown_interface_others_are_added_and_nothing_else_is_touched() {
    let fixture = fixture().await;
    fixture.kubernetes().put(&slice(&[("10.0.0.1", "web-1", true)]));
    fixture.round().await;
    fixture.kubernetes().put(&slice(&[("10.0.0.2", "web-2", true), ("10.0.0.9", "web-9", true)]));
    fixture.kubernetes().put(&pod("web-9", GATE, true));
    let (ended, _) = fixture.round().await;
    assert_eq!(ended.report.outcome, Outcome::Frozen);
    assert_eq!(ended.report.reason, "has invalid backend in vservergroups");
    assert_eq!(told(&fixture, "web-9"), json!(["False", "ServerInvalidServer"]));
    let there: Vec<_> = fixture
        .cloud
        .backends("rsp-a")
        .into_iter()
        .map(|backend| (backend.server_ip, backend.weight))
        .collect();
    assert_eq!(there, [("10.0.0.1".to_owned(), 60), ("10.0.0.2".to_owned(), 30)]);
}

#[tokio::test]
async fn an_address_outside_the_network_is_left_out_for_good() {
    let fixture = fixture().await;
    fixture
        .kubernetes()
        .put(&slice(&[("10.0.0.1", "web-1", true), ("192.168.0.9", "web-9", true)]));
    let (ended, _) = fixture.round().await;
    assert_eq!(ended.report.outcome, Outcome::Applied);
    let events = fixture.kubernetes().take_events();
    let said = "Normal SkipSyncBackends Not sync pods [192.168.0.9] whose ip is not in vpc cidrs";
    assert!(events.iter().any(|event| event == said), "{events:?}");
    assert_eq!(fixture.cloud.backends("rsp-a").len(), 1);
}
