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
    Surroundings,
    endpoint::Endpoint,
    net::{Answer, Http},
    rpc::Caller,
    testing::Scene,
};

/// Answers that are given one after the other; then there is no connection any more.
struct Script(SyncMutex<VecDeque<String>>);

impl Http for Script {
    fn send(&self, _: Request<Bytes>, _: Duration) -> BoxFuture<'_, Result<Answer, Error>> {
        let next = self.0.lock().expect("a script").pop_front();
        Box::pin(async move {
            let body = next.ok_or_else(|| Error::new(ErrorKind::Unreachable, "nobody there"))?;
            Ok(Answer::new(200, &HeaderMap::new(), body.into()))
        })
    }
}

/// Keys that end so many seconds after the scene begins.
fn keys(id: &str, seconds: i64) -> String {
    let end = Scene::new().now() + SignedDuration::from_secs(seconds);
    json!({
        "Code": "Success", "AccessKeyId": id, "AccessKeySecret": "s", "SecurityToken": "t",
        "Expiration": end.to_string(),
    })
    .to_string()
}

fn keeper(means: Means, answers: &[String]) -> (Keeper, Arc<Scene>) {
    let scene = Arc::new(Scene::new());
    let http = Script(SyncMutex::new(answers.iter().cloned().collect()));
    let caller = Caller {
        http: Arc::new(http),
        surroundings: Arc::clone(&scene) as _,
        timeout: Duration::from_secs(1),
    };
    let issuer = Issuer { caller: Arc::new(caller), sts: None, metadata: Endpoint::metadata() };
    (Keeper::new(means, "a test".to_owned(), issuer), scene)
}

fn from_server(answers: &[String]) -> (Keeper, Arc<Scene>) {
    keeper(Means::Uri("http://keys.example/".to_owned()), answers)
}

async fn id(keeper: &Keeper) -> Result<String, Error> {
    keeper.keys(Instant::now() + Duration::from_secs(1)).await.map(|keys| keys.id)
}

#[tokio::test]
async fn keys_are_kept_until_shortly_before_their_end() {
    let (keeper, scene) = from_server(&[keys("first", 1000), keys("second", 2000)]);
    assert_eq!(id(&keeper).await.expect("keys"), "first");
    scene.pass(819);
    assert_eq!(id(&keeper).await.expect("keys"), "first");
    scene.pass(1);
    assert_eq!(id(&keeper).await.expect("keys"), "second");
}

#[tokio::test]
async fn a_renewal_that_fails_does_no_harm_while_the_keys_last() {
    let (keeper, scene) = from_server(&[keys("first", 1000)]);
    assert_eq!(id(&keeper).await.expect("keys"), "first");
    scene.pass(900);
    assert_eq!(id(&keeper).await.expect("keys"), "first");
    scene.pass(100);
    let error = id(&keeper).await.expect_err("they have ended");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.starts_with("a test: "), "{error}");
}

#[tokio::test]
async fn keys_that_have_ended_already_are_not_used() {
    let (keeper, _) = from_server(&[keys("old", -5)]);
    let error = id(&keeper).await.expect_err("expired");
    assert_eq!(error.kind, ErrorKind::Expired);
}

#[tokio::test]
async fn who_has_keys_that_end_is_told_whether_they_last() {
    let mut written = Keys::new("id", "s");
    let (unlimited, _) = keeper(Means::Written(written.clone()), &[]);
    assert_eq!(unlimited.outlives(Duration::MAX).await, Some(true));
    written.token = Some("t".into());
    let (unknown, _) = keeper(Means::Written(written.clone()), &[]);
    assert_eq!(unknown.outlives(Duration::ZERO).await, None);
    written.expires = Some(Scene::new().now() + SignedDuration::from_secs(600));
    let (ending, scene) = keeper(Means::Written(written), &[]);
    assert_eq!(ending.outlives(Duration::from_secs(599)).await, Some(true));
    assert_eq!(ending.outlives(Duration::from_secs(600)).await, Some(false));
    scene.pass(600);
    assert_eq!(ending.outlives(Duration::ZERO).await, Some(false));
    let (renewed, _) = from_server(&[]);
    assert_eq!(renewed.outlives(Duration::MAX).await, Some(true));
}

#[tokio::test]
async fn refused_keys_are_thrown_away_where_others_can_be_had() {
    let (keeper, _) = from_server(&[keys("first", 1000), keys("second", 1000)]);
    let first = keeper.keys(Instant::now() + Duration::from_secs(1)).await.expect("keys");
    assert!(keeper.forget(&first).await);
    assert_eq!(id(&keeper).await.expect("keys"), "second");
    assert!(keeper.forget(&first).await);
    assert_eq!(id(&keeper).await.expect("keys"), "second", "those were not the refused ones");
}
