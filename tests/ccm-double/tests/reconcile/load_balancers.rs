//! CLBs and listeners: those that CCM makes, takes over, changes and leaves.

use clbmigrate_ccm_double::cloud_client::memory::Fault;
use clbmigrate_ccm_double::outcome::Outcome;
use clbmigrate_ccm_double::service::CLB_LABEL;
use serde_json::{Value, json};

use crate::fixture::{Fixture, actions, by_hand};

fn own() -> Value {
    json!({"id": null, "vgroup-port": null, "weight": null})
}

fn shown(fixture: &Fixture) -> Value {
    let service = fixture.kubernetes().object("Service", "web").expect("a Service");
    json!([service["metadata"]["labels"][CLB_LABEL], service["status"]["loadBalancer"]["ingress"]])
}

#[tokio::test]
async fn a_clb_of_its_own_is_made_found_again_and_deleted() {
    let fixture = Fixture::new(&own());
    let first = fixture.actions().await;
    assert!(first.contains(&"CreateLoadBalancer"), "{first:?}");
    assert_eq!(shown(&fixture), json!(["lb-new-1", [{"ip": "192.0.2.1"}]]));
    assert_eq!(fixture.cloud.groups("lb-new-1").len(), 2);
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "all is as it should be");
    fixture.kubernetes().end("web");
    assert_eq!(fixture.writes().await, ["DeleteLoadBalancer"]);
    assert!(!fixture.cloud.has_balancer("lb-new-1"));
    assert!(fixture.kubernetes().object("Service", "web").is_none());
}

#[tokio::test]
async fn a_preserved_clb_outlives_its_service_without_groups_and_listeners() {
    let mut annotations = own();
    annotations["preserve-lb-on-delete"] = json!("false");
    let fixture = Fixture::new(&annotations);
    fixture.round().await;
    let warned = "Warning PreservedOnDelete The lb [lb-new-1] will be preserved after the service is deleted.";
    fixture.round().await;
    assert!(fixture.kubernetes().take_events().contains(&warned.to_owned()));
    fixture.kubernetes().end("web");
    fixture.round().await;
    assert!(fixture.cloud.has_balancer("lb-new-1"));
    assert!(fixture.cloud.groups("lb-new-1").is_empty());
    let listeners = by_hand(
        &fixture.cloud,
        "DescribeLoadBalancerListeners",
        &[("LoadBalancerId.1", "lb-new-1")],
    );
    assert_eq!(listeners.await["Listeners"], json!([]));
}

#[tokio::test]
async fn a_listener_comes_after_the_group_that_is_made_for_it() {
    let fixture = Fixture::new(&own());
    let calls = fixture.round().await.1;
    let place = |action: &str, name: &str, value: &str| {
        let is_it = |logged: &clbmigrate_ccm_double::cloud_client::memory::Logged| {
            logged.call.action == action && logged.call.parameter(name) == value
        };
        calls.iter().position(is_it).unwrap_or_else(|| panic!("no {action} in {calls:?}"))
    };
    for (port, node_port) in [("80", "30080"), ("443", "30443")] {
        let name = format!("k8s/{node_port}/web/default/clusterid");
        let made = place("CreateVServerGroup", "VServerGroupName", &name);
        let listener = place("CreateLoadBalancerTCPListener", "ListenerPort", port);
        let group = calls[listener].call.parameter("VServerGroupId");
        let filled = place("AddVServerGroupBackendServers", "VServerGroupId", group);
        let started = place("StartLoadBalancerListener", "ListenerPort", port);
        assert!(made < filled && filled < listener && listener < started, "{:?}", actions(&calls));
        assert_eq!(calls[listener].call.parameter("Scheduler"), "rr");
    }
}

#[tokio::test]
async fn under_override_a_persons_listener_is_taken_over_and_goes_with_the_service() {
    let override_it = json!({"force-override-listeners": "true", "scheduler": "wrr"});
    let fixture = Fixture::new(&override_it);
    for port in ["80", "8080"] {
        let new = [
            ("LoadBalancerId", "lb-a"),
            ("ListenerPort", port),
            ("Description", "mine"),
            ("VServerGroupId", "rsp-other"),
        ];
        by_hand(&fixture.cloud, "CreateLoadBalancerTCPListener", &new).await;
    }
    let (_, calls) = fixture.round().await;
    let set =
        calls.iter().find(|logged| logged.call.action == "SetLoadBalancerTCPListenerAttribute");
    let set = &set.expect("taken over").call;
    assert_eq!(set.parameter("ListenerPort"), "80");
    assert_eq!(set.parameter("Description"), "k8s/80/web/default/clusterid");
    assert_eq!((set.parameter("VServerGroupId"), set.parameter("Scheduler")), ("rsp-a", "wrr"));
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "nothing differs");
    fixture.kubernetes().end("web");
    let gone: Vec<_> = fixture.writes().await;
    let listeners = gone.iter().filter(|action| **action == "DeleteLoadBalancerListener").count();
    assert_eq!(listeners, 2, "those of 80 and 443, not the person's of 8080: {gone:?}");
}

#[tokio::test]
async fn http_may_forward_to_https() {
    let mut annotations = own();
    annotations["protocol-port"] = json!("http:80,https:443");
    annotations["forward-port"] = json!("80:443");
    annotations["cert-id"] = json!("certificate");
    let fixture = Fixture::new(&annotations);
    let (_, calls) = fixture.round().await;
    let created: Vec<_> = calls
        .iter()
        .filter(|logged| logged.call.action.starts_with("CreateLoadBalancerHTTP"))
        .map(|logged| &logged.call)
        .collect();
    assert_eq!(created[0].action, "CreateLoadBalancerHTTPSListener");
    assert_eq!(created[0].parameter("ServerCertificateId"), "certificate");
    assert_eq!(created[1].action, "CreateLoadBalancerHTTPListener");
    assert_eq!(created[1].parameter("ForwardPort"), "443");
    assert_eq!(created[1].parameter("VServerGroupId"), "");
}

#[tokio::test]
async fn what_is_asked_of_a_shared_clb_is_changed_whoever_uses_it() {
    let fixture = Fixture::new(&json!({
        "name": "renamed",
        "delete-protection": "on",
        "modification-protection": "ConsoleProtection",
        "spec": "slb.s2.small",
        "charge-type": "paybybandwidth",
        "bandwidth": "20",
        "additional-resource-tags": "team=web,acs:x=1",
    }));
    for (name, value) in [("AddressType", "internet"), ("LoadBalancerSpec", "slb.s1.small")] {
        fixture.cloud.put_attribute("lb-a", name, value);
    }
    fixture.cloud.put_tag("lb-a", "foreign", "1");
    fixture.cloud.put_tag("lb-a", "acs:rm", "1");
    let mut writes = fixture.writes().await;
    writes.retain(|action| !action.contains("VServerGroup"));
    assert_eq!(
        writes,
        [
            "TagResources",
            "ModifyLoadBalancerInstanceSpec",
            "SetLoadBalancerDeleteProtection",
            "SetLoadBalancerModificationProtection",
            "SetLoadBalancerName",
            "ModifyLoadBalancerInternetSpec",
            "TagResources",
            "UntagResources",
        ]
    );
    let tags = by_hand(&fixture.cloud, "ListTagResources", &[("ResourceId.1", "lb-a")]).await;
    let keys: Vec<_> = tags["TagResources"]["TagResource"]
        .as_array()
        .expect("tags")
        .iter()
        .map(|tag| tag["TagKey"].as_str().expect("a key").to_owned())
        .collect();
    assert_eq!(keys, ["acs:rm", "kubernetes.reused.by.user", "team"]);
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "all is as it was asked for");
}

#[tokio::test]
async fn a_clb_with_ten_tags_gets_no_more() {
    let fixture = Fixture::new(&json!({}));
    for number in 0..10 {
        fixture.cloud.put_tag("lb-a", &format!("tag-{number}"), "1");
    }
    assert!(!fixture.actions().await.contains(&"TagResources"));
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_all_at_once_and_nothing_is_cleaned_up() {
    let fixture = Fixture::new(
        &json!({"resource-group-id": "rg-1", "master-zoneid": "z", "vgroup-port": "rsp-a:80,rsp-b:443"}),
    );
    let report = fixture.round().await.0.report;
    assert_eq!(report.outcome, Outcome::Frozen);
    assert!(
        report.reason.ends_with(
            "update lb attribute error: [alicloud: can not change LoadBalancer master zone id once created, \
             alicloud: can not change ResourceGroupId once created]"
        ),
        "{report:?}"
    );
    fixture.annotate(&json!({"vgroup-port": "rsp-b:443,rsp-a:0"}));
    fixture.round().await;
    assert_eq!(fixture.cloud.backends("rsp-a").len(), 1, "the round ended before");
}

#[tokio::test]
async fn the_address_is_checked_only_when_the_hash_has_changed_and_not_with_an_elastic_one() {
    let other = json!({"status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.99"}]}}});
    let fixture = Fixture::new(&json!({}));
    fixture.round().await;
    fixture.kubernetes().patch("Service", "web", &other);
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    fixture.kubernetes().patch("Service", "web", &other);
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Frozen);
    fixture.annotate(&json!({"external-ip-type": "eip"}));
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
    assert!(
        fixture
            .kubernetes()
            .take_events()
            .iter()
            .any(|event| event.contains("FailedSetEIPAddress"))
    );
}

#[tokio::test]
async fn a_service_whose_clb_is_gone_may_go() {
    let fixture = Fixture::new(&json!({}));
    fixture.round().await;
    by_hand(&fixture.cloud, "DeleteLoadBalancer", &[("LoadBalancerId", "lb-a")]).await;
    fixture.kubernetes().end("web");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Cleaned);
    assert!(fixture.kubernetes().object("Service", "web").is_none());
}

#[tokio::test]
async fn a_cloud_that_refuses_to_answer_about_the_clb_freezes_the_service() {
    let fixture = Fixture::new(&json!({}));
    fixture.cloud.refuse(Fault {
        action: "DescribeLoadBalancerAttribute".to_owned(),
        skip: 0,
        count: 1,
        code: "Throttling.User".to_owned(),
        message: "slower".to_owned(),
    });
    let report = fixture.round().await.0.report;
    assert_eq!(report.reason, "Error syncing load balancer [lb-a]: Message: slower");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
}
