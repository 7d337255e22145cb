//! Keys that others give: STS, the instance's metadata, a server, a program.

use std::sync::Mutex;

use clbmigrate_clb::{ErrorKind, Options};
use serde_json::{Value, json};

use crate::{
    environment::{FakeEnvironment, options},
    server::{Reply, Seen, Server},
};

const CONFIG: &str = "/home/ann/.aliyun/config.json";
const FAR: &str = "2999-01-01T00:00:00Z";

fn keys(id: &str) -> Value {
    json!({
        "AccessKeyId": id, "AccessKeySecret": format!("secret of {id}"),
        "SecurityToken": format!("token of {id}"), "Expiration": FAR, "Code": "Success",
    })
}

fn groups() -> Reply {
    Reply::ok(json!({"VServerGroups": {"VServerGroup": []}}))
}

/// STS and CLB API at once: each role's keys are named after it.
fn cloud(seen: &Seen) -> Reply {
    match seen.action() {
        "AssumeRole" => Reply::ok(json!({"Credentials": keys(seen.parameter("RoleArn"))})),
        "AssumeRoleWithOIDC" => Reply::ok(json!({"Credentials": keys(&seen.form["RoleArn"])})),
        _ => groups(),
    }
}

fn home(profiles: &Value) -> FakeEnvironment {
    let config = json!({"current": "prod", "profiles": profiles}).to_string();
    FakeEnvironment::default()
        .variable("HOME", "/home/ann")
        .variable("USERPROFILE", "/home/ann")
        .file(CONFIG, config)
}

/// Whose key has signed a request.
fn signer(seen: &Seen) -> &str {
    let authorization = seen.headers.get("authorization").map(String::as_str).unwrap_or_default();
    authorization.split("Credential=").nth(1).and_then(|rest| rest.split(',').next()).unwrap_or("")
}

#[tokio::test]
async fn a_chain_of_roles_is_assumed_one_after_the_other() {
    let server = Server::start(cloud).await;
    let environment = home(&json!([
        {"name": "prod", "mode": "ChainableRamRoleArn", "source_profile": "hub", "ram_role_arn": "role-2",
         "ram_session_name": "ann", "external_id": "x-1", "expired_seconds": 900, "region_id": "cn-example"},
        {"name": "hub", "mode": "RamRoleArn", "access_key_id": "LTAIexample", "access_key_secret": "s",
         "ram_role_arn": "role-1"},
    ]));
    let clb = environment.connect(&server).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
    clb.groups("lb-bp1example").await.expect("groups");
    let seen = server.seen();
    let calls: Vec<_> = seen.iter().map(|seen| (seen.action(), signer(seen))).collect();
    assert_eq!(
        calls,
        [
            ("AssumeRole", "LTAIexample"),
            ("AssumeRole", "role-1"),
            ("DescribeVServerGroups", "role-2"),
            ("DescribeVServerGroups", "role-2"),
        ]
    );
    assert_eq!(seen[0].parameter("RoleSessionName"), "clbmigrate");
    assert_eq!(seen[0].parameter("DurationSeconds"), "3600");
    assert_eq!(seen[1].parameter("RoleSessionName"), "ann");
    assert_eq!(seen[1].parameter("DurationSeconds"), "900");
    assert_eq!(seen[1].parameter("ExternalId"), "x-1");
    assert_eq!(seen[2].headers["x-acs-security-token"], "token of role-2");
    assert_eq!(clb.source(), "profile \"prod\" of ~/.aliyun/config.json");
    assert_eq!(clb.credentials_valid_for(std::time::Duration::MAX).await, Some(true));
}

#[tokio::test]
async fn a_role_that_may_not_be_assumed_is_told_with_the_profile_and_its_trust_policy() {
    let server =
        Server::start(|_| Reply::refusal(403, "NoPermission", "You are not authorized.")).await;
    let environment = home(&json!([{
        "name": "prod", "mode": "RamRoleArn", "access_key_id": "LTAIexample", "access_key_secret": "s",
        "ram_role_arn": "acs:ram::1:role/x", "region_id": "cn-example",
    }]));
    let error = environment.connect(&server).await.expect_err("forbidden");
    assert_eq!(error.kind, ErrorKind::Forbidden);
    assert_eq!(
        error.to_string(),
        "AssumeRole: profile \"prod\" of ~/.aliyun/config.json: You are not authorized. \
         (NoPermission, request R-1)"
    );
    assert!(error.hints.iter().any(|hint| hint.contains("trust policy of acs:ram::1:role/x")));
}

#[tokio::test]
async fn a_pod_s_token_is_exchanged_without_a_signature() {
    let server = Server::start(cloud).await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ROLE_ARN", "pod-role")
        .variable("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "provider")
        .variable("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/run/token")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
        .file("/var/run/token", "jwt+1/2\n");
    let clb = environment.connect(&server).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
    let seen = server.seen();
    assert_eq!((seen[0].action(), signer(&seen[0])), ("AssumeRoleWithOIDC", ""));
    assert_eq!(seen[0].form["OIDCToken"], "jwt+1/2");
    assert_eq!(seen[0].form["OIDCProviderArn"], "provider");
    assert_eq!(seen[0].headers["content-type"], "application/x-www-form-urlencoded");
    assert_eq!(signer(&seen[1]), "pod-role");
}

/// An instance's metadata, with or without tokens, and the CLB API beside them.
fn instance(seen: &Seen, v2: bool) -> Reply {
    const ROLES: &str = "/latest/meta-data/ram/security-credentials/";
    let token = seen.headers.get("x-aliyun-ecs-metadata-token").map(String::as_str);
    match (seen.path.as_str(), token) {
        ("/", _) => groups(),
        ("/latest/api/token", _) if v2 && seen.method == "PUT" => Reply::Text(200, "token-1"),
        (_, None) if v2 => Reply::Text(403, "no token"),
        (_, Some(_)) if !v2 => Reply::Text(400, "what is that?"),
        (ROLES, _) => Reply::Text(200, "node-role\n"),
        ("/latest/meta-data/region-id", _) => Reply::Text(200, "cn-example"),
        (path, _) if path.ends_with("/node-role") => Reply::ok(keys("STS.node")),
        _ => Reply::Text(404, "no such thing"),
    }
}

#[tokio::test]
async fn an_instance_gives_its_role_s_keys_and_its_region() {
    for v2 in [true, false] {
        let server = Server::start(move |seen| instance(seen, v2)).await;
        let clb = FakeEnvironment::default().connect(&server).await.expect("a client");
        assert_eq!((clb.region(), clb.source()), ("cn-example", "role of this ECS instance"));
        clb.groups("lb-bp1example").await.expect("groups");
        let seen = server.seen();
        assert_eq!(signer(seen.last().expect("a call")), "STS.node");
        assert_eq!(seen[0].headers["x-aliyun-ecs-metadata-token-ttl-seconds"], "21600");
    }
}

#[tokio::test]
async fn metadata_without_tokens_are_not_asked_where_that_is_forbidden() {
    let server = Server::start(|seen| instance(seen, false)).await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_IMDSV1_DISABLED", "true")
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example");
    let error = environment.connect(&server).await.expect_err("no token");
    assert!(error.message.contains("the metadata give no token (HTTP 404)"), "{error}");
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn where_nothing_is_found_every_place_is_told_the_instance_too() {
    let server = Server::start(|_| Reply::Text(404, "")).await;
    let environment = FakeEnvironment::default()
        .variable("HOME", "/home/ann")
        .variable("USERPROFILE", "/home/ann");
    let error = environment.connect(&server).await.expect_err("nothing");
    assert_eq!(error.kind, ErrorKind::NoCredentials);
    assert_eq!(
        error.message,
        "no credentials for the CLB API (~/.aliyun/config.json: no such file; \
         environment: no ALIBABA_CLOUD_ACCESS_KEY_ID; ~/.alibabacloud/credentials: no such file; \
         role of this ECS instance: this ECS instance has no RAM role)"
    );
}

#[tokio::test]
async fn keys_that_the_cloud_calls_expired_are_renewed_once() {
    let given = Mutex::new(0);
    let server = Server::start(move |seen| {
        if seen.path == "/keys" {
            let mut given = given.lock().expect("a number");
            *given += 1;
            return Reply::ok(keys(&format!("STS.{given}")));
        }
        if signer(seen) == "STS.1" {
            return Reply::refusal(400, "InvalidSecurityToken.Expired", "expired");
        }
        groups()
    })
    .await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_CREDENTIALS_URI", &format!("{}/keys?code=hidden", server.http()))
        .variable("ALIBABA_CLOUD_REGION_ID", "cn-example");
    let clb = environment.connect(&server).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
    let signers: Vec<_> = server.seen().iter().map(|seen| signer(seen).to_owned()).collect();
    assert_eq!(signers, ["", "STS.1", "", "STS.2"]);
}

#[tokio::test]
async fn a_server_of_keys_that_fails_is_told_without_its_query_and_content() {
    let bodies =
        [Reply::Text(500, "hunter2"), Reply::ok(json!({"AccessKeyId": 5, "x": "hunter2"}))];
    for reply in bodies {
        let server = Server::script(vec![reply]).await;
        let environment = FakeEnvironment::default()
            .variable(
                "ALIBABA_CLOUD_CREDENTIALS_URI",
                &format!("{}/keys?code=hunter2", server.http()),
            )
            .variable("ALIBABA_CLOUD_REGION_ID", "cn-example");
        let error = environment.connect(&server).await.expect_err("no keys");
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(error.message.contains("credentials of 127.0.0.1/keys"), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[tokio::test]
async fn a_region_that_nobody_tells_is_an_error_with_the_ways_to_tell_it() {
    let server = Server::start(cloud).await;
    let environment = FakeEnvironment::default()
        .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIexample")
        .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s");
    let error = environment.connect(&server).await.expect_err("no region");
    assert_eq!(error.kind, ErrorKind::Usage);
    assert!(error.hints[0].contains("--clb-region"), "{:?}", error.hints);
}

#[tokio::test]
async fn sts_and_metadata_can_be_elsewhere() {
    let server = Server::start(|seen| match seen.action() {
        "GetCallerIdentity" => Reply::ok(json!({"AccountId": "1000000000000001"})),
        _ => instance(seen, true),
    })
    .await;
    let options = Options { sts_endpoint: None, metadata_endpoint: None, ..options(&server) };
    let environment = FakeEnvironment::default()
        .variable("CLBMIGRATE_STS_ENDPOINT", &server.http())
        .variable("CLBMIGRATE_METADATA_ENDPOINT", &server.http());
    let clb = environment.clone().connect_with(options.clone()).await.expect("a client");
    assert_eq!(clb.account().await.expect("an account").id, "1000000000000001");
    let wrong = environment.variable("CLBMIGRATE_STS_ENDPOINT", "ftp://sts");
    let error = wrong.connect_with(options).await.expect_err("no endpoint");
    assert!(error.message.contains("CLBMIGRATE_STS_ENDPOINT"), "{error}");
}

/// A profile whose keys a shell prints.
#[cfg(unix)]
fn external(script: &str) -> FakeEnvironment {
    home(&json!([{
        "name": "prod", "mode": "External", "process_command": format!("sh -c '{script}'"),
        "region_id": "cn-example",
    }]))
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_prints_keys_as_the_cli_expects_them() {
    let server = Server::start(cloud).await;
    let environment = external(
        r#"echo "{\"mode\": \"StsToken\", \"access_key_id\": \"STS.p\", \"access_key_secret\": \"s\", \"sts_token\": \"t\"}""#,
    );
    let clb = environment.connect_with(options(&server)).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
    let seen = &server.seen()[0];
    assert_eq!((signer(seen), seen.headers["x-acs-security-token"].as_str()), ("STS.p", "t"));
}

#[cfg(unix)]
#[tokio::test]
async fn a_program_that_fails_is_told_by_what_it_complains_of_and_not_by_what_it_prints() {
    let server = Server::start(cloud).await;
    let cases = [
        ("echo hunter2; echo no agent >&2; exit 3", "failed with exit status: 3: no agent"),
        ("echo hunter2", "the credential program sh printed no profile with keys: expected value"),
        ("exec /no/such/program", "failed with exit status: 127"),
    ];
    for (script, why) in cases {
        let error = external(script).connect(&server).await.expect_err("no keys");
        assert_eq!(error.kind, ErrorKind::Credentials);
        assert!(error.message.contains("the credential program sh "), "{error}");
        assert!(error.message.contains(why), "{error}");
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}
