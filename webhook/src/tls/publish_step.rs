//! What must be written to a webhook configuration so that API servers trust the webhook.

use hyper::Uri;
use kube::api::DynamicObject;
use serde_json::{Value, json};

use super::{CaBundle, PublishedEntry, ca_bundle::decode};

/// The annotation on a configuration that holds the generation of its bundle.
pub const GENERATION_ANNOTATION: &str = "clbmigrate.io/ca-generation";

/// The annotations that tell cert-manager to write the bundle begin so.
const CERT_MANAGER_PREFIX: &str = "cert-manager.io/inject-";

/// The Service by which API servers reach the webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookService {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
}

impl WebhookService {
    /// The DNS name that API servers ask for, such as `web.shop.svc`.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

/// What must be done to a configuration.
#[derive(Debug, PartialEq)]
pub(super) enum PublishStep {
    /// Nothing: it carries the bundle already, or is not ours to write.
    Nothing,
    /// Nothing, because it carries a bundle of this higher generation.
    NewerPublished(u64),
    /// Send this JSON Patch.
    Write(Value),
}

/// What must be done so that a configuration carries the bundle in all its webhooks that send reviews
/// to `service`.
pub(super) fn publish_step(
    configuration: &DynamicObject,
    bundle: &CaBundle,
    service: &WebhookService,
) -> PublishStep {
    let annotations = configuration.metadata.annotations.as_ref();
    if annotations.is_some_and(|all| all.keys().any(|key| key.starts_with(CERT_MANAGER_PREFIX))) {
        return PublishStep::Nothing;
    }
    let generation = annotations.and_then(|all| all.get(GENERATION_ANNOTATION));
    let published = generation.and_then(|text| text.parse::<u64>().ok()).unwrap_or(0);
    let encoded = bundle.base64();
    let is_carried = |webhook: &Value| {
        published == bundle.generation()
            && ca_bundle(webhook).is_some_and(|it| bundle.is_published_as(it))
            || ca_bundle(webhook) == Some(&encoded)
    };
    let webhooks = configuration.data.get("webhooks").and_then(Value::as_array);
    let ours =
        webhooks.into_iter().flatten().enumerate().filter(|(_, webhook)| is_ours(webhook, service));
    let ours = ours.collect::<Vec<_>>();
    if ours.is_empty() {
        return PublishStep::Nothing;
    }
    if published > bundle.generation() {
        return PublishStep::NewerPublished(published);
    }
    let mut ops = Vec::new();
    for (index, webhook) in ours {
        if !is_carried(webhook) {
            let at = format!("/webhooks/{index}");
            ops.push(
                json!({"op": "test", "path": format!("{at}/name"), "value": webhook.get("name")}),
            );
            let path = format!("{at}/clientConfig/caBundle");
            ops.push(json!({"op": "add", "path": path, "value": encoded}));
        }
    }
    let own_generation = bundle.generation().to_string();
    if generation != Some(&own_generation) {
        if annotations.is_none() {
            ops.push(json!({"op": "add", "path": "/metadata/annotations", "value": {}}));
        }
        let path = format!("/metadata/annotations/{}", GENERATION_ANNOTATION.replace('/', "~1"));
        ops.push(json!({"op": "add", "path": path, "value": own_generation}));
    }
    if ops.is_empty() {
        return PublishStep::Nothing;
    }
    let version = &configuration.metadata.resource_version;
    ops.insert(0, json!({"op": "test", "path": "/metadata/resourceVersion", "value": version}));
    PublishStep::Write(Value::Array(ops))
}

/// A webhook's bundle as it is written there.
fn ca_bundle(webhook: &Value) -> Option<&str> {
    webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str)
}

/// The entries of a configuration that send reviews to `service`, or to a URL.
pub(super) fn published_entries(
    configuration: &DynamicObject,
    service: &WebhookService,
) -> Vec<PublishedEntry> {
    let webhooks = configuration.data.get("webhooks").and_then(Value::as_array);
    let ours = webhooks.into_iter().flatten().filter(|webhook| is_ours(webhook, service));
    let entries = ours.map(|webhook| {
        let url = webhook.pointer("/clientConfig/url").and_then(Value::as_str);
        let host = url.and_then(|url| url.parse::<Uri>().ok());
        let host = host.as_ref().and_then(Uri::host).map(|host| host.trim_matches(['[', ']']));
        PublishedEntry {
            server_name: host.map_or_else(|| service.server_name(), str::to_owned),
            bundle: ca_bundle(webhook).map(decode).unwrap_or_default(),
        }
    });
    entries.collect()
}

/// Whether a webhook sends its reviews to `service`, or to a URL: then the configuration's name alone
/// says that it is ours.
fn is_ours(webhook: &Value, service: &WebhookService) -> bool {
    match webhook.pointer("/clientConfig/service") {
        Some(target) => {
            target.get("namespace").and_then(Value::as_str) == Some(&service.namespace)
                && target.get("name").and_then(Value::as_str) == Some(&service.name)
        }
        None => webhook.pointer("/clientConfig/url").is_some(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::super::{CertificateAuthority, Lifetimes};
    use super::*;

    fn bundle(generation: u64) -> CaBundle {
        let now = SystemTime::now();
        let authority = CertificateAuthority::create(generation, Lifetimes::default(), now);
        authority.expect("an authority").bundle().clone()
    }

    fn own_service() -> WebhookService {
        WebhookService { namespace: "here".to_owned(), name: "webhook".to_owned() }
    }

    /// A configuration with one webhook of our Service, one of another, and one with a URL.
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

    fn step_for(configuration: &Value, bundle: &CaBundle) -> PublishStep {
        let object = serde_json::from_value(configuration.clone()).expect("an object");
        publish_step(&object, bundle, &own_service())
    }

    /// The configuration after the step.
    fn after(mut configuration: Value, bundle: &CaBundle) -> Value {
        let PublishStep::Write(ops) = step_for(&configuration, bundle) else {
            panic!("nothing to write")
        };
        let ops: json_patch::Patch = serde_json::from_value(ops).expect("a JSON Patch");
        json_patch::patch(&mut configuration, &ops).expect("a patch that fits");
        configuration
    }

    #[test]
    fn a_fresh_configuration_gets_bundle_and_generation() {
        let bundle = bundle(3);
        let before = configuration(&Value::Null, &Value::Null);
        let expected = configuration(&json!({GENERATION_ANNOTATION: "3"}), &json!(bundle.base64()));
        let written = after(before, &bundle);
        assert_eq!(written, expected);
        assert_eq!(step_for(&written, &bundle), PublishStep::Nothing, "twice is once");
    }

    #[test]
    fn the_entries_that_send_reviews_here_are_told_with_the_names_that_they_expect() {
        let bundle = bundle(3);
        let written = configuration(&Value::Null, &json!(bundle.base64()));
        let object = serde_json::from_value(written).expect("an object");
        let entries = published_entries(&object, &own_service());
        let names = entries.iter().map(|entry| &*entry.server_name).collect::<Vec<_>>();
        assert_eq!(names, ["webhook.here.svc", "127.0.0.1"]);
        assert!(entries.iter().all(|entry| entry.bundle == bundle.certificates()));
        let bare = configuration(&Value::Null, &json!("no bundle"));
        let object = serde_json::from_value(bare).expect("an object");
        assert!(published_entries(&object, &own_service()).iter().all(|it| it.bundle.is_empty()));
    }

    #[test]
    fn a_file_bundle_of_this_generation_that_has_more_is_left_until_all_know_it() {
        let now = SystemTime::now();
        let (old, new) = (bundle(3), bundle(3));
        let following = new.clone().following(Some(&old), now);
        let published =
            after(configuration(&json!({GENERATION_ANNOTATION: "2"}), &Value::Null), &following);
        assert_eq!(published["webhooks"][0]["clientConfig"]["caBundle"], json!(following.base64()));
        let restarted = new.clone().following(None, now);
        assert_eq!(step_for(&published, &restarted), PublishStep::Nothing);
        let settled = after(published, &following.clone().settled());
        assert_eq!(settled["webhooks"][0]["clientConfig"]["caBundle"], json!(new.base64()));
        assert_eq!(step_for(&settled, &following), PublishStep::Nothing, "it is not written back");
    }

    #[test]
    fn other_annotations_stay() {
        let bundle = bundle(3);
        let before = configuration(&json!({"other": "kept"}), &json!("b2xk"));
        let written = after(before, &bundle);
        assert_eq!(
            written["metadata"]["annotations"],
            json!({"other": "kept", GENERATION_ANNOTATION: "3"})
        );
    }

    #[test]
    fn a_wiped_bundle_comes_back_whatever_the_annotation_says() {
        let bundle = bundle(3);
        for annotations in [
            json!({GENERATION_ANNOTATION: "3"}),
            json!({GENERATION_ANNOTATION: "2"}),
            json!({GENERATION_ANNOTATION: "x"}),
        ] {
            let written = after(configuration(&annotations, &Value::Null), &bundle);
            assert_eq!(written["webhooks"][0]["clientConfig"]["caBundle"], json!(bundle.base64()));
            assert_eq!(written["metadata"]["annotations"][GENERATION_ANNOTATION], "3");
        }
    }

    #[test]
    fn an_older_bundle_never_replaces_a_newer_one() {
        let before = configuration(&json!({GENERATION_ANNOTATION: "4"}), &json!("bmV3"));
        assert_eq!(step_for(&before, &bundle(3)), PublishStep::NewerPublished(4));
    }

    #[test]
    fn a_change_in_between_makes_the_patch_fail() {
        let bundle = bundle(3);
        let before = configuration(&Value::Null, &Value::Null);
        let PublishStep::Write(ops) = step_for(&before, &bundle) else {
            panic!("nothing to write")
        };
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
        assert_eq!(step_for(&elsewhere, &bundle), PublishStep::Nothing);
        let injected = json!({"cert-manager.io/inject-ca-from": "here/certificate"});
        assert_eq!(
            step_for(&configuration(&injected, &Value::Null), &bundle),
            PublishStep::Nothing
        );
        let without = json!({"metadata": {"name": "x"}});
        assert_eq!(step_for(&without, &bundle), PublishStep::Nothing);
    }
}
