//! The hash label, by which CCM knows that it has already carried a Service out.
//!
//! CCM 2.14 (`service_utils.go`, `pkg/util/hash`): a list of what it looks at, written as JSON, freed of
//! zero values, written as YAML by sigs.k8s.io/yaml, SHA-224 in hex. The YAML text decides, so this module
//! writes it as go-yaml 2.4 does, quotes and folds included.

mod order;
mod resolve;
mod scalar;
mod yaml;

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Service;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha224};

use crate::behaviour::HashRelease;

/// A key that CCM leaves out of the hash.
const IGNORED_KEY: &str = "alibabacloud.com/reconcile.hash";

/// The hash that CCM 2.14 would write, 56 hex digits. A `salt` that is not empty makes it another CCM's hash.
pub fn compute(service: &Service, salt: &str) -> String {
    compute_as(service, HashRelease::default(), salt)
}

/// The hash that a release of CCM would write.
pub fn compute_as(service: &Service, release: HashRelease, salt: &str) -> String {
    let mut hasher = Sha224::new();
    hasher.update(salt.as_bytes());
    hasher.update(text(service, release).as_bytes());
    hasher.finalize().iter().fold(String::with_capacity(56), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The text that is hashed.
fn text(service: &Service, release: HashRelease) -> String {
    let mut seen = looked_at(service, release);
    // Only the outermost list loses its zero values; CCM forgets to keep the shortened inner ones.
    seen.iter_mut().for_each(prune);
    seen.retain(|value| !is_zero(value));
    yaml::read_back(Value::Array(seen)).map(|value| yaml::write(&value)).unwrap_or_default()
}

fn looked_at(service: &Service, release: HashRelease) -> Vec<Value> {
    let spec = service.spec.as_ref();
    let meta = &service.metadata;
    let mut seen = vec![
        json!(spec.and_then(|spec| spec.ports.as_ref())),
        json!(spec.and_then(|spec| spec.type_.as_ref())),
        json!(spec.and_then(|spec| spec.external_traffic_policy.as_ref())),
        json!(spec.and_then(|spec| spec.load_balancer_class.as_ref())),
        json!(meta.annotations),
        json!(meta.deletion_timestamp),
    ];
    let ranges = spec.and_then(|spec| spec.load_balancer_source_ranges.as_ref());
    if let (Some(ranges), HashRelease::V2_14) = (ranges, release) {
        seen.push(json!(ranges));
    }
    seen
}

/// Drops zero values from the maps of a value, at every depth.
fn prune(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(prune),
        Value::Object(map) => {
            map.retain(|key, value| key != IGNORED_KEY && !is_zero(value));
            map.values_mut().for_each(prune);
        }
        _ => {}
    }
}

fn is_zero(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => Map::is_empty(map),
    }
}

#[cfg(test)]
mod tests;
