//! preStop hooks for workloads and Pods. What a hook looks like is the core's business and tested there.

mod pods;
mod workloads;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clbmigrate_webhook::Webhook;
use serde_json::{Value, json};

use super::support::{
    TestCluster, USER, block_on, container, deployment, edited, node, review, test_cluster, web,
};

/// A cluster with a migrated Service, and a node that knows the native sleep.
fn shop() -> TestCluster {
    test_cluster().with_service(&web()).nodes(&[node(1)])
}

/// A Deployment whose container has no hook.
fn bare() -> Value {
    let container = edited(&container(), &json!({"lifecycle": null}));
    let spec = json!({"containers": [container], "terminationGracePeriodSeconds": 30});
    edited(&deployment(), &json!({"spec": {"template": {"spec": spec}}}))
}

fn annotated(object: &Value, key: &str, value: &str) -> Value {
    edited(object, &json!({"metadata": {"annotations": {key: value}}}))
}

/// What a mutating webhook answers.
#[derive(Debug)]
struct Mutation {
    /// The object with the patch applied.
    object: Value,
    is_patched: bool,
    warnings: Vec<String>,
    /// The audit annotation.
    result: String,
}

impl Mutation {
    /// The first container's preStop hook, and the grace period.
    fn hook(&self) -> (Value, Value) {
        let spec = self.object.pointer("/spec/template/spec").unwrap_or(&self.object["spec"]);
        let lifecycle = &spec["containers"][0]["lifecycle"];
        (lifecycle["preStop"].clone(), spec["terminationGracePeriodSeconds"].clone())
    }

    #[track_caller]
    fn has_hook(&self, seconds: u64) {
        let expected = (json!({"sleep": {"seconds": seconds}}), json!(30 + seconds));
        assert_eq!(self.hook(), expected, "{self:?}");
        assert!(self.is_patched && self.warnings.is_empty(), "{self:?}");
        assert_eq!(self.result, "patched");
    }

    #[track_caller]
    fn is_untouched(&self, result: &str) {
        assert!(!self.is_patched && self.warnings.is_empty(), "{self:?}");
        assert_eq!(self.result, result);
    }
}

fn mutate(cluster: &TestCluster, webhook: Webhook, review: &Value) -> Mutation {
    let body = review.to_string();
    let answer = block_on(cluster.admission().review(webhook, body.as_bytes())).expect("a review");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    let response = &answer["response"];
    assert_eq!((&response["uid"], &response["allowed"]), (&json!("u-1"), &json!(true)));
    let mut object = review["request"]["object"].clone();
    let patch = response["patch"].as_str();
    if let Some(patch) = patch {
        assert_eq!(response["patchType"], "JSONPatch");
        let patch = BASE64.decode(patch).expect("base64");
        let patch: json_patch::Patch = serde_json::from_slice(&patch).expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
    }
    let warnings = response["warnings"].as_array().into_iter().flatten();
    Mutation {
        object,
        is_patched: patch.is_some(),
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
        result: response["auditAnnotations"]["preStop"].as_str().unwrap_or_default().to_owned(),
    }
}

fn create(cluster: &TestCluster, workload: &Value) -> Mutation {
    mutate(cluster, Webhook::MutateWorkloads, &review(USER, "CREATE", None, Some(workload)))
}

fn update(cluster: &TestCluster, old: &Value, new: &Value) -> Mutation {
    mutate(cluster, Webhook::MutateWorkloads, &review(USER, "UPDATE", Some(old), Some(new)))
}
