//! The Services of the cases, and the requests that change them. `NAME` stands for a case's own Service.

use clbmigrate_testkit::manifests::{key, service_in, with};
use serde_json::{Map, Value, json};

use super::{FINALIZER, NAMESPACE};

pub fn service(annotations: &[(&str, &str)]) -> Value {
    service_in(NAMESPACE, "NAME", annotations)
}

/// A migrated Service of weight 20.
pub fn migrated() -> String {
    with_weight("20")
}

pub fn with_weight(weight: &str) -> String {
    service(&[("weight", weight)]).to_string()
}

/// A migrated Service of weight 20 with another value at a JSON Pointer.
pub fn migrated_with(pointer: &str, value: impl Into<Value>) -> String {
    with(service(&[("weight", "20")]), pointer, value).to_string()
}

/// A migrated Service with CCM's finalizer.
pub fn held() -> String {
    migrated_with("/metadata/finalizers", json!([FINALIZER]))
}

/// A migrated Service with this many further annotations.
pub fn decorated(count: usize) -> String {
    let mut service = service(&[("weight", "20")]);
    for number in 0..count {
        let key = format!("example.com/decoration-of-a-usual-length-{number}");
        service["metadata"]["annotations"][key] = number.to_string().into();
    }
    service.to_string()
}

/// A Service that CCM does not take.
pub fn inner() -> String {
    migrated_with("/spec/type", "ClusterIP")
}

/// One that is given a CLB of its own, without any annotation of CCM's.
pub fn plain() -> Value {
    service(&[("id", "-"), ("vgroup-port", "-")])
}

/// A merge patch of annotations: keys as they are, or behind CCM's prefix if they have no slash.
pub fn annotations(changes: &[(&str, Option<&str>)]) -> Value {
    let full = |name: &str| if name.contains('/') { name.to_owned() } else { key(name) };
    let changes: Map<String, Value> =
        changes.iter().map(|(key, value)| (full(key), json!(value))).collect();
    json!({"metadata": {"annotations": changes}})
}

pub fn patch(patch: &Value) -> String {
    format!("patch service NAME --type=merge -p {patch}")
}

pub fn patch_status(body: &Value) -> String {
    format!("{} --subresource=status", patch(body))
}

pub fn set(changes: &[(&str, Option<&str>)]) -> String {
    patch(&annotations(changes))
}
