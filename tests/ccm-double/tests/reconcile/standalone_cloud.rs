//! Without a cloud: what a Service names is there, as it wants it.

use std::sync::Arc;

use clbmigrate_ccm_double::cloud_client::CloudClient;
use clbmigrate_ccm_double::outcome::Outcome;
use clbmigrate_ccm_double::service::CLB_LABEL;
use clbmigrate_ccm_double::standalone::Standalone;
use serde_json::{Value, json};

use crate::fixture::Fixture;

fn alone(annotations: &Value) -> (Fixture, Arc<Standalone>) {
    let mut fixture = Fixture::new(annotations);
    let standalone = restart(&mut fixture);
    (fixture, standalone)
}

/// A double that knows nothing of what was.
fn restart(fixture: &mut Fixture) -> Arc<Standalone> {
    let standalone = Arc::new(Standalone::default());
    fixture.reconciler.cloud = CloudClient::new(standalone.cloud(), "vpc-test");
    fixture.reconciler.standalone = Some(Arc::clone(&standalone));
    standalone
}

#[tokio::test]
async fn clb_and_groups_are_made_up_and_filled() {
    let (fixture, standalone) = alone(&json!({
        "id": "lb-x", "vgroup-port": "rsp-x:80,rsp-y:443", "address-type": "intranet",
        "resource-group-id": "rg-x", "master-zoneid": "z",
    }));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    let weights: Vec<_> =
        standalone.cloud().backends("rsp-x").iter().map(|backend| backend.weight).collect();
    assert_eq!(weights, [60]);
}

#[tokio::test]
async fn groups_that_the_behaviour_does_not_list_are_not_there_and_go_when_it_changes() {
    let (fixture, _) = alone(&json!({}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    let patch = json!({"groups": {"lb-a": ["rsp-a"]}});
    fixture.reconciler.control.patch(&patch).expect("a behaviour");
    let report = fixture.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Drained);
    assert_eq!(report.reason, "port 443: can not find vgroupId rsp-b in lb lb-a");
}

#[tokio::test]
async fn an_ipv6_clb_is_left_in_peace() {
    let (fixture, _) = alone(&json!({"ip-version": "ipv6"}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    fixture.kubernetes().end("web");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Cleaned);
}

#[tokio::test]
async fn a_clb_that_ccm_made_is_found_again_after_a_restart_by_its_label_and_missed_without() {
    let (mut fixture, _) = alone(&json!({"id": null, "vgroup-port": null, "weight": null}));
    fixture.round().await;
    let before = fixture.kubernetes().object("Service", "web").expect("a Service");
    restart(&mut fixture);
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    let after = fixture.kubernetes().object("Service", "web").expect("a Service");
    assert_eq!(after["metadata"]["labels"][CLB_LABEL], before["metadata"]["labels"][CLB_LABEL]);
    assert_eq!(after["status"], before["status"]);

    restart(&mut fixture);
    fixture.kubernetes().patch("Service", "web", &json!({"metadata": {"labels": null}}));
    let report = fixture.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Frozen);
    assert!(report.reason.contains("can not find loadbalancer, but it's defined in service"));
}
