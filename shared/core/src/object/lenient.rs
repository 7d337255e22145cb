//! Reads objects that a later Kubernetes may write otherwise: what of them cannot be read is left out,
//! and told.

use std::{collections::BTreeMap, fmt};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value, value::RawValue};
use serde_path_to_error::{Path, Segment, Track};

/// How many fields are left out one by one. What is wrong beyond that leaves out the field of `spec`,
/// `metadata` or `status` that it is in.
const MAX_EXACT: usize = 16;

/// How many fields are left out at all. An object of which more is wrong cannot be read.
const MAX_UNREAD: usize = 64;

/// How many levels are read key by key, so that one value of the text takes no other with it:
/// the object, `metadata` and the annotations.
const LEVELS: usize = 3;

/// A field that was left out, for it cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadField {
    /// The field, such as `spec.ports[0].protocol`.
    pub path: String,
    /// Why it cannot be read.
    pub why: String,
}

impl UnreadField {
    /// Whether it is the field at `path`, is inside it, or has it inside.
    pub fn touches(&self, path: &str) -> bool {
        let is_inside = |inner: &str, outer: &str| {
            let rest = inner.strip_prefix(outer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
        };
        is_inside(&self.path, path) || is_inside(path, &self.path)
    }
}

impl fmt::Display for UnreadField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.why)
    }
}

/// Reads an object from its JSON text, and leaves out the fields that cannot be read.
///
/// # Errors
/// When nothing can be read of it.
pub fn read_leniently<T: DeserializeOwned>(
    text: &str,
) -> Result<(T, Vec<UnreadField>), serde_json::Error> {
    let mut unread = Vec::new();
    let mut value = read_levels(text, LEVELS, "", &mut unread)?;
    loop {
        let mut track = Track::new();
        let error = match T::deserialize(serde_path_to_error::Deserializer::new(&value, &mut track))
        {
            Ok(object) => return Ok((object, unread)),
            Err(error) => error,
        };
        let depth = if unread.len() < MAX_EXACT { usize::MAX } else { 2 };
        match take_out(&mut value, &track.path(), depth) {
            Some(path) if unread.len() < MAX_UNREAD => {
                unread.push(UnreadField { path, why: error.to_string() });
            }
            _ => return Err(error),
        }
    }
}

/// Reads a text key by key, as deep as told, and leaves out the keys whose values are no JSON that can
/// be taken apart, for example because they are too deep.
fn read_levels(
    text: &str,
    levels: usize,
    place: &str,
    unread: &mut Vec<UnreadField>,
) -> Result<Value, serde_json::Error> {
    if levels == 0 || !text.trim_start().starts_with('{') {
        return serde_json::from_str(text);
    }
    let mut object = Map::new();
    for (key, raw) in serde_json::from_str::<BTreeMap<String, &RawValue>>(text)? {
        let path = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
        match read_levels(raw.get(), levels - 1, &path, unread) {
            Ok(value) => drop(object.insert(key, value)),
            Err(error) if unread.len() < MAX_UNREAD => {
                unread.push(UnreadField { path, why: error.to_string() });
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Value::Object(object))
}

/// Takes the value at a path out, no deeper than told. Returns the path of what it took; `None` where
/// that is the whole value.
fn take_out(value: &mut Value, path: &Path, depth: usize) -> Option<String> {
    let mut segments: Vec<&Segment> = path
        .iter()
        .take_while(|segment| matches!(segment, Segment::Map { .. } | Segment::Seq { .. }))
        .take(depth)
        .collect();
    // A field that is missing is told with the path of what it is missing in, and one that a variant
    // cannot take may be told with a path that is not in the text.
    while !segments.is_empty() && !is_there(value, &segments) {
        segments.pop();
    }
    let (last, around) = segments.split_last()?;
    let mut place = value;
    for segment in around {
        place = match segment {
            Segment::Map { key } => place.get_mut(key)?,
            Segment::Seq { index } => place.get_mut(*index)?,
            _ => return None,
        };
    }
    match (last, place) {
        (Segment::Map { key }, Value::Object(object)) => drop(object.remove(key)),
        (Segment::Seq { index }, Value::Array(items)) => drop(items.remove(*index)),
        _ => return None,
    }
    Some(shown(&segments))
}

fn is_there(value: &Value, segments: &[&Segment]) -> bool {
    let mut place = Some(value);
    for segment in segments {
        place = place.and_then(|place| match segment {
            Segment::Map { key } => place.get(key),
            Segment::Seq { index } => place.get(*index),
            _ => None,
        });
    }
    place.is_some()
}

fn shown(segments: &[&Segment]) -> String {
    let mut path = String::new();
    for segment in segments {
        match segment {
            Segment::Map { key } if path.is_empty() => path.push_str(key),
            Segment::Map { key } => path.extend([".", key.as_str()]),
            Segment::Seq { index } => path.extend(["[", &index.to_string(), "]"]),
            _ => {}
        }
    }
    path
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::object::{Service, TargetPort};

    fn read(service: &Value) -> (Service, Vec<String>) {
        let (service, unread) = read_leniently(&service.to_string()).expect("a Service");
        (service, unread.into_iter().map(|field| field.path).collect())
    }

    #[test]
    fn what_cannot_be_read_is_left_out_and_told_and_the_rest_is_read() {
        let (service, unread) = read(&json!({
            "metadata": {"name": "web", "annotations": {"a": "b"}, "finalizers": [{"name": "x"}]},
            "spec": {
                "type": "LoadBalancer", "externalTrafficPolicy": "Elsewhere",
                "ports": [
                    {"port": 80, "targetPort": {"number": 8080}, "protocol": null},
                    {"port": "http"},
                    {"port": 443, "targetPort": "https", "protocol": {"name": "TCP"}},
                ],
            },
            "status": 5,
        }));
        assert_eq!(service.metadata.name, "web");
        assert_eq!(service.metadata.annotations.get("a"), Some("b"));
        assert!(service.is_load_balancer());
        let ports: Vec<_> =
            service.spec.ports.iter().map(|port| (port.port, port.target())).collect();
        let name = TargetPort::Name("https".to_owned());
        assert_eq!(ports, [(80, TargetPort::Number(80)), (443, name)]);
        assert!(service.spec.ports.iter().all(|port| port.protocol == "TCP"));
        for path in [
            "metadata.finalizers[0]",
            "spec.externalTrafficPolicy",
            "spec.ports[0].targetPort",
            "spec.ports[1].port",
            "status",
        ] {
            assert!(unread.iter().any(|known| known == path), "{path}: {unread:?}");
        }
    }

    #[test]
    fn a_value_too_deep_to_take_apart_takes_nothing_else_with_it() {
        let deep = format!("{}1{}", "[".repeat(500), "]".repeat(500));
        let text = format!(
            r#"{{"metadata": {{"annotations": {{"a": "b", "deep": {deep}}}}}, "spec": {{"ports": {deep}, "type": "LoadBalancer"}}}}"#
        );
        let (service, unread): (Service, _) = read_leniently(&text).expect("a Service");
        assert!(service.is_load_balancer());
        assert_eq!(service.metadata.annotations.get("a"), Some("b"));
        let paths: Vec<&str> = unread.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["metadata.annotations.deep", "spec.ports"]);
    }

    #[test]
    fn a_list_is_no_object_whose_fields_have_an_order() {
        let (service, unread) = read(&json!({"metadata": ["web"], "spec": ["LoadBalancer"]}));
        assert_eq!(service, Service::default());
        assert_eq!(unread, ["metadata", "spec"]);
    }

    #[test]
    fn however_much_is_wrong_it_is_told_in_a_few_steps() {
        let ports = vec![json!({"port": "x"}); 10_000];
        let (service, unread) = read(&json!({"spec": {"type": "LoadBalancer", "ports": ports}}));
        assert!(service.is_load_balancer() && service.spec.ports.is_empty());
        assert_eq!(unread.len(), MAX_EXACT + 1);
        assert_eq!(unread.last().map(String::as_str), Some("spec.ports"));
    }

    #[test]
    fn what_is_no_object_cannot_be_read() {
        for text in ["5", "\"x\"", "{", ""] {
            assert!(read_leniently::<Service>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_field_touches_what_is_in_it_and_what_it_is_in() {
        let field = |path: &str| UnreadField { path: path.to_owned(), why: String::new() };
        assert!(field("spec.ports[0].port").touches("spec.ports"));
        assert!(field("spec").touches("spec.ports"));
        assert!(field("spec.ports").touches("spec.ports"));
        assert!(!field("spec.portsOfLater").touches("spec.ports"));
        assert!(!field("status").touches("spec.ports"));
    }
}
