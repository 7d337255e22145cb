//! Connections: missing, broken, silent, over TLS, through a proxy.

use std::time::Duration;

use clbmigrate_clb::{ErrorKind, Options};
use clbmigrate_clb_double::{Fault, FaultEffect};
use rstest::rstest;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    time::Instant,
};

use crate::{
    cloud::{CLB, GROUP, TestCloud, options},
    environment::FakeEnvironment,
    raw_server::{RawAnswer, RawServer},
};

const READ: &str = "DescribeVServerGroups";

#[tokio::test]
async fn where_nobody_listens_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let options = options(&format!("http://{address}"));
    let clb = FakeEnvironment::with_access_key().connect_with(options).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("nobody there");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert_eq!(
        error.to_string(),
        format!("DescribeVServerGroups: {address} cannot be reached: connection refused")
    );
    assert!(!error.is_lost_answer() && error.is_transient());
}

#[tokio::test]
async fn a_read_whose_answer_is_lost_is_asked_again() {
    let cloud = TestCloud::with_backends(1).await;
    cloud.fault(Fault::new(FaultEffect::LoseAnswer {}).for_action(READ).times(1));
    cloud.client().await.groups(CLB).await.expect("the second attempt");
    assert_eq!(cloud.calls().len(), 2);
}

#[rstest]
#[case::nothing(RawAnswer::cut(), "the connection with {} broke before the answer")]
#[case::no_http(
    RawAnswer::Bytes("SSH-2.0-OpenSSH_9.9\r\n".to_owned()),
    "the connection with {} broke before the answer"
)]
#[case::half_an_answer(
    RawAnswer::Bytes("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_owned()),
    "the answer of {} broke off"
)]
#[tokio::test]
async fn a_server_that_always_cuts_is_told_as_lost(
    #[case] answer: RawAnswer,
    #[case] message: &str,
) {
    let server = RawServer::start(vec![answer]).await;
    let environment = FakeEnvironment::with_access_key();
    let clb = environment.connect_with(options(&server.http())).await.expect("a client");
    let clb = clb.with_operation_timeout(Duration::from_secs(5));
    let error = clb.groups(CLB).await.expect_err("cut");
    assert_eq!(error.kind, ErrorKind::ConnectionLost);
    assert!(error.is_lost_answer());
    let message = message.replace("{}", &server.authority);
    assert!(error.message.starts_with(&message), "{error}");
}

#[tokio::test]
async fn a_server_that_is_silent_costs_no_more_than_the_time_of_a_call() {
    let answer = json!({"VServerGroups": {"VServerGroup": [{"VServerGroupId": GROUP}]}});
    let answers = vec![RawAnswer::Silence, RawAnswer::http(200, &answer.to_string())];
    let server = RawServer::start(answers).await;
    let attempt_timeout = Duration::from_secs(3);
    let options = Options { attempt_timeout, ..options(&server.http()) };
    let clb = FakeEnvironment::with_access_key().connect_with(options).await.expect("a client");
    clb.groups(CLB).await.expect("the second attempt");
    assert_eq!(server.requests().len(), 2);
}

#[tokio::test]
async fn a_deadline_that_is_over_ends_the_operation() {
    let server = RawServer::start(vec![RawAnswer::Silence]).await;
    let environment = FakeEnvironment::with_access_key();
    let clb = environment.connect_with(options(&server.http())).await.expect("a client");
    let clb = clb.with_deadline(Instant::now() + Duration::from_secs(3));
    let error = clb.groups(CLB).await.expect_err("late");
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test]
async fn after_the_deadline_nothing_is_sent() {
    let cloud = TestCloud::with_backends(1).await;
    let clb = cloud.client().await.with_deadline(Instant::now());
    let error = clb.groups(CLB).await.expect_err("too late");
    assert_eq!(error.kind, ErrorKind::Deadline);
    assert!(!error.is_lost_answer());
    assert_eq!(cloud.calls(), []);
}

/// An environment in which `/ca.pem` holds the authority of the cloud's certificate.
fn environment_with_authority_of(cloud: &TestCloud) -> FakeEnvironment {
    let authority = cloud.ca_pem().expect("an authority");
    FakeEnvironment::with_access_key().file("/ca.pem", authority)
}

/// Options for a cloud over HTTPS, with `/ca.pem` trusted.
fn options_over_tls(cloud: &TestCloud) -> Options {
    let endpoint = cloud.https().map(|address| address.to_string());
    Options { endpoint, ca: Some("/ca.pem".into()), ..cloud.options() }
}

#[tokio::test]
async fn an_authority_of_one_s_own_is_trusted_when_it_is_named() {
    let cloud = TestCloud::with_backends(1).await;
    let environment = environment_with_authority_of(&cloud);
    let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
    assert_eq!(clb.groups(CLB).await.expect("groups").groups.len(), 1);
}

#[tokio::test]
async fn a_certificate_of_an_unknown_authority_is_refused_before_anything_is_sent() {
    let cloud = TestCloud::with_backends(1).await;
    let other = TestCloud::with_backends(1).await;
    let environment = environment_with_authority_of(&other);
    let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("not trusted");
    assert_eq!(error.kind, ErrorKind::Certificate);
    assert!(!error.is_lost_answer());
    assert_eq!(cloud.calls(), []);
}

#[tokio::test]
async fn a_file_of_certificates_that_has_none_is_told_by_name() {
    let cloud = TestCloud::with_backends(1).await;
    let environment = FakeEnvironment::with_access_key().file("/ca.pem", "hello");
    let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("no certificate");
    assert_eq!(error.kind, ErrorKind::Config);
    assert_eq!(error.message, "certificates /ca.pem: no certificate in it");
}

/// A proxy that leads every CONNECT to one place; what it was asked for comes out of the channel.
async fn proxy(to: String) -> (String, mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(inner.read_u8().await.expect("a request"));
            }
            sender.send(String::from_utf8(head).expect("text")).expect("a test");
            inner.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.expect("an answer");
            let mut outer = TcpStream::connect(&to).await.expect("the server");
            // The test ends before the connection.
            tokio::spawn(async move { copy_bidirectional(&mut inner, &mut outer).await });
        }
    });
    (address, receiver)
}

#[tokio::test]
async fn a_proxy_of_the_environment_is_used_for_https() {
    let cloud = TestCloud::with_backends(1).await;
    let (address, mut requests) = proxy(cloud.https().expect("HTTPS").to_string()).await;
    // Nobody listens there: only by way of the proxy can the cloud be reached.
    let options = Options { endpoint: Some("localhost:1".to_owned()), ..options_over_tls(&cloud) };
    let environment = environment_with_authority_of(&cloud)
        .variable("HTTPS_PROXY", &format!("http://ann:pass@{address}"));
    let clb = environment.connect_with(options).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    let request = requests.recv().await.expect("a CONNECT").to_lowercase();
    assert!(request.starts_with("connect localhost:1 http/1.1\r\n"), "{request}");
    assert!(request.contains("proxy-authorization: basic "), "{request}");
}

#[tokio::test]
async fn a_proxy_is_left_aside_where_no_proxy_says_so() {
    let cloud = TestCloud::with_backends(1).await;
    let environment = environment_with_authority_of(&cloud)
        .variable("HTTPS_PROXY", "http://127.0.0.1:1")
        .variable("NO_PROXY", "127.0.0.1");
    let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
}

#[tokio::test]
async fn a_proxy_for_everything_is_left_aside_as_by_the_cli() {
    let cloud = TestCloud::with_backends(1).await;
    for name in ["ALL_PROXY", "all_proxy"] {
        let environment =
            environment_with_authority_of(&cloud).variable(name, "socks5://127.0.0.1:1");
        let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
        clb.groups(CLB).await.expect("groups");
    }
}

/// A SOCKS 5 proxy that leads every connection to one place; user, password and the host that it was
/// asked for come out of the channel.
async fn socks_proxy(to: String) -> (String, mpsc::UnboundedReceiver<[String; 3]>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut inner, _)) = listener.accept().await {
            let mut greeting = [0; 2];
            inner.read_exact(&mut greeting).await.expect("a greeting");
            inner.read_exact(&mut vec![0; greeting[1].into()]).await.expect("methods");
            // User and password are wanted.
            inner.write_all(&[5, 2]).await.expect("an answer");
            inner.read_u8().await.expect("a version");
            let user = text(&mut inner).await;
            let password = text(&mut inner).await;
            inner.write_all(&[1, 0]).await.expect("an answer");
            let mut request = [0; 4];
            inner.read_exact(&mut request).await.expect("a request");
            assert_eq!(request, [5, 1, 0, 3], "a connection to a host by name");
            let host = text(&mut inner).await;
            inner.read_u16().await.expect("a port");
            inner.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await.expect("an answer");
            sender.send([user, password, host]).expect("a test");
            let mut outer = TcpStream::connect(&to).await.expect("the server");
            // The test ends before the connection.
            tokio::spawn(async move { copy_bidirectional(&mut inner, &mut outer).await });
        }
    });
    (address, receiver)
}

/// A text behind its length.
async fn text(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; stream.read_u8().await.expect("a length").into()];
    stream.read_exact(&mut bytes).await.expect("a text");
    String::from_utf8(bytes).expect("text")
}

#[rstest]
#[case("socks5")]
#[case("socks5h")]
#[tokio::test]
async fn a_socks_proxy_of_the_environment_is_used_for_https(#[case] scheme: &str) {
    let cloud = TestCloud::with_backends(1).await;
    let (address, mut asked) = socks_proxy(cloud.https().expect("HTTPS").to_string()).await;
    // Nobody listens there: only by way of the proxy can the cloud be reached.
    let options = Options { endpoint: Some("localhost:1".to_owned()), ..options_over_tls(&cloud) };
    let environment = environment_with_authority_of(&cloud)
        .variable("HTTPS_PROXY", &format!("{scheme}://ann:pass@{address}"));
    let clb = environment.connect_with(options).await.expect("a client");
    clb.groups(CLB).await.expect("groups");
    assert_eq!(asked.recv().await.expect("a connection"), ["ann", "pass", "localhost"]);
}

#[tokio::test]
async fn a_proxy_that_is_not_known_is_told_by_the_variable_that_names_it() {
    let cloud = TestCloud::with_backends(1).await;
    let environment =
        environment_with_authority_of(&cloud).variable("HTTPS_PROXY", "https://127.0.0.1:1");
    let clb = environment.connect_with(options_over_tls(&cloud)).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("no such proxy");
    assert_eq!(error.kind, ErrorKind::Unreachable);
    assert!(error.message.contains("the proxy that HTTPS_PROXY names"), "{error}");
}
