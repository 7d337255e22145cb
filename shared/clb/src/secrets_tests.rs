//! No debug output of any type that holds a secret shows it.

use std::{fmt::Debug, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request};
use secrecy::SecretString;
use serde_json::json;
use tokio::{sync::Mutex, time::Instant};

use crate::{
    ClbClient, Error, ErrorKind, Options,
    credentials::Credentials,
    endpoint::Endpoint,
    net::{HttpClient, HttpResponse},
    provider::{Provider, Role, Sts, discover},
    rpc::{Action, Authentication, Call, RpcClient},
    testing::FakeEnvironment,
};

/// A part of every secret of these tests.
const SECRET: &str = "hunter2";

fn assert_hidden(what: &dyn Debug) {
    for text in [format!("{what:?}"), format!("{what:#?}")] {
        // A debug output of bytes or of escaped text would still have it.
        assert!(!text.contains(SECRET), "{text}");
    }
}

fn credentials() -> Credentials {
    let mut credentials = Credentials::new("LTAIexample", "secret-hunter2");
    credentials.token = Some("token-hunter2".into());
    credentials
}

/// A profile with a secret in every field that may hold one.
fn profile(mode: &str) -> serde_json::Value {
    json!({
        "name": "prod", "mode": mode, "access_key_id": "LTAIexample",
        "access_key_secret": "hunter2", "sts_token": "hunter2", "ram_role_arn": "role",
        "process_command": "get --password hunter2", "private_key": "hunter2",
        "credentials_uri": "http://127.0.0.1/keys?code=hunter2", "bearer_token": "hunter2",
        "oidc_provider_arn": "p", "oidc_token_file": "/token", "ram_role_name": "node",
        "sts_expiration": 4_000_000_000_u32, "region_id": "cn-example", "source_profile": "base",
    })
}

fn environment(mode: &str) -> FakeEnvironment {
    let mut base = profile("AK");
    base["name"] = json!("base");
    let file = json!({"current": "prod", "profiles": [profile(mode), base]});
    FakeEnvironment::new()
        .file("/home/ann/.aliyun/config.json", file.to_string())
        .file("/token", "jwt-hunter2")
}

#[test]
fn what_is_found_shows_no_secret_in_any_mode() {
    let modes = [
        "",
        "AK",
        "StsToken",
        "RamRoleArn",
        "ChainableRamRoleArn",
        "EcsRamRole",
        "OIDC",
        "External",
        "CredentialsURI",
        "CloudSSO",
        "OAuth",
    ];
    for mode in modes {
        let found = discover(&Options::default(), &environment(mode)).expect("credentials");
        assert_hidden(&found);
        assert_hidden(&found.provider);
    }
    for mode in ["RsaKeyPair", "BearerToken", "hunter"] {
        assert_hidden(&discover(&Options::default(), &environment(mode)).expect_err("unsupported"));
    }
}

#[test]
fn providers_and_credentials_show_no_secret() {
    let role = Role {
        arn: "role".to_owned(),
        session: "s".to_owned(),
        external_id: None,
        seconds: 1,
        sts: Sts::default(),
    };
    let from = Box::new(Provider::Process("get hunter2".into()));
    let providers = [
        Provider::Static(credentials()),
        Provider::AssumeRole { from, role },
        Provider::Uri("http://ann:hunter2@keys/?code=hunter2".into()),
        Provider::Process("get --password hunter2".into()),
    ];
    for provider in &providers {
        assert_hidden(provider);
    }
    assert_hidden(&credentials());
}

#[test]
fn calls_and_answers_show_no_secret() {
    let endpoint = Endpoint::slb("cn-example", false);
    let token = SecretString::from("jwt-hunter2");
    let signing = credentials();
    let authentications = [
        Authentication::Anonymous { hidden: &token },
        Authentication::Signature { credentials: &signing, source: "a test" },
    ];
    for authentication in authentications {
        assert_hidden(&authentication);
        assert_hidden(&Call {
            action: Action::sts("AssumeRoleWithOIDC"),
            endpoint: &endpoint,
            parameters: vec![("OIDCToken".to_owned(), "jwt-hunter2".to_owned())],
            authentication,
        });
    }
    assert_hidden(&HttpResponse::new(200, &HeaderMap::new(), "hunter2".into()));
}

/// Takes the head of every request, and answers with the keys of a role.
#[derive(Default)]
struct RecordingHttp(Mutex<Vec<http::request::Parts>>);

impl HttpClient for RecordingHttp {
    fn send(
        &self,
        request: Request<Bytes>,
        _: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Error>> {
        Box::pin(async move {
            let path = request.uri().path().to_owned();
            self.0.lock().await.push(request.into_parts().0);
            let body = match path.as_str() {
                "/latest/api/token" => "imds-hunter2".to_owned(),
                "/" => json!({"VServerGroups": {"VServerGroup": []}, "TotalCount": 0}).to_string(),
                _ => json!({
                    "Code": "Success", "AccessKeyId": "STS.1", "AccessKeySecret": "hunter2",
                    "SecurityToken": "token-hunter2", "Expiration": "2999-01-01T00:00:00Z",
                })
                .to_string(),
            };
            Ok(HttpResponse::new(200, &HeaderMap::new(), body.into()))
        })
    }
}

#[tokio::test]
async fn headers_with_secrets_are_marked_and_the_client_shows_none() {
    let http = Arc::new(RecordingHttp::default());
    let options = Options::default();
    let environment = Arc::new(environment("EcsRamRole"));
    let clb = ClbClient::connect_over_http(options, environment, Arc::clone(&http) as _)
        .await
        .expect("a client");
    // The answer's shape does not matter here.
    let _ = clb.groups("lb-bp1example").await;
    assert_hidden(&clb);
    let heads = http.0.lock().await;
    let marked: Vec<&str> = heads
        .iter()
        .flat_map(|head| head.headers.iter())
        .filter(|(_, value)| value.is_sensitive())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(
        marked,
        ["x-aliyun-ecs-metadata-token", "authorization", "x-acs-security-token"],
        "{heads:?}"
    );
    assert_hidden(&*heads);
}

#[tokio::test]
async fn an_error_that_repeats_what_was_sent_is_masked() {
    struct Echo;
    impl HttpClient for Echo {
        fn send(
            &self,
            _: Request<Bytes>,
            _: Duration,
        ) -> BoxFuture<'_, Result<HttpResponse, Error>> {
            let body =
                json!({"Code": "X", "Message": "secret-hunter2 and token-hunter2"}).to_string();
            Box::pin(async move { Ok(HttpResponse::new(400, &HeaderMap::new(), body.into())) })
        }
    }
    let rpc = RpcClient {
        http: Arc::new(Echo),
        environment: Arc::new(FakeEnvironment::new()),
        timeout: Duration::from_secs(1),
    };
    let endpoint = Endpoint::slb("cn-example", false);
    let credentials = credentials();
    let authentication = Authentication::Signature { credentials: &credentials, source: "a test" };
    let action = Action::read("DescribeVServerGroups");
    let call = Call { action, endpoint: &endpoint, parameters: Vec::new(), authentication };
    let deadline = Instant::now() + Duration::from_secs(1);
    let error = rpc.call(&call, deadline).await.expect_err("refused");
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Refused, "*** and ***"));
    assert_hidden(&error);
}
