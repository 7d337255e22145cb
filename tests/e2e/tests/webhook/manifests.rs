//! Small objects for tests: a Service `web` of CCM's, and workloads behind it.

use clbmigrate_e2e::KEYS;
use clbmigrate_testbed::image::APP;
use serde_json::{Map, Value, json};

/// Where the web server of the bed's image listens.
pub const PORT: u16 = 8080;

/// CCM's key with this end.
pub fn key(end: &str) -> String {
    format!("{KEYS}{end}")
}

/// A Service that selects `app: NAME` and has these annotations, by the ends of CCM's keys.
pub fn service(name: &str, annotations: &[(&str, &str)]) -> Value {
    let annotations: Map<String, Value> =
        annotations.iter().map(|(end, value)| (key(end), json!(value))).collect();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "type": "LoadBalancer",
            "selector": {"app": name},
            "ports": [{"name": "http", "port": 80, "targetPort": PORT}],
        },
    })
}

/// A Service with a weight in a group that no other namespace has; `place` is its namespace.
pub fn migrated(place: &str, name: &str, weight: &str) -> Value {
    let group = group(place, name);
    service(name, &[("id", "lb-bp1example"), ("vgroup-port", &group), ("weight", weight)])
}

/// The mapping of [`migrated`].
pub fn group(place: &str, name: &str) -> String {
    let letters = |text: &str| text.replace('-', "");
    format!("rsp-bp1{}{}:80", letters(place), letters(name))
}

/// A template of pods labelled `app: NAME` with a ready web server and no preStop hook.
pub fn template(name: &str) -> Value {
    json!({
        "metadata": {"labels": {"app": name}},
        "spec": {"containers": [container("web")]},
    })
}

/// A web server that is ready as soon as it listens.
pub fn container(name: &str) -> Value {
    json!({
        "name": name, "image": APP, "imagePullPolicy": "Never",
        "ports": [{"name": "http", "containerPort": PORT}],
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
    })
}

/// A workload of a kind of `apps/v1` around a [`template`].
pub fn workload(kind: &str, name: &str, replicas: u8) -> Value {
    let mut spec = json!({
        "selector": {"matchLabels": {"app": name}},
        "template": template(name),
    });
    if kind != "DaemonSet" {
        spec["replicas"] = replicas.into();
    }
    if kind == "StatefulSet" {
        spec["serviceName"] = name.into();
    }
    json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A Deployment around a [`template`]. Without Pods it costs nothing.
pub fn deployment(name: &str, replicas: u8) -> Value {
    workload("Deployment", name, replicas)
}

/// The same object with another value at a place, given as a JSON Pointer to it.
pub fn with(mut object: Value, pointer: &str, value: impl Into<Value>) -> Value {
    let (parent, member) = pointer.rsplit_once('/').expect("a pointer");
    let member = member.replace("~1", "/");
    let parent = object.pointer_mut(parent).unwrap_or_else(|| panic!("{pointer}: no {parent}"));
    match parent {
        Value::Array(items) => items[member.parse::<usize>().expect("an index")] = value.into(),
        parent => parent[&member] = value.into(),
    }
    object
}

/// The same object with an annotation.
pub fn annotated(object: Value, key: &str, value: &str) -> Value {
    let mut object = object;
    object["metadata"]["annotations"][key] = value.into();
    object
}

/// One manifest of several objects.
pub fn list(items: &[Value]) -> Value {
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The arguments of `kubectl patch` for a merge patch that has no spaces.
pub fn patch(object: &str, patch: &Value) -> String {
    format!("patch {object} --type=merge -p {patch}")
}

/// The arguments of `kubectl annotate` that set CCM's weight.
pub fn weigh(name: &str, weight: &str) -> String {
    format!("annotate service {name} --overwrite {}={weight}", key("weight"))
}
