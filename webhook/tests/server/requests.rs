//! Requests and their answers.

use clbmigrate_webhook::{
    Webhook,
    serve::{Limits, Readiness},
};
use rstest::rstest;
use rustls::version;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    client::{Client, connect, probe, request},
    test_server::{TestServer, generous_limits, until, within},
};

#[tokio::test]
async fn each_hook_is_asked_by_its_path_over_one_connection() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    for webhook in Webhook::ALL {
        // With the query that API servers send.
        let answer = client.post(&format!("{}?timeout=10s", webhook.path()), "{}").await;
        assert_eq!((answer.status, answer.body), (200, format!("{} 2", webhook.name())));
        assert_eq!(answer.headers["content-type"], "application/json");
        let line = format!(r#"latency_seconds_count{{hook="{}"}}"#, webhook.name());
        assert!((server.metric(&line) - 1.0).abs() < f64::EPSILON);
    }
}

#[tokio::test]
async fn what_is_no_review_is_refused_and_the_connection_goes_on() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let answer = client.post("/validate-services", "\"refuse\"").await;
    assert_eq!((answer.status, answer.body.as_str()), (400, "no review"));
    assert_eq!(answer.headers["content-type"], "text/plain; charset=utf-8");
    assert_eq!(client.post("/validate-services", "{}").await.status, 200);
}

#[rstest]
#[case::no_path("POST", "/validate", "application/json", 404, None)]
#[case::path_below("POST", "/validate-services/", "application/json", 404, None)]
#[case::get("GET", "/validate-services", "application/json", 405, Some("POST"))]
#[case::put("PUT", "/mutate-pods", "application/json", 405, Some("POST"))]
#[case::post_probe("POST", "/healthz", "application/json", 405, Some("GET, HEAD"))]
#[case::yaml("POST", "/validate-services", "application/yaml", 415, None)]
#[case::nearly_json("POST", "/validate-services", "application/jsonx", 415, None)]
#[case::json_with_charset(
    "POST",
    "/validate-services",
    "Application/JSON; charset=utf-8",
    200,
    None
)]
#[tokio::test]
async fn paths_methods_and_types_are_told_apart(
    #[case] method: &str,
    #[case] path: &str,
    #[case] kind: &str,
    #[case] status: u16,
    #[case] allow: Option<&str>,
) {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let sent = request(method, path, "{}").replace("application/json", kind);
    client.send(sent).await;
    let answer = client.answer().await;
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.header("allow"), allow);
    assert_eq!(client.post("/validate-services", "{}").await.status, 200);
}

#[tokio::test]
async fn a_body_without_a_type_is_refused() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    client.send("POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}").await;
    assert_eq!(client.answer().await.status, 415);
}

#[tokio::test]
async fn a_body_in_pieces_arrives_whole() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let sent = request("POST", "/validate-services", &"x".repeat(300_000));
    for piece in sent.as_bytes().chunks(70_001) {
        client.send(piece).await;
    }
    assert_eq!(client.answer().await.body, "validate-services 300000");

    let head = "POST /validate-services HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    for _ in 0..3 {
        client.send(b"4\r\nabcd\r\n").await;
    }
    client.send(b"0\r\n\r\n").await;
    assert_eq!(client.answer().await.body, "validate-services 12");

    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")).await;
    assert_eq!(client.answer().await.body, "validate-services 0");
}

#[tokio::test]
async fn two_requests_sent_at_once_are_answered_in_order() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let two = ["{}", "[{}]"].map(|body| request("POST", "/validate-services", body)).concat();
    client.send(two).await;
    assert_eq!(client.answer().await.body, "validate-services 2");
    assert_eq!(client.answer().await.body, "validate-services 4");
}

#[tokio::test]
async fn a_body_of_the_largest_size_is_read_and_a_larger_one_refused() {
    let largest = Limits::default().body;
    assert_eq!(largest, 7 * 1024 * 1024);
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let answer = client.post("/validate-services", &"x".repeat(largest)).await;
    assert_eq!(answer.body, format!("validate-services {largest}"));
    let answer = client.post("/validate-services", &"x".repeat(largest + 1)).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    assert_eq!(server.answered(), 1);
}

#[tokio::test]
async fn a_large_body_of_unknown_length_is_refused_when_it_is_too_large() {
    let server = TestServer::new(Limits { body: 1000, ..generous_limits() }).await;
    let mut client = Client::new(&server).await;
    let head = "POST /validate-services HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    client.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n")).await;
    let piece = format!("1f4\r\n{}\r\n", "x".repeat(500));
    client.send(format!("{piece}{piece}{piece}0\r\n\r\n")).await;
    assert_eq!(client.answer().await.status, 413);
    assert_eq!(server.answered(), 0);
}

#[tokio::test]
async fn who_asks_before_sending_a_large_body_is_told() {
    let server = TestServer::new(Limits { body: 1000, ..generous_limits() }).await;
    let ask = |length: usize| {
        let sent = request("POST", "/validate-services", "");
        sent.replace(
            "Content-Length: 0",
            &format!("Expect: 100-continue\r\nContent-Length: {length}"),
        )
    };
    let mut client = Client::new(&server).await;
    client.send(ask(1001)).await;
    assert_eq!(client.answer().await.status, 413);

    let mut client = Client::new(&server).await;
    client.send(ask(1000)).await;
    assert_eq!(client.answer().await.status, 100);
    client.send("x".repeat(1000)).await;
    assert_eq!(client.answer().await.body, "validate-services 1000");
}

#[rstest]
#[case::nonsense(b"\x00\x01\x02\x03\r\n\r\n".as_slice(), "HTTP/1.1 400")]
#[case::no_version(b"POST /validate-services\r\n\r\n", "HTTP/1.1 400")]
#[case::length_of_letters(b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", "HTTP/1.1 400")]
#[case::two_lengths(
    b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "HTTP/1.1 400"
)]
#[case::http_2_without_agreement(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "")]
#[tokio::test]
async fn malformed_requests_end_their_connection_and_no_other(
    #[case] bytes: &[u8],
    #[case] expected: &str,
) {
    let server = TestServer::new(generous_limits()).await;
    let mut good = Client::new(&server).await;
    let mut bad = Client::new(&server).await;
    bad.send(bytes).await;
    let rest = String::from_utf8_lossy(&bad.rest().await).into_owned();
    assert!(rest.starts_with(expected), "{rest}");
    assert_eq!(good.post("/validate-services", "{}").await.status, 200);
    assert_eq!(server.answered(), 1);
}

#[tokio::test]
async fn a_head_without_end_is_refused() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    client.send(format!("GET / HTTP/1.1\r\nX: {}", "x".repeat(70_000))).await;
    assert_eq!(client.answer().await.status, 431);
}

#[tokio::test]
async fn a_client_that_leaves_in_its_body_leaves_nothing_behind() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let whole = request("POST", "/validate-services", "{\"a\": 1}");
    client.send(&whole[..whole.len() - 3]).await;
    let in_flight = r#"in_flight{hook="validate-services"}"#;
    until("the request to begin", || server.metric(in_flight) > 0.0).await;
    drop(client);
    until("the request to be forgotten", || server.metric(in_flight) < 1.0).await;
    assert_eq!(server.answered(), 0);
}

#[tokio::test]
async fn a_broken_answer_is_an_error_of_that_request_alone() {
    let server = TestServer::new(generous_limits()).await;
    let mut client = Client::new(&server).await;
    let answer = client.post("/validate-services", "\"panic\"").await;
    assert_eq!(answer.status, 500);
    assert!(server.metric("panics_total") > 0.0);
    assert_eq!(client.post("/validate-services", "{}").await.status, 200);
    assert!(server.metric(r#"in_flight{hook="validate-services"}"#) < 1.0);
}

#[tokio::test]
async fn probes_say_what_is_missing() {
    let ready = Readiness::new()
        .with_precondition("caches", || Err("not listed: services".to_owned()))
        .with_check("certificate", || Ok(()));
    let server = TestServer::with(generous_limits(), ready).await;
    assert_eq!(probe(&server, "/healthz").await.body, "ok\n");
    let answer = probe(&server, "/readyz").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (503, "not ready\ncaches: not listed: services\n")
    );
}

#[tokio::test]
async fn a_ready_server_says_so_and_shows_its_metrics() {
    let server = TestServer::new(generous_limits()).await;
    let _client = Client::new(&server).await;
    let answer = probe(&server, "/readyz").await;
    assert_eq!((answer.status, answer.body.as_str()), (200, "ok\n"));
    let metrics = probe(&server, "/metrics").await;
    assert!(metrics.headers["content-type"].starts_with("application/openmetrics-text"));
    assert!(metrics.body.contains("\nclbmigrate_webhook_connections "), "{}", metrics.body);
    assert!(metrics.body.ends_with("# EOF\n"));
}

#[tokio::test]
async fn http_1_1_is_agreed_on_and_nothing_else() {
    let server = TestServer::new(generous_limits()).await;
    let connecting =
        |protocols| connect(server.address, server.bundle(), &version::TLS13, protocols);
    let both = within("a connection", connecting(&["h2", "http/1.1"])).await;
    let tls = both.expect("a connection");
    assert_eq!(tls.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    assert_eq!(Client(tls).post("/validate-services", "{}").await.status, 200);
    let none = within("a connection", connecting(&[])).await.expect("a connection");
    assert_eq!(Client(none).post("/validate-services", "{}").await.status, 200);
    let refused = within("an end", connecting(&["h2"])).await.expect_err("no protocol in common");
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

#[tokio::test]
async fn reviews_and_probes_have_a_port_each() {
    let server = TestServer::new(generous_limits()).await;
    for (method, path, status) in
        [("GET", "/healthz", "200"), ("HEAD", "/readyz", "200"), ("POST", "/mutate-pods", "404")]
    {
        let mut tcp = tokio::net::TcpStream::connect(server.probes).await.expect("connected");
        let sent = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
        tcp.write_all(sent.as_bytes()).await.expect("written");
        let mut answer = String::new();
        within("an answer", tcp.read_to_string(&mut answer)).await.expect("text");
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    let mut client = Client::new(&server).await;
    for (path, status) in [("/readyz", 404), ("/metrics", 404), ("/healthz", 200)] {
        assert_eq!(client.get(path).await.status, status, "{path}");
    }
    assert_eq!(server.answered(), 0);
}
