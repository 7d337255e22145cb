//! The client and the double of the CLB, which share no code, understand each other.

use std::time::Duration;

use clbmigrate_clb::{BackendKey, ErrorKind, Weight};
use clbmigrate_clb_double::{Fault, FaultEffect};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::{
    cloud::{CLB, GROUP, TestCloud, weights},
    environment::FakeEnvironment,
};

const ROLE: &str = "acs:ram::1000000000000001:role/clb";

/// A CLB with a group of 30 instances and a pod, at weight 10 each.
async fn start() -> TestCloud {
    let mut backends: Vec<Value> = (0..30)
        .map(|number| {
            json!({"serverId": format!("i-{number:02}"), "port": 80, "weight": 10, "description": "by hand"})
        })
        .collect();
    backends.push(json!({
        "serverId": "eni-1", "serverIp": "10.0.1.7", "port": 8080, "weight": 10, "type": "eni",
        "description": "k8s/80/web/shop/c1",
    }));
    TestCloud::start(json!({
        "roles": [{"arn": ROLE, "oidcProviderArn": "provider", "oidcTokens": ["jwt-1"]}],
        "metadata": {"role": "clb", "tokensOnly": true},
        "loadBalancers": [{
            "id": CLB, "name": "shop", "address": "127.0.0.1",
            "groups": [{"id": GROUP, "name": "web", "backends": backends}],
            "listeners": [{"port": 80, "protocol": "tcp", "vServerGroupId": GROUP,
                           "connectionDrain": true, "connectionDrainTimeout": 30}],
        }],
    }))
    .await
}

#[tokio::test]
async fn everything_is_read_as_it_stands_there() {
    let cloud = start().await;
    let clb = cloud.client().await;
    assert_eq!(clb.account().await.expect("an account").id, "1000000000000001");
    assert_eq!(clb.load_balancers().await.expect("CLBs")[0].id, "lb-bp1example");
    assert_eq!(clb.load_balancer("lb-bp1example").await.expect("a CLB").address, "127.0.0.1");
    assert_eq!(clb.groups("lb-bp1example").await.expect("groups").groups[0].id, GROUP);
    let group = clb.group(GROUP).await.expect("a group");
    assert_eq!((group.backends.len(), group.clb.as_deref()), (31, Some("lb-bp1example")));
    let listeners = clb.listener_list("lb-bp1example").await.expect("listeners").listeners;
    assert_eq!((listeners[0].port, listeners[0].vgroup.as_str()), (80, GROUP));
    assert_eq!(listeners[0].drain(), Some(Duration::from_secs(30)));
    let health = clb.health("lb-bp1example", 80, "tcp").await.expect("health");
    assert_eq!(health.servers.len(), 31);
}

#[tokio::test]
async fn weights_are_written_and_nothing_else_is() {
    let cloud = start().await;
    let clb = cloud.client().await;
    let mut all = weights(30, 40);
    let pod = clb.group(GROUP).await.expect("a group").backends;
    all.push((BackendKey::from(pod.last().expect("a pod")), Weight::ZERO));
    let mut expected = cloud.state();
    for backend in &mut expected.load_balancers[0].groups[0].backends {
        backend.weight = if backend.server_id == "eni-1" { 0 } else { 40 };
    }
    clb.set_weights(GROUP, &all).await.expect("written");
    assert_eq!(
        cloud.state().load_balancers[0].groups[0].backends,
        expected.load_balancers[0].groups[0].backends
    );
}

#[tokio::test]
async fn throttling_of_a_read_and_a_write_is_sat_out() {
    let cloud = start().await;
    let clb = cloud.client().await;
    for action in ["DescribeVServerGroupAttribute", "SetVServerGroupAttribute"] {
        cloud.fault(Fault::new(FaultEffect::Throttle {}).for_action(action).times(2));
    }
    clb.set_weights(GROUP, &weights(30, 40)).await.expect("written");
    assert_eq!(cloud.weights()[30], ("i-29".to_owned(), 40));
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_was_made_once_and_is_reported() {
    let cloud = start().await;
    let clb = cloud.client().await;
    cloud.fault(
        Fault::new(FaultEffect::LoseAnswer {})
            .for_action("SetVServerGroupAttribute")
            .after(1)
            .times(1),
    );
    let interrupted = clb.set_weights(GROUP, &weights(30, 40)).await.expect_err("a lost answer");
    assert!(interrupted.is_lost_answer());
    assert_eq!((interrupted.written.len(), interrupted.unknown.len()), (20, 10));
    assert_eq!(cloud.weights()[30], ("i-29".to_owned(), 40), "it was carried out");
    let writes = cloud.actions().iter().filter(|action| action.starts_with("Set")).count();
    assert_eq!(writes, 2);
}

#[tokio::test]
async fn wrong_keys_and_a_wrong_clock_are_told_apart() {
    let cloud = start().await;
    let hour = SignedDuration::from_hours(1);
    let wrong_clock = (Timestamp::now() + hour).to_string();
    let keys = FakeEnvironment::with_access_key;
    let cases = [
        (keys().variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-2"), ErrorKind::Signature),
        (keys().variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIother"), ErrorKind::Unauthorized),
        (keys().at(&wrong_clock), ErrorKind::ClockSkew),
    ];
    for (environment, kind) in cases {
        let clb = cloud.connect(environment).await.expect("a client");
        let error = clb.groups("lb-bp1example").await.expect_err("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.hints.is_empty());
    }
}

#[tokio::test]
async fn what_does_not_exist_is_told_as_not_found() {
    let cloud = start().await;
    let clb = cloud.client().await;
    assert_eq!(clb.group("rsp-gone").await.expect_err("gone").kind, ErrorKind::NotFound);
    assert_eq!(clb.groups("lb-gone").await.expect_err("gone").kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn roles_are_had_for_keys_for_a_token_and_from_the_instance() {
    let role = FakeEnvironment::with_access_key().variable("ALIBABA_CLOUD_ROLE_ARN", ROLE);
    let pod = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ROLE_ARN", ROLE)
        .variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider")
        .variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
        .file("/token", "jwt-1");
    for environment in [role, pod, FakeEnvironment::default()] {
        let cloud = start().await;
        let clb = cloud.connect(environment).await.expect("a client");
        let arn = clb.account().await.expect("an account").arn;
        assert!(arn.contains(":assumed-role/clb/"), "{arn}");
        clb.groups("lb-bp1example").await.expect("groups");
        assert_eq!(clb.region(), "cn-example");
    }
}
