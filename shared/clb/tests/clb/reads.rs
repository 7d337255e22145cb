//! What is read of a CLB.

use std::time::Duration;

use clbmigrate_clb::ErrorKind;
use serde_json::{Value, json};

use crate::{
    environment::client,
    server::{Reply, Server},
};

fn group() -> Value {
    json!({
        "RequestId": "R-1", "VServerGroupId": "rsp-bp1example", "VServerGroupName": "shop-web",
        "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": [
            {"ServerId": "i-a", "ServerIp": "", "Port": 80, "Weight": 40, "Type": "ecs", "Description": "by hand"},
            {"ServerId": "eni-b", "ServerIp": "10.0.0.1", "Port": 8080, "Weight": 20, "Type": "eni", "Description": null},
        ]},
    })
}

#[tokio::test]
async fn a_group_has_its_backends_with_weights_and_descriptions() {
    let server = Server::script(vec![Reply::ok(group())]).await;
    let group = client(&server).await.group("rsp-bp1example").await.expect("a group");
    assert_eq!((group.name.as_str(), group.clb.as_deref()), ("shop-web", Some("lb-bp1example")));
    let backends: Vec<_> = group.backends.iter().map(|b| (b.id(), b.port, b.weight)).collect();
    assert_eq!(backends, [("i-a", 80, 40), ("10.0.0.1", 8080, 20)]);
    assert_eq!(server.actions(), ["DescribeVServerGroupAttribute"]);
}

#[tokio::test]
async fn an_answer_about_another_group_is_not_taken_for_the_truth() {
    let server = Server::script(vec![Reply::ok(group())]).await;
    let error = client(&server).await.group("rsp-other").await.expect_err("another group");
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        "DescribeVServerGroupAttribute: asked for \"rsp-other\", the answer is about \"rsp-bp1example\""
    );
}

#[tokio::test]
async fn groups_are_read_at_once_where_the_answer_has_no_pages() {
    let groups = json!({"VServerGroups": {"VServerGroup": [
        {"VServerGroupId": "rsp-a", "VServerGroupName": "a"}, {"VServerGroupId": "rsp-b"},
    ]}});
    let server = Server::script(vec![Reply::ok(groups)]).await;
    let groups = client(&server).await.groups("lb-bp1example").await.expect("groups");
    assert_eq!(groups.clb.as_deref(), Some("lb-bp1example"));
    let ids: Vec<_> = groups.groups.iter().map(|group| group.id.as_str()).collect();
    assert_eq!(ids, ["rsp-a", "rsp-b"]);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn numbered_pages_are_read_to_the_last() {
    let server = Server::start(|seen| {
        let page = seen.parameter("PageNumber").parse().unwrap_or(1_usize);
        let of_page = if page < 3 { 2 } else { 1 };
        let balancers: Vec<_> =
            (0..of_page).map(|n| json!({"LoadBalancerId": format!("lb-{page}{n}")})).collect();
        Reply::ok(json!({
            "LoadBalancers": {"LoadBalancer": balancers},
            "PageNumber": page, "PageSize": 2, "TotalCount": 5,
        }))
    })
    .await;
    let balancers = client(&server).await.load_balancers().await.expect("CLBs");
    let ids: Vec<_> = balancers.iter().map(|balancer| balancer.id.as_str()).collect();
    assert_eq!(ids, ["lb-10", "lb-11", "lb-20", "lb-21", "lb-30"]);
}

#[tokio::test]
async fn listeners_are_read_page_by_page_with_scheduler_persistence_and_drain() {
    let listener = |port: u16, drain: Value| {
        json!({
            "LoadBalancerId": "lb-bp1example", "ListenerPort": port, "ListenerProtocol": "tcp",
            "Scheduler": "wrr", "VServerGroupId": "rsp-bp1example", "Status": "running",
            "TCPListenerConfig": drain,
        })
    };
    let server = Server::start(move |seen| {
        Reply::ok(match seen.parameter("NextToken") {
            "" => json!({
                "Listeners": [listener(80, json!({"ConnectionDrain": "on", "ConnectionDrainTimeout": 30}))],
                "NextToken": "more", "TotalCount": 2, "MaxResults": 50,
            }),
            _ => json!({
                "Listeners": [listener(443, json!({"ConnectionDrain": "off", "PersistenceTimeout": 60}))],
                "NextToken": "", "TotalCount": 2, "MaxResults": 50,
            }),
        })
    })
    .await;
    let clb = client(&server).await;
    let listeners = clb.listeners("lb-bp1example").await.expect("listeners");
    let told: Vec<_> = listeners.iter().map(|l| (l.port, l.drain(), l.persistence())).collect();
    assert_eq!(
        told,
        [
            (80, Some(Duration::from_secs(30)), None),
            (443, None, Some("persistence for 60 s".to_owned())),
        ]
    );
    assert_eq!(listeners[0].scheduler, "wrr");
    assert_eq!(server.seen()[0].parameter("LoadBalancerId.1"), "lb-bp1example");
    let list = clb.listener_list("lb-bp1example").await.expect("listeners");
    assert_eq!((list.clb.as_deref(), list.listeners.len()), (Some("lb-bp1example"), 2));
}

#[tokio::test]
async fn a_clb_and_the_health_of_its_backends_are_read() {
    let server = Server::start(|seen| {
        Reply::ok(match seen.action() {
            "DescribeLoadBalancerAttribute" => {
                json!({"LoadBalancerId": "lb-bp1example", "Address": "203.0.113.7"})
            }
            _ => json!({"BackendServers": {"BackendServer": [
                {"ServerId": "i-a", "Port": 80, "ServerHealthStatus": "abnormal"},
            ]}}),
        })
    })
    .await;
    let clb = client(&server).await;
    let balancer = clb.load_balancer("lb-bp1example").await.expect("a CLB");
    assert_eq!(balancer.address, "203.0.113.7");
    let health = clb.health("lb-bp1example", 443, "https").await.expect("health");
    assert_eq!(health.servers[0].status, "abnormal");
    let seen = &server.seen()[1];
    assert_eq!(
        (seen.parameter("ListenerPort"), seen.parameter("ListenerProtocol")),
        ("443", "https")
    );
}

#[tokio::test]
async fn the_account_is_told_with_region_and_source() {
    let server = Server::script(vec![Reply::ok(json!({
        "AccountId": "1000000000000001", "Arn": "acs:ram::1000000000000001:user/ann", "RequestId": "R-1",
    }))])
    .await;
    let account = client(&server).await.account().await.expect("an account");
    assert_eq!(account.id, "1000000000000001");
    assert_eq!(account.region, "cn-example");
    assert_eq!(account.source, "environment ALIBABA_CLOUD_ACCESS_KEY_ID");
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.action(), seen.headers["x-acs-version"].as_str()),
        ("GetCallerIdentity", "2015-04-01")
    );
}

#[tokio::test]
async fn tasks_share_a_client_and_read_beside_each_other() {
    let server = Server::start(|seen| {
        Reply::ok(json!({"VServerGroupId": seen.parameter("VServerGroupId"), "BackendServers": {}}))
    })
    .await;
    let clb = client(&server).await;
    let tasks = (0..8).map(|number| {
        let clb = clb.clone();
        tokio::spawn(async move { clb.group(&format!("rsp-{number}")).await })
    });
    for (number, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
        let group = task.await.expect("a task").expect("a group");
        assert_eq!(group.id, format!("rsp-{number}"));
    }
}
