//! What a webhook configuration needs so that API servers trust the webhook.

use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::Bundle;

/// The annotation on a configuration that says how new its bundle is.
pub const GENERATION: &str = "clbmigrate.io/ca-generation";

/// What tells cert-manager to write the bundle.
const INJECTED: &str = "cert-manager.io/inject-";

/// The Service that API servers reach the webhook by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub service: String,
}

impl Target {
    /// The name that API servers ask for.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.service, self.namespace)
    }
}

/// What a configuration needs.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    /// Nothing: it is right, or not ours to write.
    Nothing,
    /// A newer bundle is there than ours is, of this generation.
    Behind(u64),
    /// This JSON Patch.
    Write(Value),
}

/// What the configuration needs to carry the bundle.
pub(super) fn step(configuration: &DynamicObject, bundle: &Bundle, target: &Target) -> Step {
    let annotations = configuration.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(INJECTED))) {
        return Step::Nothing;
    }
    let generation = annotations.and_then(|all| all.get(GENERATION));
    let published = generation.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let encoded = bundle.base64();
    let hooks = configuration.data.get("webhooks").and_then(Value::as_array);
    let ours = hooks.into_iter().flatten().enumerate().filter(|(_, hook)| is_ours(hook, target));
    let ours = ours.collect::<Vec<_>>();
    if ours.is_empty() {
        return Step::Nothing;
    }
    if published > bundle.generation() {
        return Step::Behind(published);
    }
    let mut ops = Vec::new();
    for (index, hook) in ours {
        let client = hook.get("clientConfig");
        if client.and_then(|it| it.get("caBundle")).and_then(Value::as_str) != Some(&encoded) {
            let at = format!("/webhooks/{index}");
            ops.push(
                json!({"op": "test", "path": format!("{at}/name"), "value": hook.get("name")}),
            );
            let path = format!("{at}/clientConfig/caBundle");
            ops.push(json!({"op": "add", "path": path, "value": encoded}));
        }
    }
    let numbered = bundle.generation().to_string();
    if generation != Some(&numbered) {
        if annotations.is_none() {
            ops.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
        }
        let path = format!("/metadata/annotations/{}", GENERATION.replace('/', "~1"));
        ops.push(json!({"op": "add", "path": path, "value": numbered}));
    }
    if ops.is_empty() {
        return Step::Nothing;
    }
    let version = &configuration.metadata.resource_version;
    ops.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
    Step::Write(Value::Array(ops))
}

/// Whether a hook's reviews come here. Where they go by URL, the configuration's name says so.
fn is_ours(hook: &Value, target: &Target) -> bool {
    match hook.pointer("/clientConfig/service") {
        Some(service) => {
            service.get("namespace").and_then(Value::as_str) == Some(&target.namespace)
                && service.get("name").and_then(Value::as_str) == Some(&target.service)
        }
        None => hook.pointer("/clientConfig/url").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::Authority;
    use super::*;

    fn bundle(generation: u64) -> Bundle {
        let authority = Authority::create(generation, SystemTime::now()).expect("an authority");
        authority.bundle().clone()
    }

    fn target() -> Target {
        Target { namespace: "here".to_owned(), service: "webhook".to_owned() }
    }

    /// A configuration with one hook that comes here, one that does not, and one by URL.
    fn configuration(annotations: &Value, encoded: &Value) -> Value {
        let service = |namespace: &str| json!({"namespace": namespace, "name": "webhook"});
        json!({
            "metadata": {"name": "x", "resourceVersion": "7", "annotations": annotations},
            "webhooks": [
                {"name": "a", "clientConfig": {"service": service("here"), "caBundle": encoded}},
                {"name": "b", "clientConfig": {"service": service("there")}},
                {"name": "c", "clientConfig": {"url": "https://127.0.0.1:1", "caBundle": encoded}},
            ],
        })
    }

    fn look(configuration: &Value, bundle: &Bundle) -> Step {
        let object = serde_json::from_value(configuration.clone()).expect("an object");
        step(&object, bundle, &target())
    }

    /// The configuration after the step.
    fn after(mut configuration: Value, bundle: &Bundle) -> Value {
        let Step::Write(ops) = look(&configuration, bundle) else { panic!("nothing to write") };
        let ops: json_patch::Patch = serde_json::from_value(ops).expect("a JSON Patch");
        json_patch::patch(&mut configuration, &ops).expect("a patch that fits");
        configuration
    }

    #[test]
    fn a_fresh_configuration_gets_bundle_and_generation() {
        let bundle = bundle(3);
        let before = configuration(&Value::Null, &Value::Null);
        let expected = configuration(&json!({GENERATION: "3"}), &json!(bundle.base64()));
        let written = after(before, &bundle);
        assert_eq!(written, expected);
        assert_eq!(look(&written, &bundle), Step::Nothing, "twice is once");
    }

    #[test]
    fn other_annotations_stay() {
        let bundle = bundle(3);
        let before = configuration(&json!({"other": "kept"}), &json!("b2xk"));
        let written = after(before, &bundle);
        assert_eq!(written["metadata"]["annotations"], json!({"other": "kept", GENERATION: "3"}));
    }

    #[test]
    fn a_wiped_bundle_comes_back_whatever_the_annotation_says() {
        let bundle = bundle(3);
        for annotations in
            [json!({GENERATION: "3"}), json!({GENERATION: "2"}), json!({GENERATION: "x"})]
        {
            let written = after(configuration(&annotations, &Value::Null), &bundle);
            assert_eq!(written["webhooks"][0]["clientConfig"]["caBundle"], json!(bundle.base64()));
            assert_eq!(written["metadata"]["annotations"][GENERATION], "3");
        }
    }

    #[test]
    fn an_older_bundle_never_replaces_a_newer_one() {
        let before = configuration(&json!({GENERATION: "4"}), &json!("bmV3"));
        assert_eq!(look(&before, &bundle(3)), Step::Behind(4));
    }

    #[test]
    fn a_change_in_between_makes_the_patch_fail() {
        let bundle = bundle(3);
        let before = configuration(&Value::Null, &Value::Null);
        let Step::Write(ops) = look(&before, &bundle) else { panic!("nothing to write") };
        let ops: json_patch::Patch = serde_json::from_value(ops).expect("a JSON Patch");
        for change in [
            json!({"metadata": {"resourceVersion": "8"}}),
            json!({"webhooks": [{"name": "renamed", "clientConfig": {}}]}),
        ] {
            let mut changed = before.clone();
            json_patch::merge(&mut changed, &change);
            assert!(json_patch::patch(&mut changed, &ops).is_err(), "{change}");
        }
    }

    #[test]
    fn what_is_not_ours_is_left_alone() {
        let bundle = bundle(3);
        let mut elsewhere = configuration(&Value::Null, &Value::Null);
        elsewhere["webhooks"] = json!([elsewhere["webhooks"][1].clone()]);
        assert_eq!(look(&elsewhere, &bundle), Step::Nothing);
        let injected = json!({"cert-manager.io/inject-ca-from": "here/certificate"});
        assert_eq!(look(&configuration(&injected, &Value::Null), &bundle), Step::Nothing);
        let without = json!({"metadata": {"name": "x"}});
        assert_eq!(look(&without, &bundle), Step::Nothing);
    }
}
