//! The load client against servers that answer right, wrong, late and not at all.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use clbmigrate_load::load_generator::{Expect, LoadTest, Measurement, Pace, Server, run};
use clbmigrate_load::review::{ReviewKind, ReviewSize};
use clbmigrate_load::{certificates, echo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a server of these tests says of a review.
type Judge = fn(&Value) -> Value;

struct ReviewServer {
    address: SocketAddr,
    tls: tempfile::TempDir,
    uids: Arc<Mutex<Vec<String>>>,
}

/// Starts a server that answers reviews as `judge` says.
async fn review_server(judge: Judge) -> ReviewServer {
    let tls = tempfile::tempdir().expect("a folder");
    certificates::make(tls.path(), &["127.0.0.1"]).expect("certificates");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let uids = Arc::new(Mutex::new(Vec::new()));
    let config = certificates::server_config(tls.path()).expect("a server");
    let seen = Arc::clone(&uids);
    tokio::spawn(echo::serve(listener, config, move |body| {
        let review: Value = serde_json::from_slice(&body).expect("a review");
        let uid = review["request"]["uid"].as_str().expect("a uid").to_owned();
        seen.lock().expect("no panic").push(uid);
        let mut response = judge(&review["request"]);
        if response["uid"].is_null() {
            response["uid"] = review["request"]["uid"].clone();
        }
        let reply = json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response,
        });
        reply.to_string().into()
    }));
    ReviewServer { address, tls, uids }
}

impl ReviewServer {
    async fn run_load(&self, pace: Pace, expect: Expect) -> anyhow::Result<Measurement> {
        let tls = certificates::client_config(self.tls.path())?;
        run(LoadTest {
            server: Server { address: self.address, tls },
            path: "/validate-services".to_owned(),
            connections: 4,
            services: 10,
            reviews: ReviewKind::Mixed,
            size: ReviewSize::Usual,
            expect,
            pace,
            warm_up: Duration::from_millis(50),
            time: Duration::from_millis(400),
            server_pid: Some(std::process::id()),
        })
        .await
    }

    fn uids(&self) -> Vec<String> {
        self.uids.lock().expect("no panic").clone()
    }
}

/// As the webhook would.
fn right(request: &Value) -> Value {
    let weight = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
    if request["object"]["metadata"]["annotations"][weight] == "101" {
        json!({"allowed": false, "status": {"code": 403, "message": "CLB001: weight 101"}})
    } else {
        json!({"allowed": true})
    }
}

#[tokio::test]
async fn a_right_server_is_measured_and_never_sees_a_uid_twice() {
    let server = review_server(right).await;
    let measured =
        server.run_load(Pace::ClosedLoop, Expect::Decision).await.expect("right answers");
    let uids = server.uids();
    let sent = u64::try_from(uids.len()).expect("a number");
    assert!((1..=sent).contains(&measured.requests), "{} of {sent}", measured.requests);
    assert!(measured.p50_us <= measured.p99_us && measured.p99_us <= measured.max_us * 1.01);
    assert!(measured.server_busy.is_some_and(|busy| busy > 0.0));
    assert_eq!(uids.iter().collect::<BTreeSet<_>>().len(), uids.len());
}

#[tokio::test]
async fn at_a_rate_every_review_that_is_due_is_sent() {
    let server = review_server(right).await;
    let pace = Pace::OpenLoop { rate: 100.0 };
    let measured = server.run_load(pace, Expect::Decision).await.expect("right answers");
    // Due in the measured 400 ms, however late the machine is.
    assert_eq!(measured.requests, 40);
    assert_eq!(server.uids().len(), 45);
}

#[tokio::test]
async fn latency_counts_from_when_a_review_was_due() {
    // One core for client and server, which sleeps: all others wait behind it.
    let server = review_server(|request| {
        std::thread::sleep(Duration::from_millis(20));
        right(request)
    })
    .await;
    let pace = Pace::OpenLoop { rate: 100.0 };
    let measured = server.run_load(pace, Expect::Decision).await.expect("right answers");
    assert_eq!(measured.requests, 40);
    // Twice as many are due as can be answered, so the last ones are late by half of the time. A
    // client that waits for its server would see 4 connections times 20 ms.
    assert!(measured.p99_us > 150_000.0, "{measured:?}");
}

#[tokio::test]
async fn any_wrong_answer_ends_the_job() {
    for wrong in [
        (|_| json!({"allowed": true})) as Judge,
        |_| json!({"allowed": false, "status": {"message": "CLB001"}}),
        |request| {
            let mut response = right(request);
            response["uid"] = "of another".into();
            response
        },
    ] {
        let server = review_server(wrong).await;
        let error =
            server.run_load(Pace::ClosedLoop, Expect::Decision).await.expect_err("wrong answers");
        assert!(error.to_string().starts_with("the answer to "), "{error}");
        assert!(server.run_load(Pace::ClosedLoop, Expect::Anything).await.is_ok());
    }
}

#[tokio::test]
async fn a_server_that_is_not_trusted_gets_no_review() {
    let mut server = review_server(right).await;
    server.tls = tempfile::tempdir().expect("a folder");
    certificates::make(server.tls.path(), &["127.0.0.1"]).expect("certificates");
    let error = server.run_load(Pace::ClosedLoop, Expect::Anything).await.expect_err("no trust");
    assert!(error.to_string().starts_with("TLS with 127.0.0.1:"), "{error:#}");
    assert_eq!(server.uids(), Vec::<String>::new());
}
