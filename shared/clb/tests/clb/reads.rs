//! What is read of a CLB.

use std::time::Duration;

use clbmigrate_clb::ErrorKind;
use clbmigrate_clb_double::{Fault, FaultEffect};
use clbmigrate_core::clb_answers::Health;
use serde_json::{Value, json};

use crate::cloud::{CLB, GROUP, TestCloud};

const READ: &str = "DescribeVServerGroupAttribute";

#[tokio::test]
async fn a_group_has_its_backends_with_weights_and_descriptions() {
    let cloud = TestCloud::with_groups(json!([{"id": GROUP, "name": "shop-web", "backends": [
        {"serverId": "i-a", "port": 80, "weight": 40, "description": "by hand"},
        {"serverId": "eni-b", "serverIp": "10.0.0.1", "port": 8080, "weight": 20, "type": "eni"},
    ]}]))
    .await;
    let group = cloud.client().await.group(GROUP).await.expect("a group");
    assert_eq!((group.name.as_str(), group.clb.as_deref()), ("shop-web", Some(CLB)));
    let backends: Vec<_> =
        group.backends.iter().map(|b| (b.id(), b.port, b.weight, b.description.as_str())).collect();
    assert_eq!(backends, [("i-a", 80, 40, "by hand"), ("10.0.0.1", 8080, 20, "")]);
    assert_eq!(cloud.actions(), [READ]);
}

#[tokio::test]
async fn a_description_may_be_null() {
    let answer = json!({
        "RequestId": "R-1", "VServerGroupId": GROUP, "VServerGroupName": "shop-web",
        "BackendServers": {"BackendServer": [
            {"ServerId": "eni-b", "ServerIp": "10.0.0.1", "Port": 8080, "Weight": 20, "Type": "eni",
             "Description": null},
        ]},
    });
    let cloud = TestCloud::with_fault(READ, FaultEffect::WrongAnswer(answer.to_string())).await;
    let group = cloud.client().await.group(GROUP).await.expect("a group");
    assert_eq!(group.backends[0].description, "");
}

#[tokio::test]
async fn an_answer_about_another_group_is_not_taken_for_the_truth() {
    let answer = json!({"VServerGroupId": GROUP, "BackendServers": {"BackendServer": []}});
    let cloud = TestCloud::with_fault(READ, FaultEffect::WrongAnswer(answer.to_string())).await;
    let error = cloud.client().await.group("rsp-other").await.expect_err("another group");
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        "DescribeVServerGroupAttribute: asked for \"rsp-other\", the answer is about \"rsp-bp1example\""
    );
}

#[tokio::test]
async fn groups_are_read_at_once_where_the_answer_has_no_pages() {
    let cloud =
        TestCloud::with_groups(json!([{"id": "rsp-a", "name": "a"}, {"id": "rsp-b"}])).await;
    let groups = cloud.client().await.groups(CLB).await.expect("groups");
    assert_eq!(groups.clb.as_deref(), Some(CLB));
    let ids: Vec<_> = groups.groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(ids, ["rsp-a", "rsp-b"]);
    assert_eq!(cloud.calls().len(), 1);
}

#[tokio::test]
async fn numbered_pages_are_read_to_the_last() {
    // The client asks for pages of 100.
    let ids: Vec<String> = (0..205).map(|number| format!("lb-{number:03}")).collect();
    let balancers: Vec<Value> = ids.iter().map(|id| json!({"id": id})).collect();
    let cloud = TestCloud::start(json!({"loadBalancers": balancers})).await;
    let balancers = cloud.client().await.load_balancers().await.expect("CLBs");
    let read: Vec<_> = balancers.into_iter().map(|balancer| balancer.id).collect();
    assert_eq!(read, ids);
    assert_eq!(cloud.actions(), ["DescribeLoadBalancers"; 3]);
}

#[tokio::test]
async fn clbs_are_found_by_their_address() {
    // The client asks for pages of 100.
    let mut balancers: Vec<Value> = (0..150)
        .map(|number| {
            json!({"id": format!("lb-{number:03}"), "address": format!("2001:db8::{number:x}"),
                   "ipVersion": "ipv6"})
        })
        .collect();
    balancers.push(json!({"id": "lb-a", "address": "192.168.0.5"}));
    balancers.push(json!({"id": "lb-b", "address": "192.168.0.5"}));
    balancers.push(json!({"id": "lb-c", "address": "192.168.0.50"}));
    let cloud = TestCloud::start(json!({"loadBalancers": balancers})).await;
    let clb = cloud.client().await;
    let found = async |address: &str| -> Vec<String> {
        let address = address.parse().expect("an address");
        let found = clb.load_balancers_at(address).await.expect("CLBs");
        found.into_iter().map(|balancer| balancer.id).collect()
    };
    assert_eq!(found("192.168.0.5").await, ["lb-a", "lb-b"]);
    assert_eq!(cloud.calls()[0].parameters["Address"], "192.168.0.5");
    assert_eq!(found("2001:0DB8:0:0::8f").await, ["lb-143"]);
    assert_eq!(cloud.actions(), ["DescribeLoadBalancers"; 3]);
    assert!(found("203.0.113.7").await.is_empty());
}

#[tokio::test]
async fn listeners_are_read_page_by_page_with_scheduler_persistence_and_drain() {
    let mut listeners = vec![
        json!({"port": 80, "connectionDrain": true, "connectionDrainTimeout": 30}),
        json!({"port": 443, "persistenceTimeout": 60}),
    ];
    // The client asks for pages of 50.
    listeners.extend((0..60).map(|number| json!({"port": 1000 + number})));
    let cloud = TestCloud::start(json!({"loadBalancers": [
        {"id": "lb-other", "listeners": [{"port": 81}]},
        {"id": CLB, "listeners": listeners},
    ]}))
    .await;
    let clb = cloud.client().await;
    let list = clb.listener_list(CLB).await.expect("listeners");
    let listeners = &list.listeners;
    let read: Vec<_> = listeners.iter().map(|l| (l.port, l.drain(), l.persistence())).collect();
    assert_eq!(
        read[..2],
        [
            (80, Some(Duration::from_secs(30)), None),
            (443, Some(Duration::ZERO), Some("persistence for 60 s".to_owned())),
        ]
    );
    let others: Vec<u16> = read[2..].iter().map(|(port, ..)| *port).collect();
    assert_eq!(others, (1000..1060).collect::<Vec<_>>());
    assert_eq!(listeners[0].scheduler, "wrr");
    assert_eq!(cloud.calls()[0].parameters["LoadBalancerId.1"], CLB);
    assert_eq!(cloud.calls().len(), 2);
    assert_eq!((list.clb.as_deref(), list.listeners.len()), (Some(CLB), 62));
}

#[tokio::test]
async fn a_clb_and_the_health_of_its_backends_are_read() {
    let cloud = TestCloud::start(json!({"loadBalancers": [{
        "id": CLB, "address": "203.0.113.7", "listeners": [{"port": 443, "protocol": "https"}],
    }]}))
    .await;
    let answer = json!({"BackendServers": {"BackendServer": [
        {"ServerId": "i-a", "Port": 80, "ServerHealthStatus": "abnormal"},
    ]}});
    cloud.fault(
        Fault::new(FaultEffect::WrongAnswer(answer.to_string())).for_action("DescribeHealthStatus"),
    );
    let clb = cloud.client().await;
    let balancer = clb.load_balancer(CLB).await.expect("a CLB");
    assert_eq!(balancer.address, "203.0.113.7");
    let health = clb.health(CLB, 443, "https").await.expect("health");
    assert_eq!(health.clb.as_deref(), Some(CLB));
    let server = &health.servers[0];
    assert_eq!(server.health, Some(Health::Abnormal));
    // The answer names no listener, so it is the one that was asked about.
    assert_eq!(server.listener().map(|name| name.to_string()).as_deref(), Some("https/443"));
    let parameters = &cloud.calls()[1].parameters;
    assert_eq!(parameters["ListenerPort"], "443");
    assert_eq!(parameters["ListenerProtocol"], "https");
}

#[tokio::test]
async fn the_account_is_told_with_region_and_source() {
    let cloud = TestCloud::start(json!({})).await;
    let account = cloud.client().await.account().await.expect("an account");
    assert_eq!(account.id, "1000000000000001");
    assert_eq!(account.region, "cn-example");
    assert_eq!(account.source, "environment ALIBABA_CLOUD_ACCESS_KEY_ID");
    let call = &cloud.calls()[0];
    assert_eq!((call.action.as_str(), call.version.as_str()), ("GetCallerIdentity", "2015-04-01"));
}

#[tokio::test]
async fn tasks_share_a_client_and_read_beside_each_other() {
    let groups: Vec<Value> = (0..8).map(|n| json!({"id": format!("rsp-{n}")})).collect();
    let cloud = TestCloud::with_groups(json!(groups)).await;
    let clb = cloud.client().await;
    let tasks = (0..8).map(|number| {
        let clb = clb.clone();
        tokio::spawn(async move { clb.group(&format!("rsp-{number}")).await })
    });
    for (number, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
        let group = task.await.expect("a task").expect("a group");
        assert_eq!(group.id, format!("rsp-{number}"));
    }
}
