//! The cloud of a double without `--endpoint`: what a Service names is there, as the Service wants it.

use std::sync::Arc;

use clbmigrate_ccm_double::outcome::Outcome;
use clbmigrate_ccm_double::service::CLB_LABEL;
use clbmigrate_ccm_double::standalone_cloud::StandaloneCloud;
use serde_json::{Value, json};

use crate::fixture::{ENI, Fixture, slice};

async fn standalone(annotations: &Value) -> (Fixture, Arc<StandaloneCloud>) {
    let mut fixture = Fixture::new(annotations).await;
    let cloud = restart(&mut fixture).await;
    (fixture, cloud)
}

/// A double that knows nothing of what was.
async fn restart(fixture: &mut Fixture) -> Arc<StandaloneCloud> {
    let cloud = Arc::new(StandaloneCloud::start().await.expect("a cloud"));
    fixture.reconciler.cloud = cloud.client("clusterid").expect("a client");
    fixture.reconciler.standalone = Some(Arc::clone(&cloud));
    cloud
}

/// The weights in a group.
fn weights(cloud: &StandaloneCloud, group: &str) -> Vec<u8> {
    let groups = cloud.state().load_balancers.into_iter().flat_map(|lb| lb.groups);
    let backends = groups.filter(|known| known.id == group).flat_map(|known| known.backends);
    backends.map(|backend| backend.weight).collect()
}

#[tokio::test]
async fn clb_and_groups_are_created_and_filled() {
    let (fixture, cloud) = standalone(&json!({
        "id": "lb-x", "vgroup-port": "rsp-x:80,rsp-y:443", "address-type": "intranet",
        "resource-group-id": "rg-x", "master-zoneid": "z",
    }))
    .await;
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    assert_eq!(weights(&cloud, "rsp-x"), [60]);
    assert_eq!(weights(&cloud, "rsp-y"), [60]);
}

#[tokio::test]
async fn groups_that_the_behaviour_does_not_list_are_not_there_and_go_when_it_changes() {
    let (fixture, _) = standalone(&json!({})).await;
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    let patch = json!({"groups": {"lb-a": ["rsp-a"]}});
    fixture.reconciler.control.patch(&patch).expect("a behaviour");
    let report = fixture.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Drained);
    assert_eq!(report.reason, "port 443: can not find vgroupId rsp-b in lb lb-a");
}

#[tokio::test]
async fn an_ipv6_clb_is_left_in_peace() {
    let (fixture, _) = standalone(&json!({"ip-version": "ipv6"})).await;
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    fixture.kubernetes().end("web");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Cleaned);
}

#[tokio::test]
async fn a_clb_that_ccm_made_is_found_again_after_a_restart_by_its_label_and_missed_without() {
    let (mut fixture, _) =
        standalone(&json!({"id": null, "vgroup-port": null, "weight": null})).await;
    fixture.round().await;
    let before = fixture.kubernetes().object("Service", "web").expect("a Service");
    restart(&mut fixture).await;
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    let after = fixture.kubernetes().object("Service", "web").expect("a Service");
    assert_eq!(after["metadata"]["labels"][CLB_LABEL], before["metadata"]["labels"][CLB_LABEL]);
    assert_eq!(after["status"], before["status"]);

    restart(&mut fixture).await;
    fixture.kubernetes().patch("Service", "web", &json!({"metadata": {"labels": null}}));
    let report = fixture.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Frozen);
    assert!(report.reason.contains("can not find loadbalancer, but it's defined in service"));
}

#[tokio::test]
async fn every_address_of_an_endpoint_has_a_network_interface() {
    let (fixture, cloud) = standalone(&json!({ENI: "eni"})).await;
    fixture.kubernetes().put(&slice(&[("10.9.9.9", "web-1", true)]));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    assert_eq!(weights(&cloud, "rsp-a"), [60]);
}
