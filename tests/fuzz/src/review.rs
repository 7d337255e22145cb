//! Target: reviews, as whoever reaches the webhook may post them.

use std::sync::{Arc, LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clbmigrate_core::object::{WorkloadKind, is_dns_label, is_dns_subdomain};
use clbmigrate_webhook::{
    Webhook,
    admission::{AdmissionHandler, NoApiReader, ReviewError},
    cache::Cache,
    metrics::Metrics,
};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::memory_claims::memory_claims;

/// What API servers print of a warning (Kubernetes: `warning.go` of the API server's admission).
const LONGEST_WARNING: usize = 256;

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

/// A small cluster: a migrated Service, another one in the same group, its workload, and a node.
static CACHE: LazyLock<Arc<Cache>> = LazyLock::new(|| {
    let cache = Cache::default();
    let service = |name: &str, port: u16| {
        let prefix = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
        json!({
            "metadata": {"name": name, "namespace": "shop", "uid": name, "annotations": {
                format!("{prefix}id"): "lb-bp1example",
                format!("{prefix}vgroup-port"): format!("rsp-bp1example:{port}"),
                format!("{prefix}weight"): "60",
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [
                {"name": "http", "port": port, "targetPort": 8080, "nodePort": 30080},
            ]},
        })
    };
    for object in [service("web", 80), service("other", 80)] {
        cache.put_service(&object.to_string()).expect("a Service");
    }
    let deployment = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 2, "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web:1"}]},
        }},
    });
    cache.put_workload(WorkloadKind::Deployment, &deployment.to_string()).expect("a workload");
    let node = json!({
        "metadata": {"name": "node-1"}, "spec": {"providerID": "cn-example.i-bp1node1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.33.1"}},
    });
    cache.put_nodes([node.to_string()]).expect("nodes");
    Arc::new(cache)
});

#[derive(Deserialize)]
struct Review {
    request: ReviewRequest,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ReviewRequest {
    uid: String,
    namespace: String,
    name: String,
}

/// Posts a review to all hooks.
pub fn check(input: &[u8]) {
    for webhook in Webhook::ALL {
        let answer = post(webhook, input);
        assert_eq!(answer, post(webhook, input), "{webhook:?}: a review has one answer");
        match answer {
            Ok(answer) => check_answer(webhook, input, &answer),
            Err(error) => assert!(!error.is_empty(), "{webhook:?}: refused without a reason"),
        }
    }
}

/// The answer of a webhook that has seen no other review.
fn post(webhook: Webhook, body: &[u8]) -> Result<Vec<u8>, String> {
    let claims = memory_claims(&CACHE, []);
    let metrics = Arc::new(Metrics::default());
    let handler =
        AdmissionHandler::new(Arc::clone(&CACHE), Arc::default(), metrics, claims, NoApiReader);
    let answer = RUNTIME.block_on(handler.review(webhook, body));
    answer.map(|answer| answer.to_vec()).map_err(|error: ReviewError| error.to_string())
}

fn check_answer(webhook: Webhook, body: &[u8], answer: &[u8]) {
    // The webhook skips what it does not read, however deep it is, so nothing else is read here.
    let Review { request } = serde_json::from_slice(body).expect("what was answered is a review");
    let answer: Value = serde_json::from_slice(answer).expect("an answer in JSON");
    assert_eq!(answer["apiVersion"], "admission.k8s.io/v1", "{answer}");
    assert_eq!(answer["kind"], "AdmissionReview", "{answer}");
    let response = &answer["response"];
    assert_eq!(response["uid"], request.uid, "{answer}");

    let ReviewRequest { namespace, name, .. } = &request;
    assert!(namespace.is_empty() || is_dns_label(namespace), "{namespace:?} was let in");
    assert!(name.is_empty() || is_dns_subdomain(name), "{name:?} was let in");

    let may_refuse = matches!(webhook, Webhook::ValidateServices | Webhook::ValidateWorkloads);
    match response["allowed"].as_bool() {
        Some(true) => {}
        Some(false) => {
            let message = response["status"]["message"].as_str().unwrap_or_default();
            assert!(may_refuse && !message.is_empty(), "{webhook:?} refuses: {answer}");
        }
        None => panic!("no verdict: {answer}"),
    }
    for warning in response["warnings"].as_array().into_iter().flatten() {
        let warning = warning.as_str().expect("a warning is a text");
        assert!(warning.chars().count() <= LONGEST_WARNING, "too long: {warning}");
    }
    if let Some(patch) = response["patch"].as_str() {
        assert!(!may_refuse, "{webhook:?} changes: {answer}");
        let review = serde_json::from_slice(body).expect("what was patched is JSON");
        check_patch(webhook, review, patch);
    }
}

/// Applies a patch: the object that it makes needs no other one.
fn check_patch(webhook: Webhook, mut review: Value, patch: &str) {
    let patch = STANDARD.decode(patch).expect("Base64");
    let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a JSON Patch");
    let object = review.pointer_mut("/request/object").expect("an object");
    json_patch::patch(object, &patch).expect("the patch applies");
    let again = post(webhook, review.to_string().as_bytes()).expect("an answer");
    let again: Value = serde_json::from_slice(&again).expect("JSON");
    assert!(again["response"]["patch"].is_null(), "patched again: {again}");
}
