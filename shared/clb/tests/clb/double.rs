//! The client and the double of the CLB, which share no code, understand each other.

use std::{collections::BTreeMap, time::Duration};

use clbmigrate_clb::{BackendKey, ClbClient, ErrorKind, Options, Weight};
use clbmigrate_clb_double::{ClbDouble, Fault, FaultEffect, Options as DoubleOptions, State};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::environment::FakeEnvironment;

const ROLE: &str = "acs:ram::1000000000000001:role/clb";
const GROUP: &str = "rsp-bp1example";

/// A CLB with a group of 30 instances and a pod, at weight 10 each.
fn state() -> State {
    let mut backends: Vec<Value> = (0..30)
        .map(|number| {
            json!({"serverId": format!("i-{number:02}"), "port": 80, "weight": 10, "description": "by hand"})
        })
        .collect();
    backends.push(json!({
        "serverId": "eni-1", "serverIp": "10.0.1.7", "port": 8080, "weight": 10, "type": "eni",
        "description": "k8s/80/web/shop/c1",
    }));
    let state = json!({
        "region": "cn-example",
        "accounts": [{"accessKeyId": "LTAIexample", "accessKeySecret": "secret-1",
                      "accountId": "1000000000000001"}],
        "roles": [{"arn": ROLE, "oidcProviderArn": "provider", "oidcTokens": ["jwt-1"]}],
        "metadata": {"role": "clb", "tokensOnly": true},
        "loadBalancers": [{
            "id": "lb-bp1example", "name": "shop", "address": "127.0.0.1",
            "groups": [{"id": GROUP, "name": "web", "backends": backends}],
            "listeners": [{"port": 80, "protocol": "tcp", "vServerGroupId": GROUP,
                           "connectionDrain": true, "connectionDrainTimeout": 30}],
        }],
    });
    state.to_string().parse().expect("a state")
}

async fn start() -> ClbDouble {
    let any = Some("127.0.0.1:0".parse().expect("an address"));
    let options =
        DoubleOptions { listen_tls: any, listen_metadata: any, ..DoubleOptions::new(state()) };
    ClbDouble::start(options).await.expect("a double")
}

/// The double as cloud, STS and metadata.
fn options(double: &ClbDouble) -> Options {
    let http = |address: Option<std::net::SocketAddr>| Some(format!("http://{}", address?));
    Options {
        endpoint: http(double.http()),
        sts_endpoint: http(double.http()),
        metadata_endpoint: http(double.metadata()),
        attempt_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

async fn connect(double: &ClbDouble, environment: FakeEnvironment) -> ClbClient {
    environment.connect_with(options(double)).await.expect("a client")
}

fn wishes(weight: u32) -> Vec<(BackendKey, Weight)> {
    let weight = Weight::try_from(weight).expect("a weight");
    (0..30).map(|number| (BackendKey::ecs(format!("i-{number:02}"), 80), weight)).collect()
}

fn weights(double: &ClbDouble) -> BTreeMap<String, u32> {
    let state = double.state();
    let backends = state.load_balancers[0].groups[0].backends.iter();
    backends.map(|backend| (backend.server_id.clone(), backend.weight.into())).collect()
}

fn actions(double: &ClbDouble) -> Vec<String> {
    double.calls().into_iter().map(|call| call.action).collect()
}

#[tokio::test]
async fn everything_is_read_as_it_stands_there() {
    let double = start().await;
    let clb = connect(&double, FakeEnvironment::with_keys()).await;
    assert_eq!(clb.account().await.expect("an account").id, "1000000000000001");
    assert_eq!(clb.load_balancers().await.expect("CLBs")[0].id, "lb-bp1example");
    assert_eq!(clb.load_balancer("lb-bp1example").await.expect("a CLB").address, "127.0.0.1");
    assert_eq!(clb.groups("lb-bp1example").await.expect("groups").groups[0].id, GROUP);
    let group = clb.group(GROUP).await.expect("a group");
    assert_eq!((group.backends.len(), group.clb.as_deref()), (31, Some("lb-bp1example")));
    let listeners = clb.listeners("lb-bp1example").await.expect("listeners");
    assert_eq!((listeners[0].port, listeners[0].vgroup.as_str()), (80, GROUP));
    assert_eq!(listeners[0].drain(), Some(Duration::from_secs(30)));
    let health = clb.health("lb-bp1example", 80, "tcp").await.expect("health");
    assert_eq!(health.servers.len(), 31);
}

#[tokio::test]
async fn weights_are_written_and_nothing_else_is() {
    let double = start().await;
    let clb = connect(&double, FakeEnvironment::with_keys()).await;
    let mut all = wishes(40);
    let pod = clb.group(GROUP).await.expect("a group").backends;
    all.push((BackendKey::from(pod.last().expect("a pod")), Weight::ZERO));
    let mut expected = state();
    for backend in &mut expected.load_balancers[0].groups[0].backends {
        backend.weight = if backend.server_id == "eni-1" { 0 } else { 40 };
    }
    clb.set_weights(GROUP, &all).await.expect("written");
    assert_eq!(
        double.state().load_balancers[0].groups[0].backends,
        expected.load_balancers[0].groups[0].backends
    );
}

#[tokio::test]
async fn throttling_of_a_read_and_a_write_is_sat_out() {
    let double = start().await;
    let clb = connect(&double, FakeEnvironment::with_keys()).await;
    for action in ["DescribeVServerGroupAttribute", "SetVServerGroupAttribute"] {
        double.fault(Fault::new(FaultEffect::Throttle {}).for_action(action).times(2));
    }
    clb.set_weights(GROUP, &wishes(40)).await.expect("written");
    assert_eq!(weights(&double)["i-29"], 40);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_was_made_once_and_is_reported() {
    let double = start().await;
    let clb = connect(&double, FakeEnvironment::with_keys()).await;
    double.fault(
        Fault::new(FaultEffect::LoseAnswer {})
            .for_action("SetVServerGroupAttribute")
            .after(1)
            .times(1),
    );
    let interrupted = clb.set_weights(GROUP, &wishes(40)).await.expect_err("a lost answer");
    assert!(interrupted.is_lost_answer());
    assert_eq!((interrupted.written.len(), interrupted.unknown.len()), (20, 10));
    assert_eq!(weights(&double)["i-29"], 40, "it was carried out");
    let writes = actions(&double).iter().filter(|action| action.starts_with("Set")).count();
    assert_eq!(writes, 2);
}

#[tokio::test]
async fn wrong_keys_and_a_wrong_clock_are_told_apart() {
    let double = start().await;
    let hour = SignedDuration::from_hours(1);
    let wrong_clock = (Timestamp::now() + hour).to_string();
    let keys = FakeEnvironment::with_keys;
    let cases = [
        (keys().variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-2"), ErrorKind::Signature),
        (keys().variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIother"), ErrorKind::Unauthorized),
        (keys().at(&wrong_clock), ErrorKind::ClockSkew),
    ];
    for (environment, kind) in cases {
        let clb = connect(&double, environment).await;
        let error = clb.groups("lb-bp1example").await.expect_err("refused");
        assert_eq!(error.kind, kind, "{error}");
        assert!(!error.hints.is_empty());
    }
}

#[tokio::test]
async fn what_does_not_exist_is_told_as_not_found() {
    let double = start().await;
    let clb = connect(&double, FakeEnvironment::with_keys()).await;
    assert_eq!(clb.group("rsp-gone").await.expect_err("gone").kind, ErrorKind::NotFound);
    assert_eq!(clb.groups("lb-gone").await.expect_err("gone").kind, ErrorKind::NotFound);
}

#[tokio::test]
async fn roles_are_had_for_keys_for_a_token_and_from_the_instance() {
    let role = FakeEnvironment::with_keys().variable("ALIBABA_CLOUD_ROLE_ARN", ROLE);
    let pod = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ROLE_ARN", ROLE)
        .variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider")
        .variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/token")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
        .file("/token", "jwt-1");
    for environment in [role, pod, FakeEnvironment::default()] {
        let double = start().await;
        let clb = connect(&double, environment).await;
        let arn = clb.account().await.expect("an account").arn;
        assert!(arn.contains(":assumed-role/clb/"), "{arn}");
        clb.groups("lb-bp1example").await.expect("groups");
        assert_eq!(clb.region(), "cn-example");
    }
}

#[tokio::test]
async fn over_tls_the_double_is_trusted_by_its_own_authority() {
    let double = start().await;
    let environment =
        FakeEnvironment::with_keys().file("/ca.pem", double.ca_pem().expect("an authority"));
    let endpoint = double.https().map(|address| address.to_string());
    let options = Options { endpoint, ca: Some("/ca.pem".into()), ..options(&double) };
    let clb = environment.connect_with(options).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
}
