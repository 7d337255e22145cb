//! More connections than there are places.

use std::time::Duration;

use clbmigrate_webhook::serve::Limits;
use tokio::net::TcpStream;

use crate::{
    client::{Client, probe, request},
    test_server::{TestServer, generous_limits, until, within},
};

async fn server(connections: usize) -> TestServer {
    let limits = Limits { connections, body_time: Duration::from_secs(600), ..generous_limits() };
    TestServer::new(limits).await
}

/// A connection over which a review was judged.
async fn asked(server: &TestServer) -> Client {
    let mut client = Client::new(server).await;
    ask(&mut client).await;
    client
}

async fn ask(client: &mut Client) {
    assert_eq!(client.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn of_those_that_never_asked_the_longest_idle_goes_first() {
    let server = server(4).await;
    let mut regular = asked(&server).await;
    let mut first = Client::new(&server).await;
    let mut second = Client::new(&server).await;
    let mut third = Client::new(&server).await;
    // A question about health is no review.
    assert_eq!(second.get("/healthz").await.status, 200);
    let mut new = asked(&server).await;
    assert_eq!(first.rest().await, b"");
    let mut newest = asked(&server).await;
    assert_eq!(third.rest().await, b"", "the second was idle for less long");
    let mut last = asked(&server).await;
    assert_eq!(second.rest().await, b"");
    for client in [&mut regular, &mut new, &mut newest, &mut last] {
        ask(client).await;
    }
}

#[tokio::test]
async fn where_all_have_asked_the_longest_idle_goes() {
    let server = server(2).await;
    let mut first = asked(&server).await;
    let mut second = asked(&server).await;
    ask(&mut first).await;
    let mut third = asked(&server).await;
    assert_eq!(second.rest().await, b"");
    ask(&mut first).await;
    ask(&mut third).await;
}

#[tokio::test]
async fn who_never_shook_hands_goes_before_all_others() {
    let server = server(3).await;
    let mut regular = asked(&server).await;
    let mut silent = Vec::new();
    for _ in 0..6 {
        silent.push(TcpStream::connect(server.address).await.expect("connected"));
    }
    let mut new = asked(&server).await;
    ask(&mut regular).await;
    ask(&mut new).await;
}

#[tokio::test]
async fn a_request_at_work_is_never_given_up() {
    let server = server(2).await;
    let mut working = Vec::new();
    for count in 1..=2 {
        let mut client = Client::new(&server).await;
        client.send(request("POST", "/validate-services?timeout=30s", "\"wait\"")).await;
        until("the request to wait", || server.waiting() == count).await;
        working.push(client);
    }
    // It is accepted, and waits for a place until one of the two is answered.
    let mut next = TcpStream::connect(server.address).await.expect("connected");
    for _ in 0..5 {
        // Meanwhile it looks for a connection that could go.
        assert_eq!(probe(&server, "/healthz").await.status, 200);
    }
    server.handler.permits.add_permits(2);
    for client in &mut working {
        assert_eq!(client.answer().await.status, 200);
    }
    let hello = tokio::io::AsyncWriteExt::write_all(&mut next, b"no handshake");
    within("a place", hello).await.expect("written");
    ask(&mut Client::new(&server).await).await;
}

#[tokio::test]
async fn requests_that_do_not_arrive_are_given_up_when_nothing_else_can_be() {
    let server = server(3).await;
    let mut slow = Vec::new();
    for sent in [
        "POST /validate-services HTTP/1.1\r\nHost:".to_owned(),
        request("POST", "/validate-services?timeout=30s", "").replace("Length: 0", "Length: 9"),
        request("POST", "/mutate-pods?timeout=30s", "x").replace("Length: 1", "Length: 900000"),
    ] {
        let mut client = Client::new(&server).await;
        client.send(sent).await;
        slow.push(client);
    }
    ask(&mut Client::new(&server).await).await;
}

#[tokio::test]
async fn the_port_for_probes_has_places_of_its_own() {
    let server = server(2).await;
    let mut silent = Vec::new();
    for address in [server.address, server.probes].repeat(5) {
        silent.push(TcpStream::connect(address).await.expect("connected"));
    }
    for _ in 0..3 {
        assert_eq!(probe(&server, "/readyz").await.status, 200);
    }
    ask(&mut Client::new(&server).await).await;
}
