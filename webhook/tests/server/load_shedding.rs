//! More than can be answered.

use std::time::Duration;

use clbmigrate_webhook::serve::Limits;
use serde_json::{Value, json};

use crate::{
    client::{Client, request},
    scene::{Scene, patient, until},
};

/// A Pod's review, and how it goes in unjudged.
fn pod() -> (String, Value) {
    let review = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "u-1"}});
    let passed = json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": {"uid": "u-1", "allowed": true}});
    (review.to_string(), passed)
}

/// A connection whose request waits.
async fn waiting(scene: &Scene, path: &str) -> Client {
    let before = scene.waiting();
    let mut client = Client::new(scene).await;
    client.send(request("POST", &format!("{path}?timeout=30s"), "\"wait\"")).await;
    until("the request to wait", || scene.waiting() == before + 1).await;
    client
}

#[tokio::test]
async fn a_service_too_many_is_to_be_tried_again() {
    let scene = Scene::new(Limits { services: 1, ..patient() }).await;
    let mut first = waiting(&scene, "/validate-services").await;
    let mut second = Client::new(&scene).await;
    let answer = second.post("/validate-services", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert!(scene.metric(r#"shed_total{hook="validate-services",reason="busy"}"#) > 0.0);

    scene.gate.permits.add_permits(1);
    assert_eq!(first.answer().await.status, 200);
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_workload_too_many_is_not_to_be_waited_for() {
    let scene = Scene::new(Limits { workloads: 1, ..patient() }).await;
    let _first = waiting(&scene, "/validate-workloads").await;
    let mut second = Client::new(&scene).await;
    let answer = second.post("/mutate-workloads", "{}").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None), "{answer:?}");
}

#[tokio::test]
async fn a_pod_too_many_goes_in_without_a_hook() {
    let scene = Scene::new(Limits { pods: 1, ..patient() }).await;
    let _first = waiting(&scene, "/mutate-pods").await;
    let (review, passed) = pod();
    let mut second = Client::new(&scene).await;
    let answer = second.post("/mutate-pods", &review).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(serde_json::from_str::<Value>(&answer.body).expect("JSON"), passed);
    assert!(scene.metric(r#"shed_total{hook="mutate-pods",reason="busy"}"#) > 0.0);
    assert_eq!(scene.answered(), 0);
    // And a Service finds its place.
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_large_body_too_many_is_thrown_away_and_refused() {
    let scene = Scene::new(Limits { services: 1, ..patient() }).await;
    let _first = waiting(&scene, "/validate-services").await;
    let mut second = Client::new(&scene).await;
    assert_eq!(second.post("/validate-services", &"x".repeat(10_000)).await.status, 429);
    assert_eq!(second.get("/healthz").await.status, 200, "the connection goes on");
}

#[tokio::test]
async fn an_answer_that_takes_too_long_is_given_up_before_the_api_server_does() {
    let scene = Scene::new(patient()).await;
    let mut client = Client::new(&scene).await;
    let answer = client.post("/validate-services?timeout=1s", "\"wait\"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "{answer:?}");
    assert!(scene.metric(r#"shed_total{hook="validate-services",reason="late"}"#) > 0.0);
    until("the review to be forgotten", || scene.waiting() == 0).await;

    let answer = client.post("/mutate-workloads?timeout=1s", "\"wait\"").await;
    assert_eq!((answer.status, answer.header("retry-after")), (429, None), "{answer:?}");
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_not_waited_for() {
    let scene = Scene::new(patient()).await;
    let mut client = Client::new(&scene).await;
    let whole = request("POST", "/validate-services?timeout=1s", "{\"a\": 1}");
    client.send(&whole[..whole.len() - 1]).await;
    assert_eq!(client.answer().await.status, 408);
    assert_eq!(scene.answered(), 0);
}

#[tokio::test]
async fn a_place_is_free_again_when_its_client_has_left() {
    let scene = Scene::new(Limits { services: 1, ..patient() }).await;
    let first = waiting(&scene, "/validate-services").await;
    drop(first);
    until("the review to be forgotten", || scene.waiting() == 0).await;
    let mut second = Client::new(&scene).await;
    assert_eq!(second.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn many_large_bodies_at_once_are_all_read_in_the_end() {
    let scene = Scene::new(patient()).await;
    let body = "x".repeat(200_000);
    let mut clients = Vec::new();
    for _ in 0..40 {
        let mut client = Client::new(&scene).await;
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
