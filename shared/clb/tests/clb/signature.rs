//! Signatures, computed anew from what is on the wire.

use ring::{digest, hmac};
use serde_json::json;

use crate::{
    environment::{FakeEnvironment, client},
    server::{Reply, Seen, Server},
};

fn hex(bytes: &[u8]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    digits.concat()
}

fn sha256(text: &str) -> String {
    hex(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

/// The signature that a server expects which has this secret.
fn expected(seen: &Seen, secret: &str) -> String {
    let authorization = &seen.headers["authorization"];
    let names = authorization.split("SignedHeaders=").nth(1).expect("names");
    let names = names.split(',').next().expect("names");
    let headers: Vec<String> =
        names.split(';').map(|name| format!("{name}:{}\n", seen.headers[name])).collect();
    let headers = headers.concat();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        seen.method,
        seen.path,
        seen.raw_query,
        sha256("")
    );
    let signed = format!("ACS3-HMAC-SHA256\n{}", sha256(&canonical));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hex(hmac::sign(&key, signed.as_bytes()).as_ref())
}

#[tokio::test]
async fn a_server_that_knows_the_secret_computes_the_same_signature() {
    let server =
        Server::script(vec![Reply::ok(json!({"BackendServers": {"BackendServer": []}}))]).await;
    client(&server).await.health("lb *+~/example", 80, "tcp").await.expect("an answer");
    let seen = &server.seen()[0];
    assert_eq!(seen.method, "POST");
    assert_eq!(seen.headers["x-acs-version"], "2014-05-15");
    assert_eq!(seen.headers["host"], server.authority);
    assert_eq!(seen.parameter("LoadBalancerId"), "lb *+~/example");
    assert_eq!(seen.parameter("RegionId"), "cn-example");
    let authorization = &seen.headers["authorization"];
    assert!(
        authorization.starts_with("ACS3-HMAC-SHA256 Credential=LTAIexample,SignedHeaders=host;")
    );
    assert!(authorization.ends_with(&format!(",Signature={}", expected(seen, "secret-1"))));
}

#[tokio::test]
async fn a_token_is_sent_and_signed_with_the_rest() {
    let server =
        Server::script(vec![Reply::ok(json!({"BackendServers": {"BackendServer": []}}))]).await;
    let environment =
        FakeEnvironment::with_keys().variable("ALIBABA_CLOUD_SECURITY_TOKEN", "token-1");
    let clb = environment.connect(&server).await.expect("a client");
    clb.health("lb-bp1example", 80, "tcp").await.expect("an answer");
    let seen = &server.seen()[0];
    assert_eq!(seen.headers["x-acs-security-token"], "token-1");
    let authorization = &seen.headers["authorization"];
    assert!(authorization.contains("x-acs-security-token;"), "{authorization}");
    assert!(authorization.ends_with(&expected(seen, "secret-1")));
}

#[tokio::test]
async fn no_two_calls_have_the_same_nonce() {
    let server =
        Server::script(vec![Reply::ok(json!({"BackendServers": {"BackendServer": []}}))]).await;
    let clb = client(&server).await;
    for _ in 0..3 {
        clb.health("lb-bp1example", 80, "tcp").await.expect("an answer");
    }
    let mut nonces: Vec<_> =
        server.seen().iter().map(|seen| seen.headers["x-acs-signature-nonce"].clone()).collect();
    nonces.sort();
    nonces.dedup();
    assert_eq!(nonces.len(), 3);
}
