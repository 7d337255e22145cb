//! Hooks for workloads and Pods, without a server: what the webhook answers, given what it knows of
//! the cluster. What a hook looks like is the core's business and tested there.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

mod pods;
#[allow(dead_code, reason = "the tests of admission use the rest")]
#[path = "../admission/support.rs"]
mod support;
mod workloads;

use base64::{Engine as _, engine::general_purpose::STANDARD as BASE64};
use clbmigrate_webhook::Hook;
use futures::executor::block_on;
use serde_json::{Value, json};

use support::{JANE, Scene, container, deployment, edited, node, review, scene, web};

/// A cluster with a migrated Service, and a node that knows the native sleep.
fn shop() -> Scene {
    scene().with(&web()).nodes(&[node(1)])
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

/// What a hook answers.
#[derive(Debug)]
struct Answer {
    /// The object with the patch applied.
    object: Value,
    is_patched: bool,
    warnings: Vec<String>,
    /// What the audit log is told.
    result: String,
}

impl Answer {
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

fn post(scene: &Scene, hook: Hook, review: &Value) -> Answer {
    let body = review.to_string();
    let answer = block_on(scene.admission().review(hook, body.as_bytes())).expect("a review");
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
    Answer {
        object,
        is_patched: patch.is_some(),
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
        result: response["auditAnnotations"]["preStop"].as_str().unwrap_or_default().to_owned(),
    }
}

fn create(scene: &Scene, workload: &Value) -> Answer {
    post(scene, Hook::MutateWorkloads, &review(JANE, "CREATE", None, Some(workload)))
}

fn update(scene: &Scene, old: &Value, new: &Value) -> Answer {
    post(scene, Hook::MutateWorkloads, &review(JANE, "UPDATE", Some(old), Some(new)))
}
