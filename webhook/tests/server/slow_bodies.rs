//! Bodies that do not come to an end.

use std::time::Duration;

use clbmigrate_webhook::{Webhook, serve::Limits};

use crate::{
    client::{Client, request},
    test_server::{TestServer, generous_limits, until},
};

/// A request of a body of this length without its last byte.
fn unfinished(path: &str, length: usize) -> String {
    let mut whole = request("POST", path, &"x".repeat(length));
    whole.pop();
    whole
}

/// A connection whose body does not come to an end.
async fn slow(server: &TestServer, path: &str, length: usize) -> Client {
    let mut client = Client::new(server).await;
    client.send(unfinished(&format!("{path}?timeout=30s"), length)).await;
    client
}

async fn until_in_flight(server: &TestServer, hook: &str, count: f64) {
    let line = format!(r#"in_flight{{hook="{hook}"}}"#);
    until("the slow ones to be read", || server.metric(&line) >= count).await;
}

#[tokio::test]
async fn slow_bodies_take_no_place_of_others() {
    let limits = Limits { services: 2, workloads: 2, pods: 2, ..generous_limits() };
    let server = TestServer::new(Limits { body_time: Duration::from_secs(600), ..limits }).await;
    let mut all = Vec::new();
    for webhook in Webhook::ALL {
        for _ in 0..10 {
            all.push(slow(&server, webhook.path(), 1000).await);
        }
        until_in_flight(&server, webhook.name(), 10.0).await;
    }
    for webhook in Webhook::ALL {
        let answer = Client::new(&server).await.post(webhook.path(), "{}").await;
        assert_eq!(answer.status, 200, "{webhook:?}: {answer:?}");
        let busy = format!(r#"shed_total{{hook="{}",reason="busy"}}"#, webhook.name());
        assert!(server.metric(&busy) < 1.0);
    }
    // And when one comes to its end, it is judged as any other.
    all[0].send("x").await;
    assert_eq!(all[0].answer().await.status, 200);
}

#[tokio::test]
async fn a_client_cannot_choose_a_longer_time_for_its_body_than_the_server() {
    let limits = Limits { body_time: Duration::from_millis(40), ..generous_limits() };
    let server = TestServer::new(limits).await;
    let mut slow = slow(&server, "/validate-services", 1000).await;
    let mut other = Client::new(&server).await;
    other.send(request("POST", "/validate-services?timeout=2s", "\"wait\"")).await;
    // The other is given up after 1.6 s, and the slow one may ask for 24 s.
    tokio::select! {
        answer = slow.answer() => assert_eq!(answer.status, 408, "{answer:?}"),
        answer = other.answer() => panic!("it was answered first: {answer:?}"),
    }
}

#[tokio::test]
async fn slow_large_bodies_make_room_for_one_that_comes_at_once() {
    const LARGE: usize = 200_000;
    let limits =
        Limits { body_memory: 3 * LARGE, body_time: Duration::from_secs(600), ..generous_limits() };
    let server = TestServer::new(limits).await;
    let mut all = Vec::new();
    for _ in 0..3 {
        all.push(slow(&server, "/validate-services", LARGE).await);
    }
    until_in_flight(&server, "validate-services", 3.0).await;
    let mut fast = Client::new(&server).await;
    for _ in 0..3 {
        let answer = fast.post("/validate-services", &"x".repeat(LARGE)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // One of the slow ones has made room, and is told to try again.
    let busy = r#"shed_total{hook="validate-services",reason="busy"}"#;
    assert!((server.metric(busy) - 1.0).abs() < f64::EPSILON);
    assert_eq!(server.answered(), 3);
}

#[tokio::test]
async fn a_length_that_is_only_announced_occupies_nothing() {
    let limits = Limits { body_memory: 500_000, ..generous_limits() };
    let server = TestServer::new(Limits { body_time: Duration::from_secs(600), ..limits }).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        let mut client = Client::new(&server).await;
        let sent = request("POST", "/validate-services?timeout=30s", "x");
        client.send(sent.replace("Content-Length: 1", "Content-Length: 7000000")).await;
        all.push(client);
    }
    until_in_flight(&server, "validate-services", 20.0).await;
    let answer = Client::new(&server).await.post("/validate-services", &"x".repeat(400_000)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(server.metric(r#"in_flight{hook="validate-services"}"#) > 19.0, "they go on");
}
