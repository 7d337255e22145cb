//! Credentials that others give: STS, the instance's metadata, a web server, a program.

use std::time::Duration;

use clbmigrate_clb::{ErrorKind, Options};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::{
    cloud::{CLB, TestCloud, options},
    environment::FakeEnvironment,
    raw_server::{RawAnswer, RawServer},
};

const CONFIG: &str = "/home/ann/.aliyun/config.json";
const FAR: &str = "2999-01-01T00:00:00Z";
const HUB: &str = "acs:ram::1000000000000001:role/hub";
const SPOKE: &str = "acs:ram::1000000000000001:role/spoke";
pub(crate) const GROUPS: &str = "DescribeVServerGroups";

/// A cloud with an empty CLB and these fields of the state.
pub(crate) async fn cloud(state: Value) -> TestCloud {
    let mut whole = json!({"loadBalancers": [{"id": CLB}]});
    whole.as_object_mut().expect("an object").extend(state.as_object().expect("state").clone());
    TestCloud::start(whole).await
}

/// An STS token that the cloud knows, or that was good until 2001.
pub(crate) fn sts_token(id: &str, is_good: bool) -> Value {
    json!({
        "accessKeyId": id, "accessKeySecret": "s", "securityToken": "t",
        "expiration": if is_good { FAR } else { "2001-01-01T00:00:00Z" },
        "arn": "acs:ram::1000000000000001:assumed-role/clb/ann",
    })
}

pub(crate) fn home(profiles: &Value) -> FakeEnvironment {
    let config = json!({"current": "prod", "profiles": profiles}).to_string();
    FakeEnvironment::default()
        .variable("HOME", "/home/ann")
        .variable("USERPROFILE", "/home/ann")
        .file(CONFIG, config)
}

#[tokio::test]
async fn a_chain_of_roles_is_assumed_one_after_the_other() {
    let cloud = cloud(json!({"roles": [
        {"arn": HUB, "trusts": ["LTAIexample"]}, {"arn": SPOKE},
    ]}))
    .await;
    let environment = home(&json!([
        {"name": "prod", "mode": "ChainableRamRoleArn", "source_profile": "hub",
         "ram_role_arn": SPOKE, "ram_session_name": "ann", "external_id": "x-1",
         "expired_seconds": 900, "region_id": "cn-example"},
        {"name": "hub", "mode": "RamRoleArn", "access_key_id": "LTAIexample",
         "access_key_secret": "secret-1", "ram_role_arn": HUB},
    ]));
    let clb = cloud.connect(environment).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    clb.groups(CLB).await.expect("groups");
    let issued = cloud.state().sts_tokens;
    let arns: Vec<&str> = issued.iter().map(|token| token.arn.as_str()).collect();
    assert!(arns[0].ends_with("assumed-role/hub/clbmigrate"), "{arns:?}");
    assert!(arns[1].ends_with("assumed-role/spoke/ann"), "{arns:?}");
    let (hub, spoke) = (issued[0].access_key_id.as_str(), issued[1].access_key_id.as_str());
    let signers = cloud.signers();
    let signers: Vec<_> = signers.iter().map(|(a, key)| (a.as_str(), key.as_str())).collect();
    assert_eq!(
        signers,
        [("AssumeRole", "LTAIexample"), ("AssumeRole", hub), (GROUPS, spoke), (GROUPS, spoke)]
    );
    let calls = cloud.calls();
    assert_eq!(calls[0].parameters["RoleSessionName"], "clbmigrate");
    assert_eq!(calls[0].parameters["DurationSeconds"], "3600");
    assert_eq!(calls[1].parameters["RoleSessionName"], "ann");
    assert_eq!(calls[1].parameters["DurationSeconds"], "900");
    assert_eq!(calls[1].parameters["ExternalId"], "x-1");
    assert_eq!(clb.source(), "profile \"prod\" of ~/.aliyun/config.json");
    assert_eq!(clb.credentials_valid_for(Duration::MAX), Some(true));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_told_with_the_profile_and_its_trust_policy() {
    let cloud = cloud(json!({"roles": [{"arn": SPOKE, "trusts": []}]})).await;
    let environment = home(&json!([{
        "name": "prod", "mode": "RamRoleArn", "access_key_id": "LTAIexample",
        "access_key_secret": "secret-1", "ram_role_arn": SPOKE, "region_id": "cn-example",
    }]));
    let error = cloud.connect(environment).await.expect_err("forbidden");
    assert_eq!(error.kind, ErrorKind::Forbidden);
    let request = &cloud.calls()[0].request_id;
    assert_eq!(
        error.to_string(),
        format!(
            "AssumeRole: profile \"prod\" of ~/.aliyun/config.json: You are not authorized to do \
             this action. You should be authorized by RAM. (NoPermission, request {request})"
        )
    );
    let hint = format!("trust policy of {SPOKE}");
    assert!(error.hints.iter().any(|line| line.contains(&hint)), "{:?}", error.hints);
}

#[tokio::test]
async fn a_pod_s_token_is_exchanged_without_a_signature() {
    let role = json!({"arn": SPOKE, "oidcProviderArn": "provider", "oidcTokens": ["jwt+1/2"]});
    let cloud = cloud(json!({"roles": [role]})).await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ROLE_ARN", SPOKE)
        .variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider")
        .variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/token")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
        .file("/var/run/token", "jwt+1/2\n");
    let clb = cloud.connect(environment).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    let spoke = cloud.state().sts_tokens[0].access_key_id.clone();
    let signers = cloud.signers();
    assert_eq!(signers[0], ("AssumeRoleWithOIDC".to_owned(), String::new()));
    assert_eq!(signers[1], (GROUPS.to_owned(), spoke));
    // The double has accepted the token, and says of it only that it was there.
    let parameters = &cloud.calls()[0].parameters;
    assert_eq!(parameters["OIDCToken"], "***");
    assert_eq!(parameters["OIDCProviderArn"], "provider");
}

#[tokio::test]
async fn an_instance_gives_its_role_s_keys_and_its_region() {
    for only in ["tokensOnly", "withoutTokens"] {
        let cloud = cloud(json!({"metadata": {"role": "node-role", only: true}})).await;
        let clb = cloud.connect(FakeEnvironment::default()).await.expect("a client");
        assert_eq!((clb.region(), clb.source()), ("cn-example", "role of this ECS instance"));
        clb.groups(CLB).await.expect("groups");
        let issued = cloud.state().sts_tokens;
        assert!(issued[0].arn.ends_with("assumed-role/node-role/instance"), "{}", issued[0].arn);
        assert_eq!(cloud.signers(), [(GROUPS.to_owned(), issued[0].access_key_id.clone())]);
    }
}

#[tokio::test]
async fn metadata_without_tokens_are_not_asked_where_that_is_forbidden() {
    let server = RawServer::start(vec![RawAnswer::http(404, "no tokens here")]).await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example");
    let options =
        Options { metadata_endpoint: Some(server.http()), ..options("http://127.0.0.1:1") };
    let error = environment.connect_with(options).await.expect_err("no token");
    assert!(error.message.contains("the metadata give no token (HTTP 404)"), "{error}");
    let requests = server.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].starts_with("PUT /latest/api/token "), "{requests:?}");
    let lifetime = "x-aliyun-ecs-metadata-token-ttl-seconds: 21600\r\n";
    assert!(requests[0].contains(lifetime), "{requests:?}");
}

#[tokio::test]
async fn metadata_without_tokens_are_not_asked_for_the_region_either() {
    let keys = json!({
        "Code": "Success", "AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t",
        "Expiration": FAR,
    });
    let answers = [(200, "token"), (200, "node-role"), (200, &keys.to_string()), (404, "")];
    let answers = answers.map(|(status, body)| RawAnswer::http(status, body));
    let server = RawServer::start(answers.into()).await;
    let environment = FakeEnvironment::default().variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true");
    let options =
        Options { metadata_endpoint: Some(server.http()), ..options("http://127.0.0.1:1") };
    let error = environment.connect_with(options).await.expect_err("no token");
    assert!(error.message.contains("the metadata give no token (HTTP 404)"), "{error}");
    let requests = server.requests();
    assert_eq!(requests.len(), 4, "{requests:?}");
    assert!(requests[3].starts_with("PUT /latest/api/token "), "{requests:?}");
}

#[tokio::test]
async fn where_nothing_is_found_every_place_is_told_the_instance_too() {
    let cloud = cloud(json!({"metadata": {"role": null}})).await;
    let environment = FakeEnvironment::default()
        .variable("HOME", "/home/ann")
        .variable("USERPROFILE", "/home/ann");
    let error = cloud.connect(environment).await.expect_err("nothing");
    assert_eq!(error.kind, ErrorKind::NoCredentials);
    assert_eq!(
        error.message,
        "no credentials for the CLB API (~/.aliyun/config.json: no such file; \
         environment: no ALIBABA_CLOUD_ACCESS_KEY_ID; ~/.alibabacloud/credentials: no such file; \
         role of this ECS instance: this ECS instance has no RAM role)"
    );
}

/// What a web server of credentials answers.
fn printed(id: &str) -> RawAnswer {
    let credentials = json!({
        "AccessKeyId": id, "AccessKeySecret": "s", "SecurityToken": "t", "Expiration": FAR,
        "Code": "Success",
    });
    RawAnswer::http(200, &credentials.to_string())
}

/// An environment with that server's address.
fn credentials_uri(server: &RawServer) -> FakeEnvironment {
    FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_CREDENTIALS_URI", &format!("{}/keys?code=hunter2", server.http()))
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
}

#[tokio::test]
async fn keys_that_the_cloud_calls_expired_are_renewed_once() {
    let tokens = [sts_token("STS.1", false), sts_token("STS.2", true)];
    let cloud = cloud(json!({"stsTokens": tokens})).await;
    let server = RawServer::start(vec![printed("STS.1"), printed("STS.2")]).await;
    let clb = cloud.connect(credentials_uri(&server)).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    let signers: Vec<String> = cloud.signers().into_iter().map(|(_, key)| key).collect();
    assert_eq!(signers, ["STS.1", "STS.2"]);
    assert_eq!(cloud.calls()[0].code.as_deref(), Some("InvalidSecurityToken.Expired"));
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_server_of_keys_that_fails_is_told_without_its_query_and_content() {
    let wrong = json!({"AccessKeyId": 5, "x": "hunter2"}).to_string();
    for answer in [RawAnswer::http(500, "hunter2"), RawAnswer::http(200, &wrong)] {
        let server = RawServer::start(vec![answer]).await;
        let environment = credentials_uri(&server);
        let error = environment.connect_with(options("http://127.0.0.1:1")).await;
        let error = error.expect_err("no keys");
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(error.message.contains("credentials of 127.0.0.1/keys"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_server_of_keys_that_reports_a_failure_gives_none() {
    let answer = json!({
        "Code": "Failed", "AccessKeyId": "STS.1", "AccessKeySecret": "s", "SecurityToken": "t",
    });
    let server = RawServer::start(vec![RawAnswer::http(200, &answer.to_string())]).await;
    let error = credentials_uri(&server).connect_with(options("http://127.0.0.1:1")).await;
    let error = error.expect_err("no keys");
    assert_eq!(error.kind, ErrorKind::Credentials);
    assert!(error.message.ends_with("its code is not Success"), "{error}");
}

#[tokio::test]
async fn a_server_of_keys_that_is_silent_ends_with_the_operation_and_loses_no_write() {
    let server = RawServer::start(vec![RawAnswer::Silence]).await;
    let operation_timeout = Duration::from_millis(500);
    let options = Options { operation_timeout, ..options("http://127.0.0.1:1") };
    let began = Instant::now();
    let error = credentials_uri(&server).connect_with(options).await.expect_err("no keys");
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(!error.is_lost_answer() && error.is_transient(), "{error:?}");
}

#[tokio::test]
async fn neither_keys_nor_calls_go_over_http_to_another_machine() {
    let uri = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_CREDENTIALS_URI", "http://keys.example.com/x?code=hunter2")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example");
    let error = uri.connect_with(options("http://127.0.0.1:1")).await.expect_err("keys in clear");
    assert!(
        error.message.ends_with("the credentials URI: http:// would send tokens in clear"),
        "{error}"
    );
    let keys = FakeEnvironment::with_access_key;
    let elsewhere = Some("http://sts.example.com".to_owned());
    let cases = [
        (keys(), options("http://slb.example.com"), "(--clb-endpoint)"),
        (
            keys().variable("ALIBABA_CLOUD_ENDPOINT", "http://slb.example.com"),
            Options { endpoint: None, ..options("") },
            "(environment ALIBABA_CLOUD_ENDPOINT)",
        ),
        (
            keys(),
            Options { sts_endpoint: elsewhere.clone(), ..options("http://127.0.0.1:1") },
            "CLBMIGRATE_STS_ENDPOINT",
        ),
        (
            keys(),
            Options { metadata_endpoint: elsewhere, ..options("http://127.0.0.1:1") },
            "CLBMIGRATE_METADATA_ENDPOINT",
        ),
    ];
    for (environment, options, origin) in cases {
        let error = environment.connect_with(options.clone()).await.expect_err("tokens in clear");
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.message.contains(origin), "{error}");
        assert!(error.hints[1].contains("CLBMIGRATE_ALLOW_HTTP"), "{:?}", error.hints);
        let allowing = environment.variable("CLBMIGRATE_ALLOW_HTTP", "true");
        allowing.connect_with(options).await.expect("allowed");
    }
}

#[tokio::test]
async fn the_cli_s_sts_endpoint_is_asked_over_https() {
    let cloud = cloud(json!({"roles": [{"arn": SPOKE}]})).await;
    let sts = format!("http://{}/", cloud.https().expect("HTTPS"));
    let role = json!({
        "name": "prod", "mode": "RamRoleArn", "access_key_id": "LTAIexample",
        "access_key_secret": "secret-1", "ram_role_arn": SPOKE, "region_id": "cn-example",
    });
    let mut with_endpoint = role.clone();
    with_endpoint["sts_endpoint"] = json!(sts);
    let authority = cloud.ca_pem().expect("an authority");
    let environments = [
        home(&json!([role])).variable("ALIBABA_CLOUD_STS_ENDPOINT", &sts),
        home(&json!([with_endpoint])).variable("ALIBABA_CLOUD_STS_ENDPOINT", "127.0.0.1:1"),
    ];
    for environment in environments {
        let environment = environment.file("/ca.pem", authority);
        let options = Options { sts_endpoint: None, ca: Some("/ca.pem".into()), ..cloud.options() };
        let clb = environment.connect_with(options).await.expect("a client");
        assert!(clb.account().await.expect("an account").arn.contains("assumed-role/spoke/"));
    }
}

#[tokio::test]
async fn a_region_that_nobody_tells_is_an_error_with_the_ways_to_tell_it() {
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIexample")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s");
    let error = environment.connect_with(options("http://127.0.0.1:1")).await;
    let error = error.expect_err("no region");
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.hints[0].contains("--clb-region"), "{:?}", error.hints);
}

#[tokio::test]
async fn sts_and_metadata_can_be_elsewhere() {
    let cloud = cloud(json!({"metadata": {"role": "node-role"}})).await;
    let given = cloud.options();
    let environment = FakeEnvironment::default()
        .variable("CLBMIGRATE_STS_ENDPOINT", given.sts_endpoint.as_deref().expect("STS"))
        .variable("CLBMIGRATE_METADATA_ENDPOINT", given.metadata_endpoint.as_deref().expect("one"));
    let options = Options { sts_endpoint: None, metadata_endpoint: None, ..given };
    let clb = environment.clone().connect_with(options.clone()).await.expect("a client");
    assert_eq!(clb.account().await.expect("an account").id, "1000000000000001");
    let wrong = environment.variable("CLBMIGRATE_STS_ENDPOINT", "ftp://sts");
    let error = wrong.connect_with(options).await.expect_err("no endpoint");
    assert!(error.message.contains("CLBMIGRATE_STS_ENDPOINT"), "{error}");
}
