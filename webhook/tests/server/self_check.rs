//! The server's call to itself.

use std::{sync::Arc, time::SystemTime};

use clbmigrate_webhook::tls::{CertificateAuthority, Lifetimes, SelfCheck, TrustAnchor};

use crate::test_server::{NAME, TestServer, generous_limits, until};

fn start(server: &TestServer, trust: TrustAnchor) -> Arc<SelfCheck> {
    let call = SelfCheck::new(server.address, Arc::clone(&server.resolver), Arc::default());
    let caller = Arc::clone(&call);
    tokio::spawn(async move { caller.run(|| Some(trust.clone())).await });
    call
}

fn why(call: &SelfCheck) -> String {
    call.check().err().unwrap_or_default()
}

#[tokio::test]
async fn a_call_that_trusts_the_authority_succeeds_when_there_is_a_certificate() {
    let server = TestServer::without_certificate(generous_limits()).await;
    let call = start(&server, TrustAnchor::Authority(server.bundle().clone(), NAME.to_owned()));
    until("a failed call", || !why(&call).contains("not called yet")).await;
    server.renew_certificate();
    until("a successful call", || call.check().is_ok()).await;
}

#[tokio::test]
async fn a_certificate_that_api_servers_would_not_trust_is_found_out() {
    let server = TestServer::new(generous_limits()).await;
    let other = CertificateAuthority::create(2, Lifetimes::default(), SystemTime::now())
        .expect("an authority");
    let call = start(&server, TrustAnchor::Authority(other.bundle().clone(), NAME.to_owned()));
    until("a failed call", || why(&call).contains("UnknownIssuer")).await;
    let call = start(
        &server,
        TrustAnchor::Authority(server.bundle().clone(), "other.test.svc".to_owned()),
    );
    until("a failed call", || why(&call).contains("not valid for name")).await;
}

#[tokio::test]
async fn a_new_certificate_of_a_stranger_is_found_out_at_once() {
    let server = TestServer::new(generous_limits()).await;
    let call = start(&server, TrustAnchor::Authority(server.bundle().clone(), NAME.to_owned()));
    until("a successful call", || call.check().is_ok()).await;
    let now = SystemTime::now();
    let other = CertificateAuthority::create(2, Lifetimes::default(), now).expect("an authority");
    server.resolver.set(other.sign(&[NAME.to_owned()], now).expect("a certificate"));
    until("a failed call", || why(&call).contains("UnknownIssuer")).await;
}

#[tokio::test]
async fn where_nobody_tells_the_authority_the_certificate_at_hand_is_enough() {
    let server = TestServer::new(generous_limits()).await;
    let call = start(&server, TrustAnchor::Pinned);
    until("a successful call", || call.check().is_ok()).await;
}
