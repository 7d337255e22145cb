//! Without a cloud: what a Service names is there, as it wants it.

use std::sync::Arc;

use clbmigrate_ccm_double::cloud::Clb;
use clbmigrate_ccm_double::outcome::Outcome;
use clbmigrate_ccm_double::service::CLB_LABEL;
use clbmigrate_ccm_double::standalone::Standalone;
use serde_json::{Value, json};

use crate::site::Site;

fn alone(annotations: &Value) -> (Site, Arc<Standalone>) {
    let mut site = Site::new(annotations);
    let standalone = restart(&mut site);
    (site, standalone)
}

/// A double that knows nothing of what was.
fn restart(site: &mut Site) -> Arc<Standalone> {
    let standalone = Arc::new(Standalone::default());
    site.rounds.cloud = Clb::new(standalone.cloud(), "vpc-test");
    site.rounds.standalone = Some(Arc::clone(&standalone));
    standalone
}

#[tokio::test]
async fn clb_and_groups_are_made_up_and_filled() {
    let (site, standalone) = alone(&json!({
        "id": "lb-x", "vgroup-port": "rsp-x:80,rsp-y:443", "address-type": "intranet",
        "resource-group-id": "rg-x", "master-zoneid": "z",
    }));
    assert_eq!(site.round().await.0.report.outcome, Outcome::Applied);
    let weights: Vec<_> =
        standalone.cloud().backends("rsp-x").iter().map(|backend| backend.weight).collect();
    assert_eq!(weights, [60]);
}

#[tokio::test]
async fn groups_that_the_behaviour_does_not_list_are_not_there_and_go_when_it_changes() {
    let (site, _) = alone(&json!({}));
    assert_eq!(site.round().await.0.report.outcome, Outcome::Applied);
    let patch = json!({"groups": {"lb-a": ["rsp-a"]}});
    site.rounds.control.patch(&patch).expect("a behaviour");
    let report = site.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Drained);
    assert_eq!(report.reason, "port 443: can not find vgroupId rsp-b in lb lb-a");
}

#[tokio::test]
async fn an_ipv6_clb_is_left_in_peace() {
    let (site, _) = alone(&json!({"ip-version": "ipv6"}));
    assert_eq!(site.round().await.0.report.outcome, Outcome::Applied);
    site.store().end("web");
    assert_eq!(site.round().await.0.report.outcome, Outcome::Cleaned);
}

#[tokio::test]
async fn a_clb_that_ccm_made_is_found_again_after_a_restart_by_its_label_and_missed_without() {
    let (mut site, _) = alone(&json!({"id": null, "vgroup-port": null, "weight": null}));
    site.round().await;
    let before = site.store().object("Service", "web").expect("a Service");
    restart(&mut site);
    site.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(site.round().await.0.report.outcome, Outcome::Applied);
    let after = site.store().object("Service", "web").expect("a Service");
    assert_eq!(after["metadata"]["labels"][CLB_LABEL], before["metadata"]["labels"][CLB_LABEL]);
    assert_eq!(after["status"], before["status"]);

    restart(&mut site);
    site.store().patch("Service", "web", &json!({"metadata": {"labels": null}}));
    let report = site.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Frozen);
    assert!(report.reason.contains("can not find loadbalancer, but it's defined in service"));
}
