use std::{
    collections::VecDeque,
    sync::{Arc, Mutex as SyncMutex},
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request};
use serde_json::json;

use super::*;
use crate::{
    Environment,
    endpoint::Endpoint,
    net::{HttpClient, HttpResponse},
    rpc::RpcClient,
    testing::FakeEnvironment,
};

/// Answers that are given one after the other; then there is no connection any more.
struct ScriptedHttp(SyncMutex<VecDeque<String>>);

impl HttpClient for ScriptedHttp {
    fn send(&self, _: Request<Bytes>, _: Duration) -> BoxFuture<'_, Result<HttpResponse, Error>> {
        let next = self.0.lock().expect("a script").pop_front();
        Box::pin(async move {
            let body = next.ok_or_else(|| Error::new(ErrorKind::Unreachable, "nobody there"))?;
            Ok(HttpResponse::new(200, &HeaderMap::new(), body.into()))
        })
    }
}

/// The answer of a credentials URI, with an expiry this many seconds after the start of the test.
fn credentials(id: &str, seconds: i64) -> String {
    let end = FakeEnvironment::new().now() + SignedDuration::from_secs(seconds);
    json!({
        "Code": "Success", "AccessKeyId": id, "AccessKeySecret": "s", "SecurityToken": "t",
        "Expiration": end.to_string(),
    })
    .to_string()
}

fn cache(provider: Provider, answers: &[String]) -> (CredentialsCache, Arc<FakeEnvironment>) {
    let environment = Arc::new(FakeEnvironment::new());
    let http = ScriptedHttp(SyncMutex::new(answers.iter().cloned().collect()));
    let rpc = RpcClient {
        http: Arc::new(http),
        environment: Arc::clone(&environment) as _,
        timeout: Duration::from_secs(1),
    };
    let resolver =
        CredentialsResolver { rpc: Arc::new(rpc), sts: None, metadata: Endpoint::metadata() };
    (CredentialsCache::new(provider, "a test".to_owned(), resolver), environment)
}

fn from_server(answers: &[String]) -> (CredentialsCache, Arc<FakeEnvironment>) {
    cache(Provider::Uri("http://keys.example/".to_owned()), answers)
}

async fn id(cache: &CredentialsCache) -> Result<String, Error> {
    cache
        .credentials(Instant::now() + Duration::from_secs(1))
        .await
        .map(|credentials| credentials.id)
}

#[tokio::test]
async fn keys_are_kept_until_shortly_before_their_end() {
    let (cache, environment) =
        from_server(&[credentials("first", 1000), credentials("second", 2000)]);
    assert_eq!(id(&cache).await.expect("credentials"), "first");
    environment.advance_clock(819);
    assert_eq!(id(&cache).await.expect("credentials"), "first");
    environment.advance_clock(1);
    assert_eq!(id(&cache).await.expect("credentials"), "second");
}

#[tokio::test]
async fn a_renewal_that_fails_does_no_harm_while_the_keys_last() {
    let (cache, environment) = from_server(&[credentials("first", 1000)]);
    assert_eq!(id(&cache).await.expect("credentials"), "first");
    environment.advance_clock(900);
    assert_eq!(id(&cache).await.expect("credentials"), "first");
    environment.advance_clock(100);
    let error = id(&cache).await.expect_err("they have ended");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.starts_with("a test: "), "{error}");
}

#[tokio::test]
async fn keys_that_have_ended_already_are_not_used() {
    let (cache, _) = from_server(&[credentials("old", -5)]);
    let error = id(&cache).await.expect_err("expired");
    assert_eq!(error.kind, ErrorKind::Expired);
}

#[tokio::test]
async fn who_has_keys_that_end_is_told_whether_they_last() {
    let mut written = Credentials::new("id", "s");
    let (unlimited, _) = cache(Provider::Static(written.clone()), &[]);
    assert_eq!(unlimited.credentials_valid_for(Duration::MAX).await, Some(true));
    written.token = Some("t".into());
    let (unknown, _) = cache(Provider::Static(written.clone()), &[]);
    assert_eq!(unknown.credentials_valid_for(Duration::ZERO).await, None);
    written.expires = Some(FakeEnvironment::new().now() + SignedDuration::from_secs(600));
    let (ending, environment) = cache(Provider::Static(written), &[]);
    assert_eq!(ending.credentials_valid_for(Duration::from_secs(599)).await, Some(true));
    assert_eq!(ending.credentials_valid_for(Duration::from_secs(600)).await, Some(false));
    environment.advance_clock(600);
    assert_eq!(ending.credentials_valid_for(Duration::ZERO).await, Some(false));
    let (renewed, _) = from_server(&[]);
    assert_eq!(renewed.credentials_valid_for(Duration::MAX).await, Some(true));
}

#[tokio::test]
async fn refused_keys_are_thrown_away_where_others_can_be_had() {
    let (cache, _) = from_server(&[credentials("first", 1000), credentials("second", 1000)]);
    let first =
        cache.credentials(Instant::now() + Duration::from_secs(1)).await.expect("credentials");
    assert!(cache.invalidate(&first).await);
    assert_eq!(id(&cache).await.expect("credentials"), "second");
    assert!(cache.invalidate(&first).await);
    assert_eq!(id(&cache).await.expect("credentials"), "second", "those were not the refused ones");
}
