//! Connections that come, do nothing, and are too many.

use std::{io, time::Duration};

use clbmigrate_webhook::serve::Limits;
use rustls::version;
use tokio::{io::AsyncReadExt as _, net::TcpStream};

use crate::{
    client::Client,
    test_server::{TestServer, generous_limits, until, within},
};

/// So short that a test can wait for it.
const SHORT: Duration = Duration::from_millis(40);

/// Long beside what a busy machine needs for a request, short enough to wait for.
const SILENCE: Duration = Duration::from_secs(1);

#[tokio::test]
async fn tls_1_2_and_1_3_are_spoken() {
    let server = TestServer::new(generous_limits()).await;
    for version in [&version::TLS12, &version::TLS13] {
        let mut client = Client::at(&server, version).await.expect("a connection");
        assert_eq!(client.post("/validate-services", "{}").await.status, 200);
    }
}

#[tokio::test]
async fn without_a_certificate_no_connection_comes_about_until_there_is_one() {
    let server = TestServer::without_certificate(generous_limits()).await;
    assert!(Client::at(&server, &version::TLS13).await.is_err());
    server.renew_certificate();
    assert_eq!(Client::new(&server).await.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn a_new_certificate_is_for_new_connections_and_old_ones_go_on() {
    let server = TestServer::new(generous_limits()).await;
    let mut old = Client::new(&server).await;
    server.renew_certificate();
    let mut new = Client::new(&server).await;
    let shown = |client: &Client| {
        let certificates = client.0.get_ref().1.peer_certificates();
        certificates.and_then(|all| all.first()).expect("a certificate").clone().into_owned()
    };
    assert_ne!(shown(&old), shown(&new));
    for client in [&mut old, &mut new] {
        assert_eq!(client.get("/healthz").await.status, 200);
    }
}

#[tokio::test]
async fn a_handshake_that_does_not_come_not_after() {
    let server = TestServer::new(Limits { handshake: SHORT, ..generous_limits() }).await;
    let mut tcp = TcpStream::connect(server.address).await.expect("connected");
    let end = within("the end of the connection", tcp.read_u8()).await;
    assert_eq!(end.map_err(|error| error.kind()), Err(io::ErrorKind::UnexpectedEof));
}

#[tokio::test]
async fn a_slow_head_ends_its_connection_and_silence_between_requests_does_not() {
    let server = TestServer::new(Limits { head: SHORT, ..generous_limits() }).await;
    let mut silent = Client::new(&server).await;
    assert_eq!(silent.post("/validate-services", "{}").await.status, 200);
    let mut slow = Client::new(&server).await;
    slow.send("POST /validate-services HTTP/1.1\r\nHost:").await;
    assert_eq!(slow.rest().await, b"");
    // Silent for as long as the slow one had time.
    assert_eq!(silent.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_connection_that_is_silent_for_too_long_not_after() {
    let server = TestServer::new(Limits { head: SHORT, idle: SILENCE, ..generous_limits() }).await;
    let mut unused = Client::new(&server).await;
    let mut used = Client::new(&server).await;
    assert_eq!(used.get("/healthz").await.status, 200);
    assert_eq!(unused.rest().await, b"");
    assert_eq!(used.rest().await, b"");
}

#[tokio::test]
async fn a_request_at_work_is_not_silence() {
    let server = TestServer::new(Limits { head: SHORT, idle: SILENCE, ..generous_limits() }).await;
    let mut working = Client::new(&server).await;
    working
        .send(crate::client::request("POST", "/validate-services?timeout=30s", "\"wait\""))
        .await;
    until("the request to wait", || server.waiting() == 1).await;
    let mut unused = Client::new(&server).await;
    assert_eq!(unused.rest().await, b"");
    server.handler.permits.add_permits(1);
    assert_eq!(working.answer().await.status, 200);
}
