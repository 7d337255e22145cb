//! What a round says about itself: applied, drained, misrouted or frozen, and why.

use clbmigrate_ccm_double::outcome::Outcome;
use rstest::rstest;
use serde_json::{Value, json};

use crate::fixture::{ENI, Fixture, node};

async fn outcome(annotations: &Value) -> (Outcome, String) {
    let report = Fixture::new(annotations).await.round().await.0.report;
    (report.outcome, report.reason)
}

#[rstest]
#[case::as_it_is(json!({}))]
#[case::drained_on_purpose(json!({"weight": "0"}))]
#[case::empty_weight(json!({"weight": ""}))]
#[case::no_weight(json!({"weight": null}))]
#[case::third_part(json!({"vgroup-port": "rsp-a:80:tcp,rsp-b:443"}))]
#[case::release_entry(json!({"vgroup-port": "rsp-a:80,rsp-b:443,rsp-old:0"}))]
#[case::ccm_makes_the_clb(json!({"id": null, "vgroup-port": null, "weight": null}))]
#[case::weight_without_a_clb_is_not_read(json!({"id": null, "weight": "abc"}))]
#[case::listeners_of_its_own(json!({"vgroup-port": "", "force-override-listeners": "true"}))]
#[case::unknown_scheduler(json!({"scheduler": "bogus"}))]
#[case::forwarding_is_read_for_http_only(json!({"forward-port": "80"}))]
#[case::a_label_that_a_node_has(json!({"backend-label": "zone=a"}))]
#[tokio::test]
async fn applied(#[case] annotations: Value) {
    assert_eq!(outcome(&annotations).await, (Outcome::Applied, String::new()));
}

#[rstest]
#[case::weight_above(json!({"weight": "101"}), "weight must be integer in range [0,100] , got [101]")]
#[case::weight_with_blank(json!({"weight": " 50"}), "weight must be integer in range [0,100] , got [ 50]")]
#[case::default_weight(json!({"default-weight": "101"}), "default-weight must be integer in range [0,100] , got [101]")]
#[case::label_of_nobody(json!({"backend-label": "zone=a, rack=1"}), "no node carries zone=a, rack=1")]
#[tokio::test]
async fn drained_on_every_port(#[case] annotations: Value, #[case] why: &str) {
    let reason = format!("port 80: {why}; port 443: {why}");
    assert_eq!(outcome(&annotations).await, (Outcome::Drained, reason));
}

#[tokio::test]
async fn on_a_clb_of_ccms_own_a_port_that_is_left_out_ends_the_round() {
    let nothing = json!({"id": null, "vgroup-port": null, "weight": null, "default-weight": "-1"});
    let (outcome, reason) = outcome(&nothing).await;
    assert_eq!(outcome, Outcome::Frozen);
    let why = "merge listener: find vservergroup error: can not find vgroup by name \
               k8s/30080/web/default/clusterid";
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test]
async fn an_unknown_group_drains_its_port_alone() {
    let reason = "port 443: can not find vgroupId  rsp-b in lb lb-a".to_owned();
    let annotations = json!({"vgroup-port": "rsp-a:80, rsp-b:443"});
    assert_eq!(outcome(&annotations).await, (Outcome::Drained, reason));
}

#[rstest]
#[case::no_mapping(json!({"vgroup-port": null}), "port 80: goes to CCM's own group k8s/30080/web/default/clusterid; port 443: goes to CCM's own group k8s/30443/web/default/clusterid")]
#[case::pods(json!({"vgroup-port": "rsp-a:80", ENI: "eni"}), "port 443: goes to CCM's own group k8s/8443/web/default/clusterid")]
#[case::port_with_blank(json!({"vgroup-port": "rsp-a:80 ,rsp-b:443"}), "port 80: goes to CCM's own group k8s/30080/web/default/clusterid")]
#[case::override_in_capitals(json!({"vgroup-port": "rsp-a:80", "force-override-listeners": "True"}), "port 443: goes to CCM's own group k8s/30443/web/default/clusterid")]
#[tokio::test]
async fn misrouted(#[case] annotations: Value, #[case] reason: &str) {
    assert_eq!(outcome(&annotations).await, (Outcome::Misrouted, reason.to_owned()));
}

#[tokio::test]
async fn drained_is_worse_than_misrouted() {
    let (outcome, reason) = outcome(&json!({"vgroup-port": "rsp-nowhere:443"})).await;
    assert_eq!((outcome, reason.split("; ").count()), (Outcome::Drained, 2));
}

#[rstest]
#[case::weight_too(json!({"weight": "101", "vgroup-port": "rsp-a:80,"}), "vgroupid and protocol format")]
#[case::no_integer(json!({"healthy-threshold": "3.5"}), "HealthyThreshold must be integer, but got [3.5]")]
#[case::health_port(json!({"health-check-connect-port": "http"}), "HealthCheckConnectPort must be integer")]
#[case::idle_timeout(json!({"idle-timeout": " 5"}), "IdleTimeout must be integer")]
#[case::protocol_without_port(json!({"protocol-port": "https"}), "got=[[https]]")]
#[case::forwarding(json!({"protocol-port": "http:80", "forward-port": "80"}), "forward port format error")]
#[case::forwarding_in_words(json!({"protocol-port": "http:80", "forward-port": "80:tls"}), "forward port is not an integer, tls")]
#[case::domains(json!({"domain-extensions": "example.com"}), "invalid domain extension example.com")]
#[tokio::test]
async fn frozen_before_anything_is_written(#[case] annotations: Value, #[case] why: &str) {
    let fixture = Fixture::new(&annotations).await;
    let (ended, calls) = fixture.round().await;
    assert_eq!(ended.report.outcome, Outcome::Frozen);
    assert!(ended.report.reason.contains(why), "{:?}", ended.report);
    assert!(calls.iter().all(|logged| logged.action.starts_with("Describe")), "{calls:?}");
}

#[tokio::test]
async fn a_node_without_provider_id_drains_where_all_nodes_are_backends_only() {
    for (annotations, policy, expected) in [
        (json!({}), "Cluster", Outcome::Drained),
        (json!({}), "Local", Outcome::Applied),
        (json!({ENI: "eni"}), "Cluster", Outcome::Applied),
    ] {
        let fixture = Fixture::new(&annotations).await;
        let mut new = node("new");
        new["spec"] = json!({});
        fixture.kubernetes().put(&new);
        let patch = json!({"spec": {"externalTrafficPolicy": policy}});
        fixture.kubernetes().patch("Service", "web", &patch);
        assert_eq!(fixture.round().await.0.report.outcome, expected, "{annotations} {policy}");
    }
}
