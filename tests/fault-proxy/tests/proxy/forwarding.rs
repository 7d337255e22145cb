//! Requests without a fault.

use clbmigrate_fault_proxy::{FaultProxy, LoggedRequest, Request, Upstream};
use hyper::body::Bytes;

use crate::{
    api_server::ApiServer,
    client::{Client, DEADLINE},
};

#[test]
fn a_request_and_its_answer_pass_unchanged() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    let target = "/api/v1/namespaces/shop/services/web?fieldManager=a%20b&dryRun=All";
    client.send("PATCH", target, "content-type: application/merge-patch+json\r\n", "{\"a\":1}");
    let answer = client.answer();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("x-served-by"), Some("api-server"));
    let received = answer.json();
    assert_eq!(received["method"], "PATCH");
    assert_eq!(received["target"], target);
    assert_eq!(received["body"], "{\"a\":1}");
    assert_eq!(received["contentType"], "application/merge-patch+json");
    let host = server.upstream.url.strip_prefix("https://");
    assert_eq!(received["host"].as_str(), host);
}

#[test]
fn every_request_is_in_the_log_with_what_was_answered() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    client.request("GET", "/api?limit=5");
    client.request("DELETE", "/missing");

    let logged = |method: &str, path: &str, query: &str, status| LoggedRequest {
        request: Request { method: method.into(), path: path.into(), query: query.into() },
        status: Some(status),
        upstream_status: Some(status),
    };
    assert_eq!(
        proxy.requests(),
        [logged("GET", "/api", "limit=5", 200), logged("DELETE", "/missing", "", 404)]
    );
}

#[test]
fn a_proxy_with_a_certificate_shows_it_and_drops_the_clients_token() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", "/api", "authorization: Bearer unused\r\n", "");
    let received = client.answer().json();

    assert_eq!(received["certificate"], true);
    assert_eq!(received["authorization"], serde_json::Value::Null);
}

#[test]
fn a_proxy_without_a_certificate_passes_the_clients_token_on() {
    let server = ApiServer::start();
    let anonymous =
        Upstream { client_cert_pem: None, client_key_pem: None, ..server.upstream.clone() };
    let proxy = FaultProxy::start(&anonymous).expect("a proxy");
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", "/api", "authorization: Bearer secret\r\n", "");
    let received = client.answer().json();

    assert_eq!(received["certificate"], false);
    assert_eq!(received["authorization"], "Bearer secret");
}

#[test]
fn a_watch_flows_event_by_event_and_ends_with_the_api_servers() {
    let server = ApiServer::start();
    let feed = server.watch_events();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", "/watch?watch=1", "", "");
    assert_eq!(client.head().0, 200);
    for event in ["{\"type\":\"ADDED\"}\n", "{\"type\":\"MODIFIED\"}\n"] {
        feed.send(Bytes::from(event)).expect("an open watch");
        assert_eq!(client.chunk().as_deref(), Some(event.as_bytes()));
    }
    drop(feed);
    assert_eq!(client.chunk(), None);
}

#[test]
fn a_watch_that_the_client_leaves_is_left_upstream_too() {
    let server = ApiServer::start();
    let feed = server.watch_events();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    client.send("GET", "/watch", "", "");
    feed.send(Bytes::from("{}\n")).expect("an open watch");
    client.head();
    drop(client);

    let server = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let closed = async { tokio::time::timeout(DEADLINE, feed.closed()).await };
    server.expect("a runtime").block_on(closed).expect("the watch to be closed upstream");
}

#[test]
fn a_body_flows_to_the_api_server_piece_by_piece() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let mut client = Client::of_proxy(&proxy);

    client.write("POST /upload HTTP/1.1\r\nhost: proxy\r\ntransfer-encoding: chunked\r\n\r\n");
    for piece in ["first", "again"] {
        client.write(&format!("5\r\n{piece}\r\n"));
        let got = server.uploaded.recv_timeout(DEADLINE).expect("a piece before the next is sent");
        assert_eq!(got, piece);
    }
    client.write("0\r\n\r\n");
    assert_eq!(client.answer().body, b"uploaded");
}

#[test]
fn an_api_server_that_is_gone_is_a_502_that_says_so() {
    let server = ApiServer::start();
    let proxy = server.proxy();
    let address = server.upstream.url.strip_prefix("https://").expect("an https URL").to_owned();
    drop(server);

    let answer = Client::of_proxy(&proxy).request("GET", "/api");

    assert_eq!(answer.status, 502);
    let status = answer.json();
    assert_eq!(status["kind"], "Status");
    let message = status["message"].as_str().expect("a message");
    assert!(message.contains(&format!("connect to the API server at {address}")), "{message}");
    assert_eq!(proxy.requests()[0].upstream_status, None);
}

#[test]
fn an_api_server_of_another_authority_is_not_trusted() {
    let server = ApiServer::start();
    let other = ApiServer::start();
    let upstream = Upstream { ca_pem: other.upstream.ca_pem.clone(), ..server.upstream.clone() };
    let proxy = FaultProxy::start(&upstream).expect("a proxy");

    assert_eq!(Client::of_proxy(&proxy).request("GET", "/api").status, 502);
    assert!(server.seen().is_empty());
}
