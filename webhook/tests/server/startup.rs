//! Reviews that come before the server knows what it judges by.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_fault_proxy::{Fault, FaultProxy, Match, StatusCode, Upstream};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::{Webhook, serve::Readiness};
use serde_json::{Value, json};

use crate::{
    client::Client,
    process::{DEADLINE, WebhookProcess},
    program::{Files, NAME},
    test_server::{TestServer, generous_limits},
};

/// A server that knows nothing until the value is true.
async fn unsynced() -> (TestServer, Arc<AtomicBool>) {
    let synced = Arc::new(AtomicBool::new(false));
    let check = Arc::clone(&synced);
    let ready = Readiness::new().with_precondition("caches", move || {
        if check.load(Ordering::SeqCst) { Ok(()) } else { Err("not listed".to_owned()) }
    });
    (TestServer::with(generous_limits(), ready).await, synced)
}

fn shed(server: &TestServer, hook: &str) -> f64 {
    server.metric(&format!(r#"shed_total{{hook="{hook}",reason="unsynced"}}"#))
}

#[tokio::test]
async fn a_service_is_to_be_tried_again_until_everything_is_known() {
    let (server, synced) = unsynced().await;
    let mut client = Client::new(&server).await;
    // A large one, too, is read whole: the connection goes on.
    for body in ["{}".to_owned(), "x".repeat(300_000)] {
        let answer = client.post("/validate-services", &body).await;
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "{answer:?}");
        assert_eq!(answer.header("connection"), None);
    }
    assert!((shed(&server, "validate-services") - 2.0).abs() < f64::EPSILON);
    synced.store(true, Ordering::SeqCst);
    assert_eq!(client.post("/validate-services", "{}").await.status, 200);
    synced.store(false, Ordering::SeqCst);
    assert_eq!(client.post("/validate-services", "{}").await.status, 200, "it was known once");
    assert_eq!(server.answered(), 2);
}

#[tokio::test]
async fn a_pod_goes_in_unjudged_and_nothing_else_does() {
    let (server, _) = unsynced().await;
    let mut client = Client::new(&server).await;
    let review = json!({"request": {"uid": "u-1"}}).to_string();
    for webhook in Webhook::ALL {
        let answer = client.post(webhook.path(), &review).await;
        if webhook == Webhook::MutatePods {
            assert_eq!(answer.status, 200, "{answer:?}");
            let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
            assert_eq!(answer["response"], json!({"uid": "u-1", "allowed": true}));
        } else {
            let is_repeated = webhook == Webhook::ValidateServices;
            assert_eq!(answer.status, 503, "{answer:?}");
            assert_eq!(answer.header("retry-after").is_some(), is_repeated, "{webhook:?}");
        }
        assert!(shed(&server, webhook.name()) > 0.0, "{webhook:?}");
    }
    assert_eq!(server.answered(), 0);
}

fn service(name: &str, mapping: &str, port: u16) -> Value {
    let key = |suffix| format!("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-{suffix}");
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "namespace": "shop", "resourceVersion": "5", "annotations": {
            key("id"): "lb-bp1example", key("vgroup-port"): mapping, key("weight"): "60",
        }},
        "spec": {
            "type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "selector": {"app": name},
            "ports": [{"name": "http", "protocol": "TCP", "port": port, "targetPort": 8080, "nodePort": 30080}],
        },
    })
}

/// The creation of a Service for another port of a group that `web` is in.
pub fn conflict() -> String {
    let object = service("api", "rsp-bp1example:8080", 8080);
    let request = json!({
        "uid": "u-1", "operation": "CREATE", "namespace": "shop", "name": "api", "dryRun": false,
        "kind": {"group": "", "version": "v1", "kind": "Service"},
        "resource": {"group": "", "version": "v1", "resource": "services"},
        "userInfo": {"username": "dev", "groups": ["system:authenticated"]},
        "object": object, "oldObject": null, "options": null,
    });
    let review =
        json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request});
    review.to_string()
}

/// An API server whose only object is the Service `web`. The rule that it returns keeps the listing
/// of Services away.
pub fn api_server() -> Result<(FaultProxy, clbmigrate_fault_proxy::Rule)> {
    let proxy = FaultProxy::start(&Upstream {
        url: "https://127.0.0.1:1".to_owned(),
        ca_pem: rcgen::generate_simple_self_signed(vec!["x".to_owned()])?.cert.pem(),
        client_cert_pem: None,
        client_key_pem: None,
    })?;
    let list = |items: Value| Fault::Answer {
        status: StatusCode::OK,
        body: json!({"apiVersion": "v1", "kind": "List", "metadata": {"resourceVersion": "9"}, "items": items}),
    };
    let services = || Match::method("GET").path_end("/api/v1/services").without_parameter("watch");
    let refused = Fault::status(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "not yet");
    let gate = proxy.add_rule(services(), refused);
    proxy.add_rule(services(), list(json!([service("web", "rsp-bp1example:80", 80)])));
    proxy.add_rule(Match::method("GET").parameter("watch", "1"), Fault::Hang);
    proxy.add_rule(Match::method("GET"), list(json!([])));
    Ok((proxy, gate))
}

#[test]
fn a_process_that_has_not_listed_the_services_judges_none() -> Result<()> {
    let files = Files::new()?;
    let (proxy, gate) = api_server()?;
    std::fs::write(files.path("kubeconfig"), proxy.kubeconfig("a"))?;
    let process = WebhookProcess::start(files.command(&[]))?;
    let post = || {
        let body = conflict();
        process.post("/validate-services", &body, &files.certificate, NAME)
    };
    // It listens, its certificate is there, and all but the Services is known.
    try_wait_for("everything else to be listed", DEADLINE, || {
        let missing = process.probe("/readyz")?.1;
        Ok((missing == "not ready\ncaches: not listed: /api/v1/services\n").then_some(()))
    })?;
    gate.wait_for_hits(1, DEADLINE)?;
    let (status, body) = post()?;
    ensure!(status == 503 && body.contains("try again"), "{status}: {body}");

    gate.remove();
    try_wait_for("it to be ready", DEADLINE, || {
        Ok((process.probe("/readyz")?.0 == 200).then_some(()))
    })
    .with_context(|| process.log())?;
    let (status, body) = post()?;
    ensure!(status == 200, "{status}: {body}");
    let answer: Value = serde_json::from_str(&body)?;
    ensure!(answer["response"]["allowed"] == false, "{answer}");
    ensure!(answer.to_string().contains("CLB102"), "{answer}");
    let line = r#"shed_total{hook="validate-services",reason="unsynced"}"#;
    ensure!(process.metric(line)? > 0.0);
    Ok(())
}
