//! Signatures, checked by the double, which knows the secret and computes them anew.

use clbmigrate_clb::ErrorKind;
use serde_json::json;

use crate::{
    cloud::{CLB, TestCloud, options},
    environment::FakeEnvironment,
    raw_server::{RawAnswer, RawServer},
};

const NO_SERVERS: &str = r#"{"BackendServers": {"BackendServer": []}}"#;

#[tokio::test]
async fn a_server_that_knows_the_secret_computes_the_same_signature() {
    let id = "lb *+~/example";
    let balancer = json!({"id": id, "listeners": [{"port": 80, "protocol": "tcp"}]});
    let cloud = TestCloud::start(json!({"loadBalancers": [balancer]})).await;
    cloud.client().await.health(id, 80, "tcp").await.expect("an answer");
    let call = &cloud.calls()[0];
    assert_eq!((call.method.as_str(), call.version.as_str()), ("POST", "2014-05-15"));
    assert_eq!(call.parameters["LoadBalancerId"], id);
    assert_eq!(call.parameters["RegionId"], "cn-example");
    assert_eq!(call.access_key_id.as_deref(), Some("LTAIexample"));
}

#[tokio::test]
async fn the_headers_say_who_signed_what() {
    let server = RawServer::start(vec![RawAnswer::http(200, NO_SERVERS)]).await;
    let environment = FakeEnvironment::with_access_key().at("2026-01-02T03:04:05Z");
    let clb = environment.connect_with(options(&server.http())).await.expect("a client");
    clb.health(CLB, 80, "tcp").await.expect("an answer");
    let request = &server.requests()[0];
    assert!(request.starts_with("POST /?"), "{request}");
    let headers = [
        "authorization: ACS3-HMAC-SHA256 Credential=LTAIexample,SignedHeaders=host;x-acs-",
        "x-acs-date: 2026-01-02T03:04:05Z\r\n",
        &format!("host: {}\r\n", server.authority),
    ];
    for header in headers {
        assert!(request.contains(header), "{header}: {request}");
    }
}

#[tokio::test]
async fn a_token_is_sent_and_signed_with_the_rest() {
    let balancer = json!({"id": CLB, "listeners": [{"port": 80, "protocol": "tcp"}]});
    let token = json!({
        "accessKeyId": "STS.1", "accessKeySecret": "secret-2", "securityToken": "token-1",
        "expiration": "2999-01-01T00:00:00Z", "arn": "acs:ram::1:assumed-role/clb/ann",
    });
    let cloud = TestCloud::start(json!({"loadBalancers": [balancer], "stsTokens": [token]})).await;
    let environment = FakeEnvironment::with_access_key()
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "STS.1")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-2");
    let without = cloud.connect(environment.clone()).await.expect("a client");
    let error = without.health(CLB, 80, "tcp").await.expect_err("no token");
    assert_eq!(error.kind, ErrorKind::Unauthorized, "{error}");
    let environment = environment.variable("ALIBABA_CLOUD_SECURITY_TOKEN", "token-1");
    let with = cloud.connect(environment).await.expect("a client");
    with.health(CLB, 80, "tcp").await.expect("an answer");
}

#[tokio::test]
async fn no_two_calls_have_the_same_nonce() {
    let balancer = json!({"id": CLB, "listeners": [{"port": 80, "protocol": "tcp"}]});
    let cloud = TestCloud::start(json!({"loadBalancers": [balancer]})).await;
    let clb = cloud.client().await;
    for _ in 0..3 {
        clb.health(CLB, 80, "tcp").await.expect("an answer");
    }
    // The double refuses a nonce that it has seen, and a read would then be repeated.
    let codes: Vec<_> = cloud.calls().into_iter().map(|call| call.code).collect();
    assert_eq!(codes, [None, None, None]);
}
