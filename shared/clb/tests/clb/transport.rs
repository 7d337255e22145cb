//! Connections: missing, broken, silent, over TLS, through a proxy.

use std::{io::Write as _, sync::Arc, time::Duration};

use clbmigrate_clb::{ErrorKind, Options};
use futures::FutureExt as _;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConfig, crypto::ring, pki_types::PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

use crate::{
    environment::{FakeEnvironment, client, options},
    server::{Reply, Server},
};

fn groups() -> Value {
    json!({"VServerGroups": {"VServerGroup": [{"VServerGroupId": "rsp-bp1example"}]}})
}

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let options = Options { endpoint: Some(format!("http://{address}")), ..Options::default() };
    let clb = FakeEnvironment::with_keys().connect_with(options).await.expect("a client");
    let error = clb.groups("lb-bp1example").await.expect_err("nobody there");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!("DescribeVServerGroups: {address} cannot be reached: connection refused")
    );
    assert!(!error.is_lost_answer() && error.is_transient());
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_asked_again() {
    let server = Server::script(vec![Reply::Cut, Reply::ok(groups())]).await;
    client(&server).await.groups("lb-bp1example").await.expect("the second attempt");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn a_server_that_always_cuts_is_told_as_lost() {
    let server = Server::script(vec![Reply::Cut]).await;
    let clb = client(&server).await.with_operation_timeout(Duration::from_secs(1));
    let error = clb.groups("lb-bp1example").await.expect_err("cut");
    assert_eq!(error.kind, ErrorKind::ConnectionLost);
    assert!(error.is_lost_answer());
    let told = format!("the connection with {} broke before the answer", server.authority);
    assert!(error.message.starts_with(&told), "{error}");
}

#[tokio::test]
async fn a_server_that_is_silent_costs_no_more_than_the_time_of_a_call() {
    let server = Server::script(vec![Reply::Silence, Reply::ok(groups())]).await;
    let options = Options { attempt_timeout: Duration::from_millis(300), ..options(&server) };
    let clb = FakeEnvironment::with_keys().connect_with(options).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("the second attempt");
}

#[tokio::test]
async fn a_deadline_that_is_over_ends_the_operation() {
    let server = Server::script(vec![Reply::Silence]).await;
    let clb = client(&server)
        .await
        .with_deadline(tokio::time::Instant::now() + Duration::from_millis(300));
    let error = clb.groups("lb-bp1example").await.expect_err("late");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent() {
    let server = Server::script(vec![Reply::ok(groups())]).await;
    let clb = client(&server).await.with_deadline(tokio::time::Instant::now());
    let error = clb.groups("lb-bp1example").await.expect_err("too late");
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(!error.is_lost_answer());
    assert!(server.seen().is_empty());
}

/// A server over TLS as `slb.test.example`, and a file with its authority.
async fn tls_server() -> (Server, NamedTempFile) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = CertifiedIssuer::self_signed(params, key).expect("an authority");
    let names = ["slb.test.example", "127.0.0.1"].map(str::to_owned);
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(names).expect("names");
    let certificate = params.signed_by(&key, &authority).expect("a certificate");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("protocols")
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .expect("a configuration");
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let accept = move |stream: TcpStream| acceptor.accept(stream).boxed();
    let server = Server::start_with(|_| Reply::ok(groups()), accept).await;
    let mut file = NamedTempFile::new().expect("a file");
    file.write_all(authority.pem().as_bytes()).expect("written");
    (server, file)
}

/// A world in which that file can be read.
fn environment_with(file: &NamedTempFile) -> FakeEnvironment {
    let content = std::fs::read(file.path()).expect("a file");
    FakeEnvironment::with_keys().file(file.path().to_str().expect("a path"), content)
}

#[tokio::test]
async fn an_authority_of_one_s_own_is_trusted_when_it_is_named() {
    let (server, ca) = tls_server().await;
    let endpoint = Some(server.authority.clone());
    let options = Options { endpoint, ca: Some(ca.path().into()), ..options(&server) };
    let clb = environment_with(&ca).connect_with(options).await.expect("a client");
    assert_eq!(clb.groups("lb-bp1example").await.expect("groups").groups.len(), 1);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent() {
    let (server, _) = tls_server().await;
    let (_, other) = tls_server().await;
    let endpoint = Some(server.authority.clone());
    let options = Options { endpoint, ca: Some(other.path().into()), ..options(&server) };
    let clb = environment_with(&other).connect_with(options).await.expect("a client");
    let error = clb.groups("lb-bp1example").await.expect_err("not trusted");
    assert_eq!(error.kind, ErrorKind::Certificate);
    assert!(!error.is_lost_answer());
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn a_file_of_certificates_that_has_none_is_told_by_name() {
    let server = Server::script(vec![Reply::ok(groups())]).await;
    let options = Options { ca: Some("/ca.pem".into()), ..options(&server) };
    let clb = FakeEnvironment::with_keys().file("/ca.pem", "hello").connect_with(options).await;
    let error = clb.expect("a client").groups("lb-bp1example").await.expect_err("no certificate");
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.message, "certificates /ca.pem: no certificate in it");
}

/// A proxy that leads every CONNECT to one place; what it was asked for comes out of the channel.
async fn proxy(to: String) -> (String, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (tell, told) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(inner.read_u8().await.expect("a request"));
            }
            tell.send(String::from_utf8(head).expect("text")).expect("a test");
            inner.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("an answer");
            let mut outer = TcpStream::connect(&to).await.expect("the server");
            // The test ends before the connection.
            tokio::spawn(async move { copy_bidirectional(&mut inner, &mut outer).await });
        }
    });
    (address, told)
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_for_https() {
    let (server, ca) = tls_server().await;
    let (address, mut told) = proxy(server.authority.clone()).await;
    let endpoint = Some("slb.test.example".to_owned());
    let options = Options { endpoint, ca: Some(ca.path().into()), ..options(&server) };
    let environment =
        environment_with(&ca).variable("HTTPS_PROXY", &format!("http://ann:pass@{address}"));
    let clb = environment.connect_with(options).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
    let asked = told.recv().await.expect("a CONNECT").to_lowercase();
    assert!(asked.starts_with("connect slb.test.example:443 http/1.1\r\n"), "{asked}");
    assert!(asked.contains("proxy-authorization: basic "), "{asked}");
}

#[tokio::test]
async fn a_proxy_is_left_aside_where_no_proxy_says_so() {
    let (server, ca) = tls_server().await;
    let endpoint = Some(server.authority.clone());
    let options = Options { endpoint, ca: Some(ca.path().into()), ..options(&server) };
    let environment = environment_with(&ca)
        .variable("HTTPS_PROXY", "http://127.0.0.1:1")
        .variable("NO_PROXY", "127.0.0.1");
    let clb = environment.connect_with(options).await.expect("a client");
    clb.groups("lb-bp1example").await.expect("groups");
}
