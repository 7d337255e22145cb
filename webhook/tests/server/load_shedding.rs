//! More than can be answered.

use std::time::Duration;

use clbmigrate_webhook::serve::Limits;
use serde_json::{Value, json};

use crate::{
    client::{Client, request},
    test_server::{TestServer, generous_limits, until},
};

/// A Pod's review, and how it goes in unjudged.
fn pod() -> (String, Value) {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u-1"}});
    let passed = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "u-1", "allowed": true}});
    (review.to_string(), passed)
}

/// A connection whose request waits.
async fn waiting(server: &TestServer, path: &str) -> Client {
    let before = server.waiting();
    let mut client = Client::new(server).await;
    client.send(request("POST", &format!("{path}?timeout=30s"), "\"wait\"")).await;
    until("the request to wait", || server.waiting() == before + 1).await;
    client
}

#[tokio::test]
async fn a_service_too_many_is_to_be_tried_again() {
    let server = TestServer::new(Limits { services: 1, ..generous_limits() }).await;
    let mut first = waiting(&server, "/validate-services").await;
    let mut second = Client::new(&server).await;
    let answer = second.post("/validate-services", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert!(server.metric(r#"shed_total{hook="validate-services",reason="busy"}"#) > 0.0);

    server.handler.permits.add_permits(1);
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_workload_too_many_is_not_to_be_waited_for() {
    let server = TestServer::new(Limits { workloads: 1, ..generous_limits() }).await;
    let _first = waiting(&server, "/validate-workloads").await;
    let mut second = Client::new(&server).await;
    let answer = second.post("/mutate-workloads", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None), "{answer:?}");
}

#[tokio::test]
async fn a_deletion_too_many_is_not_to_be_waited_for_and_takes_nobody_s_place() {
    let server = TestServer::new(Limits { cascading_deletions: 1, ..generous_limits() }).await;
    let _first = waiting(&server, "/validate-cascading-deletion").await;
    let mut second = Client::new(&server).await;
    let answer = second.post("/validate-cascading-deletion", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None), "{answer:?}");
    for other in ["/validate-services", "/validate-workloads"] {
        assert_eq!(second.post(other, "{}").await.status, 200);
    }
}

#[tokio::test]
async fn a_pod_too_many_goes_in_without_a_hook() {
    let server = TestServer::new(Limits { pods: 1, ..generous_limits() }).await;
    let _first = waiting(&server, "/mutate-pods").await;
    let (review, passed) = pod();
    let mut second = Client::new(&server).await;
    let answer = second.post("/mutate-pods", &review).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(serde_json::from_str::<Value>(&answer.body).expect("JSON"), passed);
    assert!(server.metric(r#"shed_total{hook="mutate-pods",reason="busy"}"#) > 0.0);
    assert_eq!(server.answered(), 0);
    // And a Service finds its place.
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_large_body_too_many_is_thrown_away_and_refused() {
    let server = TestServer::new(Limits { services: 1, ..generous_limits() }).await;
    let _first = waiting(&server, "/validate-services").await;
    let mut second = Client::new(&server).await;
    assert_eq!(second.post("/validate-services", &"x".repeat(10_000)).await.status, 429);
    assert_eq!(second.get("/healthz").await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up_before_the_api_server_does() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let answer = client.post("/validate-services?timeout=1s", "\"wait\"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert!(server.metric(r#"shed_total{hook="validate-services",reason="late"}"#) > 0.0);
    until("the review to be forgotten", || server.waiting() == 0).await;

    let answer = client.post("/mutate-workloads?timeout=1s", "\"wait\"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_not_waited_for() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let whole = request("POST", "/validate-services?timeout=1s", "{\"a\": 1}");
    client.send(&whole[..whole.len() - 1]).await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(server.answered(), 0);
}

#[tokio::test]
async fn a_place_is_free_again_when_its_client_has_left() {
    let server = TestServer::new(Limits { services: 1, ..generous_limits() }).await;
    let first = waiting(&server, "/validate-services").await;
    drop(first);
    until("the review to be forgotten", || server.waiting() == 0).await;
    let mut second = Client::new(&server).await;
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn many_large_bodies_at_once_are_all_read_in_the_end() {
    let server = TestServer::new(generous_limits()).await;
    let body = "x".repeat(200_000);
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = Client::new(&server).await;
        let body = body.clone();
        clients.push(tokio::spawn(async move {
            client.post("/validate-services?timeout=30s", &body).await.status
        }));
    }
    for client in clients {
        let status = tokio::time::timeout(Duration::from_secs(60), client).await;
        assert_eq!(status.expect("in time").expect("no panic"), 200);
    }
}
