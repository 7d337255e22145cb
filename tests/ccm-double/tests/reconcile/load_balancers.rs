//! CLBs and listeners: those that CCM makes, takes over, changes and leaves.

use clbmigrate_ccm_double::outcome::Outcome;
use clbmigrate_ccm_double::service::CLB_LABEL;
use clbmigrate_clb_double::LoggedCall;
use clbmigrate_clb_double::state::{AddressType, Group};
use serde_json::{Value, json};

use crate::cloud::parameter;
use crate::fixture::{Fixture, actions};

fn own() -> Value {
    json!({"id": null, "vgroup-port": null, "weight": null})
}

/// The CLB that the Service's label names.
fn clb(fixture: &Fixture) -> String {
    let service = fixture.kubernetes().object("Service", "web").expect("a Service");
    service["metadata"]["labels"][CLB_LABEL].as_str().expect("a CLB").to_owned()
}

fn shown(fixture: &Fixture) -> Value {
    let service = fixture.kubernetes().object("Service", "web").expect("a Service");
    json!([service["metadata"]["labels"][CLB_LABEL], service["status"]["loadBalancer"]["ingress"]])
}

#[tokio::test]
async fn a_clb_of_its_own_is_made_found_again_and_deleted() {
    let fixture = Fixture::new(&own()).await;
    let (_, calls) = fixture.round().await;
    let made = calls.iter().find(|call| call.action == "CreateLoadBalancer").expect("made");
    for (name, value) in [
        ("AddressType", "internet"),
        ("InstanceChargeType", "PayByCLCU"),
        ("LoadBalancerName", "a00001122"),
        ("DeleteProtection", "on"),
        ("ModificationProtectionStatus", "ConsoleProtection"),
        ("ModificationProtectionReason", "managed.by.ack"),
        ("Tag.1.Key", "kubernetes.do.not.delete"),
        ("Tag.1.Value", "a00001122"),
        ("Tag.2.Key", "ack.aliyun.com"),
        ("Tag.2.Value", "clusterid"),
    ] {
        assert_eq!(parameter(made, name), value, "{name}");
    }
    assert_eq!(parameter(made, "ClientToken").len(), 32);
    assert!(!actions(&calls).contains(&"TagResources".to_owned()), "it has its tags");
    let id = clb(&fixture);
    assert_eq!(shown(&fixture), json!([id, [{"ip": "192.0.2.1"}]]));
    assert_eq!(fixture.cloud.load_balancer(&id).expect("a CLB").groups.len(), 2);
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "all is as it should be");
    fixture.kubernetes().end("web");
    let gone = ["SetLoadBalancerDeleteProtection", "DeleteLoadBalancer"];
    assert_eq!(fixture.writes().await, gone);
    assert!(fixture.cloud.load_balancer(&id).is_none());
    assert!(fixture.kubernetes().object("Service", "web").is_none());
}

#[tokio::test]
async fn a_preserved_clb_outlives_its_service_without_groups_and_listeners() {
    let mut annotations = own();
    annotations["preserve-lb-on-delete"] = json!("false");
    let fixture = Fixture::new(&annotations).await;
    fixture.round().await;
    let id = clb(&fixture);
    fixture.round().await;
    let warned = format!(
        "Warning PreservedOnDelete The lb [{id}] will be preserved after the service is deleted."
    );
    assert!(fixture.kubernetes().take_events().contains(&warned));
    fixture.kubernetes().end("web");
    fixture.round().await;
    let left = fixture.cloud.load_balancer(&id).expect("the CLB");
    assert!(left.groups.is_empty() && left.listeners.is_empty(), "{left:?}");
    assert!(left.tags.is_empty() && !left.delete_protection, "{left:?}");
}

#[tokio::test]
async fn a_listener_comes_after_the_group_that_is_made_for_it() {
    let fixture = Fixture::new(&own()).await;
    let calls = fixture.round().await.1;
    let place = |action: &str, name: &str, value: &str| {
        let is_it =
            |logged: &LoggedCall| logged.action == action && parameter(logged, name) == value;
        calls.iter().position(is_it).unwrap_or_else(|| panic!("no {action} in {calls:?}"))
    };
    for (port, node_port) in [("80", "30080"), ("443", "30443")] {
        let name = format!("k8s/{node_port}/web/default/clusterid");
        let made = place("CreateVServerGroup", "VServerGroupName", &name);
        let listener = place("CreateLoadBalancerTCPListener", "ListenerPort", port);
        let group = parameter(&calls[listener], "VServerGroupId");
        let filled = place("AddVServerGroupBackendServers", "VServerGroupId", group);
        let started = place("StartLoadBalancerListener", "ListenerPort", port);
        assert!(made < filled && filled < listener && listener < started, "{:?}", actions(&calls));
        assert_eq!(parameter(&calls[listener], "Scheduler"), "rr");
    }
}

#[tokio::test]
async fn under_override_a_persons_listener_is_taken_over_and_goes_with_the_service() {
    let override_it = json!({"force-override-listeners": "true", "scheduler": "wrr"});
    let fixture = Fixture::new(&override_it).await;
    fixture.cloud.edit_load_balancer("lb-a", |lb| {
        lb.groups.push(Group {
            id: "rsp-other".to_owned(),
            name: "other".to_owned(),
            backends: Vec::new(),
        });
    });
    for port in ["80", "8080"] {
        let new = [
            ("LoadBalancerId", "lb-a"),
            ("ListenerPort", port),
            ("Description", "mine"),
            ("VServerGroupId", "rsp-other"),
        ];
        fixture.by_hand("CreateLoadBalancerTCPListener", &new).await;
    }
    let (_, calls) = fixture.round().await;
    let set = calls.iter().find(|logged| logged.action == "SetLoadBalancerTCPListenerAttribute");
    let set = set.expect("taken over");
    assert_eq!(parameter(set, "ListenerPort"), "80");
    assert_eq!(parameter(set, "Description"), "k8s/80/web/default/clusterid");
    assert_eq!((parameter(set, "VServerGroupId"), parameter(set, "Scheduler")), ("rsp-a", "wrr"));
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "nothing differs");
    fixture.kubernetes().end("web");
    let gone: Vec<_> = fixture.writes().await;
    let listeners = gone.iter().filter(|action| *action == "DeleteLoadBalancerListener").count();
    assert_eq!(listeners, 2, "those of 80 and 443, not the person's of 8080: {gone:?}");
}

#[tokio::test]
async fn http_may_forward_to_https() {
    let mut annotations = own();
    annotations["protocol-port"] = json!("http:80,https:443");
    annotations["forward-port"] = json!("80:443");
    annotations["cert-id"] = json!("certificate");
    let fixture = Fixture::new(&annotations).await;
    let (_, calls) = fixture.round().await;
    let created: Vec<_> =
        calls.iter().filter(|logged| logged.action.starts_with("CreateLoadBalancerHTTP")).collect();
    assert_eq!(created[0].action, "CreateLoadBalancerHTTPSListener");
    assert_eq!(parameter(created[0], "ServerCertificateId"), "certificate");
    assert_eq!(created[1].action, "CreateLoadBalancerHTTPListener");
    assert_eq!(parameter(created[1], "ForwardPort"), "443");
    assert_eq!(parameter(created[1], "VServerGroupId"), "");
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
    }))
    .await;
    fixture.cloud.edit_load_balancer("lb-a", |lb| {
        lb.address_type = AddressType::Internet;
        lb.tags.extend(["foreign", "acs:rm"].map(|key| (key.to_owned(), "1".to_owned())));
    });
    let mut writes = fixture.writes().await;
    writes.retain(|action| !action.contains("VServerGroup"));
    assert_eq!(
        writes,
        [
            "TagResources",
            "ModifyLoadBalancerInstanceSpec",
            "ModifyLoadBalancerInternetSpec",
            "SetLoadBalancerDeleteProtection",
            "SetLoadBalancerModificationProtection",
            "SetLoadBalancerName",
            "TagResources",
            "UntagResources",
        ]
    );
    let tags = fixture.cloud.load_balancer("lb-a").expect("the CLB").tags;
    let keys: Vec<_> = tags.into_keys().collect();
    assert_eq!(keys, ["acs:rm", "kubernetes.reused.by.user", "team"]);
    fixture.annotate(&json!({"example.io/note": "x"}));
    assert_eq!(fixture.writes().await, Vec::<&str>::new(), "all is as it was asked for");
}

#[tokio::test]
async fn a_clb_with_ten_tags_gets_no_more() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.cloud.edit_load_balancer("lb-a", |lb| {
        lb.tags.extend((0..10).map(|number| (format!("tag-{number}"), "1".to_owned())));
    });
    assert!(!fixture.actions().await.iter().any(|action| action == "TagResources"));
}

#[tokio::test]
async fn what_cannot_be_changed_is_told_all_at_once_and_nothing_is_cleaned_up() {
    let fixture = Fixture::new(
        &json!({"resource-group-id": "rg-1", "master-zoneid": "z", "vgroup-port": "rsp-a:80,rsp-b:443"}),
    ).await;
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
    let fixture = Fixture::new(&json!({})).await;
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
    let fixture = Fixture::new(&json!({})).await;
    fixture.round().await;
    fixture.by_hand("DeleteLoadBalancer", &[("LoadBalancerId", "lb-a")]).await;
    fixture.kubernetes().end("web");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Cleaned);
    assert!(fixture.kubernetes().object("Service", "web").is_none());
}

#[tokio::test]
async fn a_cloud_that_refuses_to_answer_about_the_clb_freezes_the_service() {
    let fixture = Fixture::new(&json!({})).await;
    fixture.cloud.refuse("DescribeLoadBalancerAttribute", 0, 1, "Throttling.User", "slower");
    let report = fixture.round().await.0.report;
    assert_eq!(report.reason, "Error syncing load balancer [lb-a]: Message: slower");
    assert_eq!(fixture.round().await.0.report.outcome, Outcome::Applied);
}
