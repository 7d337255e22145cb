use std::{
    collections::VecDeque,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, Request};
use rstest::rstest;
use serde_json::json;
use tokio::time::sleep;

use super::*;
use crate::{
    Environment,
    endpoint::Endpoint,
    error::timed_out,
    net::{HttpClient, HttpResponse},
    provider::{Role, Sts},
    rpc::RpcClient,
    testing::{FakeEnvironment, HANGING_PROGRAM},
};

/// What a request meets.
#[derive(Debug, Clone)]
enum Met {
    /// A 200 with this body.
    Answer(String),
    /// Nobody listens.
    Nobody,
    /// No answer, until the time limit of the request.
    Silence,
    /// No answer, and the time limit is not kept.
    Hang,
}

/// What requests meet, one after the other; after that there is no connection any more.
struct ScriptedHttp {
    script: SyncMutex<VecDeque<Met>>,
    requests: AtomicUsize,
}

impl HttpClient for ScriptedHttp {
    fn send(
        &self,
        _: Request<Bytes>,
        within: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Error>> {
        self.requests.fetch_add(1, Ordering::Relaxed);
        let next = self.script.lock().expect("a script").pop_front().unwrap_or(Met::Nobody);
        Box::pin(async move {
            match next {
                Met::Answer(body) => Ok(HttpResponse::new(200, &HeaderMap::new(), body.into())),
                Met::Nobody => Err(Error::new(ErrorKind::Unreachable, "nobody there")),
                Met::Silence => {
                    sleep(within).await;
                    Err(timed_out("keys.example", within))
                }
                Met::Hang => pending().await,
            }
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
    let (cache, environment, _) = scripted(provider, answers.iter().cloned().map(Met::Answer));
    (cache, environment)
}

fn scripted(
    provider: Provider,
    script: impl IntoIterator<Item = Met>,
) -> (CredentialsCache, Arc<FakeEnvironment>, Arc<ScriptedHttp>) {
    let environment = FakeEnvironment::new().file("/token", "jwt");
    let environment = Arc::new(environment);
    let http = Arc::new(ScriptedHttp {
        script: SyncMutex::new(script.into_iter().collect()),
        requests: AtomicUsize::default(),
    });
    let rpc = RpcClient {
        http: Arc::clone(&http) as _,
        environment: Arc::clone(&environment) as _,
        timeout: Duration::from_secs(20),
    };
    let resolver =
        CredentialsResolver { rpc: Arc::new(rpc), sts: None, metadata: Endpoint::metadata() };
    (CredentialsCache::new(provider, "a test".to_owned(), resolver), environment, http)
}

fn uri() -> Provider {
    Provider::Uri("https://keys.example/".into())
}

fn from_server(answers: &[String]) -> (CredentialsCache, Arc<FakeEnvironment>) {
    cache(uri(), answers)
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
    assert_eq!(unlimited.credentials_valid_for(Duration::MAX), Some(true));
    written.token = Some("t".into());
    let (unknown, _) = cache(Provider::Static(written.clone()), &[]);
    assert_eq!(unknown.credentials_valid_for(Duration::ZERO), None);
    written.expires = Some(FakeEnvironment::new().now() + SignedDuration::from_secs(600));
    let (ending, environment) = cache(Provider::Static(written), &[]);
    assert_eq!(ending.credentials_valid_for(Duration::from_secs(599)), Some(true));
    assert_eq!(ending.credentials_valid_for(Duration::from_secs(600)), Some(false));
    environment.advance_clock(600);
    assert_eq!(ending.credentials_valid_for(Duration::ZERO), Some(false));
    let (renewed, _) = from_server(&[]);
    assert_eq!(renewed.credentials_valid_for(Duration::MAX), Some(true));
}

#[tokio::test]
async fn refused_keys_are_thrown_away_where_others_can_be_had() {
    let (cache, _) = from_server(&[credentials("first", 1000), credentials("second", 1000)]);
    let first =
        cache.credentials(Instant::now() + Duration::from_secs(1)).await.expect("credentials");
    assert!(cache.invalidate(&first));
    assert_eq!(id(&cache).await.expect("credentials"), "second");
    assert!(cache.invalidate(&first));
    assert_eq!(id(&cache).await.expect("credentials"), "second", "those were not the refused ones");
}

fn role() -> Role {
    Role {
        arn: "acs:ram::1:role/clb".to_owned(),
        session: "test".to_owned(),
        external_id: None,
        seconds: 3600,
        sts: Sts::default(),
    }
}

/// Every provider that asks somebody.
#[rstest]
#[case::web_server(uri())]
#[case::program(Provider::Process(HANGING_PROGRAM.into()))]
#[case::metadata(Provider::InstanceRole { role: None, v1: true })]
#[case::role(Provider::AssumeRole { from: Box::new(uri()), role: role() })]
#[case::role_of_a_static_key(Provider::AssumeRole {
    from: Box::new(Provider::Static(Credentials::new("id", "s"))),
    role: role(),
})]
#[case::token(Provider::AssumeRoleWithOidc {
    provider: "provider".to_owned(),
    token_file: "/token".to_owned(),
    role: role(),
})]
#[tokio::test(start_paused = true)]
async fn every_provider_ends_by_the_deadline(#[case] provider: Provider) {
    for met in [Met::Silence, Met::Hang] {
        let (cache, _, _) = scripted(provider.clone(), vec![met; 20]);
        let began = Instant::now();
        let error = cache.credentials(began + Duration::from_secs(3)).await.expect_err("late");
        let took = began.elapsed();
        assert!(took <= Duration::from_millis(3001), "{took:?}: {error}");
        assert_eq!(error.message.matches("a test: ").count(), 1, "{error}");
        assert!(error.message.starts_with("a test: "), "{error}");
        assert!(!error.is_lost_answer(), "nothing was sent to the CLB API: {error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_time_no_provider_is_asked() {
    let (cache, _, http) = scripted(uri(), [Met::Answer(credentials("first", 1000))]);
    let error = cache.credentials(Instant::now()).await.expect_err("no time");
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert_eq!(http.requests.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn the_wait_for_another_call_s_renewal_ends_by_the_deadline() {
    let (cache, _, http) = scripted(uri(), [Met::Hang]);
    let began = Instant::now();
    let other = cache.credentials(began + Duration::from_secs(60));
    let waiting = async {
        let result = cache.credentials(began + Duration::from_secs(2)).await;
        (result, began.elapsed())
    };
    let (_, (result, took)) = tokio::join!(other, waiting);
    let error = result.expect_err("late");
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert_eq!(
        error.message,
        "a test: no credentials before the time was over: another call still waits for them"
    );
    assert!(took <= Duration::from_millis(2001), "{took:?}");
    assert_eq!(http.requests.load(Ordering::Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waited_takes_what_the_other_one_got() {
    let (cache, _, http) = scripted(uri(), [Met::Answer(credentials("first", 1000))]);
    let (one, two) = tokio::join!(id(&cache), id(&cache));
    assert_eq!((one.expect("keys").as_str(), two.expect("keys").as_str()), ("first", "first"));
    assert_eq!(http.requests.load(Ordering::Relaxed), 1);
}

/// Keys that are still valid for `left` seconds, and whatever a renewal meets next.
async fn ending(
    left: i64,
    next: Vec<Met>,
) -> (CredentialsCache, Arc<FakeEnvironment>, Arc<ScriptedHttp>) {
    let first = Met::Answer(credentials("first", 1000));
    let (cache, environment, http) = scripted(uri(), [first].into_iter().chain(next));
    assert_eq!(id(&cache).await.expect("credentials"), "first");
    environment.advance_clock(1000 - left);
    (cache, environment, http)
}

#[rstest]
#[case(60, 5)]
#[case(4, 2)]
#[tokio::test(start_paused = true)]
async fn a_renewal_that_hangs_leaves_a_call_with_valid_keys_most_of_its_time(
    #[case] limit: u64,
    #[case] at_most: u64,
) {
    for met in [Met::Silence, Met::Hang] {
        let (cache, _, _) = ending(100, vec![met]).await;
        let began = Instant::now();
        let keys = cache.credentials(began + Duration::from_secs(limit)).await;
        assert_eq!(keys.expect("valid keys").id, "first");
        let took = began.elapsed();
        assert!(took <= Duration::from_millis(at_most * 1000 + 1), "{took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_a_renewal_that_failed_none_is_tried_for_half_a_minute() {
    let fresh = Met::Answer(credentials("second", 2000));
    let (cache, _, http) = ending(100, vec![Met::Nobody, fresh]).await;
    assert_eq!(id(&cache).await.expect("valid keys"), "first");
    sleep(Duration::from_secs(29)).await;
    assert_eq!(id(&cache).await.expect("valid keys"), "first");
    assert_eq!(http.requests.load(Ordering::Relaxed), 2);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(id(&cache).await.expect("renewed keys"), "second");
    assert_eq!(http.requests.load(Ordering::Relaxed), 3);
}

#[tokio::test(start_paused = true)]
async fn keys_that_have_ended_are_renewed_at_once_whatever_failed_before() {
    let fresh = Met::Answer(credentials("second", 2000));
    let (cache, environment, _) = ending(100, vec![Met::Nobody, fresh]).await;
    assert_eq!(id(&cache).await.expect("valid keys"), "first");
    environment.advance_clock(100);
    assert_eq!(id(&cache).await.expect("renewed keys"), "second");
}

#[tokio::test(start_paused = true)]
async fn a_call_with_valid_keys_does_not_wait_for_another_one_s_renewal() {
    let (cache, _, _) = ending(100, vec![Met::Hang]).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let other = async {
        // It is polled after the call that renews.
        let began = Instant::now();
        let keys = cache.credentials(deadline).await;
        (keys.expect("valid keys").id, began.elapsed())
    };
    let (first, (second, waited)) = tokio::join!(cache.credentials(deadline), other);
    assert_eq!((first.expect("valid keys").id.as_str(), second.as_str()), ("first", "first"));
    assert_eq!(waited, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn keys_that_end_while_a_renewal_hangs_are_asked_for_once_more() {
    let fresh = Met::Answer(credentials("second", 2000));
    let (cache, environment, _) = ending(3, vec![Met::Hang, fresh]).await;
    let clock = async {
        sleep(Duration::from_secs(4)).await;
        environment.advance_clock(4);
    };
    let (keys, ()) =
        tokio::join!(cache.credentials(Instant::now() + Duration::from_secs(60)), clock);
    assert_eq!(keys.expect("renewed keys").id, "second");
}

#[tokio::test(start_paused = true)]
async fn keys_that_end_before_they_arrive_are_expired() {
    let (cache, environment, _) = scripted(uri(), [Met::Answer(credentials("old", 5))]);
    environment.advance_clock(5);
    assert_eq!(id(&cache).await.expect_err("expired").kind, ErrorKind::Expired);
}
