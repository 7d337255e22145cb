//! The end: nobody's request is lost.

use std::{io, time::Duration};

use clbmigrate_webhook::serve::{Limits, ShutdownPhase};
use tokio::net::TcpStream;

use crate::{
    client::{Client, request},
    test_server::{TestServer, generous_limits, until, within},
};

#[tokio::test]
async fn a_server_that_leaves_serves_on_and_asks_clients_to_go_elsewhere() {
    let server = TestServer::new(generous_limits()).await;
    let mut old = Client::new(&server).await;
    assert_eq!(old.post("/validate-services", "{}").await.header("connection"), None);
    server.phases.send_replace(ShutdownPhase::Closing);

    let mut new = Client::new(&server).await;
    assert_eq!(new.get("/healthz").await.status, 200, "endpoints stay while others learn of it");
    let answer = old.post("/validate-services", "{}").await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert_eq!(old.rest().await, b"");
    assert!(!server.serving.is_finished());
}

#[tokio::test]
async fn running_requests_are_answered_before_the_end() {
    let server = TestServer::new(generous_limits()).await;
    let mut idle = Client::new(&server).await;
    assert_eq!(idle.get("/healthz").await.status, 200);
    let mut working = Client::new(&server).await;
    working.send(request("POST", "/validate-services?timeout=30s", "\"wait\"")).await;
    until("the request to wait", || server.waiting() == 1).await;

    server.phases.send_replace(ShutdownPhase::Draining);
    assert_eq!(idle.rest().await, b"", "an idle connection ends at once");
    until_refused(&server).await;
    assert!(!server.serving.is_finished());

    server.handler.permits.add_permits(1);
    let answer = working.answer().await;
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    within("the end", server.serving).await.expect("no panic");
}

async fn until_refused(server: &TestServer) {
    within("new connections to be refused", async {
        loop {
            match TcpStream::connect(server.address).await {
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => break,
                _ => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_without_end_does_not_hold_up_the_end() {
    let server =
        TestServer::new(Limits { drain: Duration::from_millis(50), ..generous_limits() }).await;
    let mut working = Client::new(&server).await;
    working.send(request("POST", "/validate-services?timeout=30s", "\"wait\"")).await;
    until("the request to wait", || server.waiting() == 1).await;
    server.phases.send_replace(ShutdownPhase::Draining);
    within("the end", server.serving).await.expect("no panic");
    assert!(working.try_answer().await.is_err());
}

#[tokio::test]
async fn a_server_without_connections_ends_at_once() {
    let server = TestServer::new(generous_limits()).await;
    server.phases.send_replace(ShutdownPhase::Draining);
    within("the end", server.serving).await.expect("no panic");
}
