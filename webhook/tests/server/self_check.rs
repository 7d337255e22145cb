//! The server's call to itself.

use std::{sync::Arc, time::SystemTime};

use clbmigrate_webhook::{
    serve::Readiness,
    tls::{Authority, SelfCall, Trust},
};

use crate::scene::{NAME, Scene, patient, until};

fn start(scene: &Scene, trust: Trust) -> Arc<SelfCall> {
    let call = SelfCall::new(scene.address, Arc::clone(&scene.resolver));
    let caller = Arc::clone(&call);
    tokio::spawn(async move { caller.run(|| Some(trust.clone())).await });
    call
}

fn why(call: &SelfCall) -> String {
    call.check().err().unwrap_or_default()
}

#[tokio::test]
async fn a_call_that_trusts_the_authority_succeeds_when_there_is_a_certificate() {
    let scene = Scene::without_certificate(patient(), Readiness::new(), false).await;
    let call = start(&scene, Trust::Authority(scene.bundle().clone(), NAME.to_owned()));
    until("a failed call", || !why(&call).contains("not called yet")).await;
    scene.show_certificate();
    until("a successful call", || call.check().is_ok()).await;
}

#[tokio::test]
async fn a_certificate_that_api_servers_would_not_trust_is_found_out() {
    let scene = Scene::new(patient()).await;
    let other = Authority::create(2, SystemTime::now()).expect("an authority");
    let call = start(&scene, Trust::Authority(other.bundle().clone(), NAME.to_owned()));
    until("a failed call", || why(&call).contains("UnknownIssuer")).await;
    let call = start(&scene, Trust::Authority(scene.bundle().clone(), "other.test.svc".to_owned()));
    until("a failed call", || why(&call).contains("not valid for name")).await;
}

#[tokio::test]
async fn a_new_certificate_of_a_stranger_is_found_out_at_once() {
    let scene = Scene::new(patient()).await;
    let call = start(&scene, Trust::Authority(scene.bundle().clone(), NAME.to_owned()));
    until("a successful call", || call.check().is_ok()).await;
    let now = SystemTime::now();
    let other = Authority::create(2, now).expect("an authority");
    scene.resolver.show(other.sign(&[NAME.to_owned()], now).expect("a certificate"));
    until("a failed call", || why(&call).contains("UnknownIssuer")).await;
}

#[tokio::test]
async fn where_nobody_tells_the_authority_the_certificate_at_hand_is_enough() {
    let scene = Scene::new(patient()).await;
    let call = start(&scene, Trust::Pinned);
    until("a successful call", || call.check().is_ok()).await;
}
