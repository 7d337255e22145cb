//! Small manifests for tests: Services of CCM's, nodes and endpoints, and workloads. All are JSON, which
//! kubectl takes as well as YAML.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "the objects are those of this module, and a test may fail"
)]

use clbmigrate_testbed::image::APP;
use serde_json::{Map, Value, json};

/// The prefix of CCM's annotations.
pub const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// Where the web server of the testbed's image listens.
pub const PORT: u16 = 8080;

/// CCM's annotation with this suffix, such as `weight`.
pub fn key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
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

/// A Service in a namespace that selects `app: web` and has these annotations, by their suffixes. Unless they are
/// among them, `id` is `lb-bp1example` and `vgroup-port` is `rsp-bp1NAMESPACE:80`; a value of `-` leaves
/// an annotation out.
pub fn service_in(namespace: &str, name: &str, annotations: &[(&str, &str)]) -> Value {
    let mapping = format!("rsp-bp1{namespace}:80");
    let defaults = [("id", "lb-bp1example"), ("vgroup-port", mapping.as_str())];
    let is_default = |default: &(&str, &str)| annotations.iter().all(|(key, _)| *key != default.0);
    let defaults = defaults.into_iter().filter(is_default);
    let all = annotations.iter().copied().chain(defaults).filter(|(_, value)| *value != "-");
    let mut service = service(name, &all.collect::<Vec<_>>());
    service["metadata"]["namespace"] = namespace.into();
    service["spec"]["selector"] = json!({"app": "web"});
    service
}

/// An `EndpointSlice` of a Service with a ready endpoint on each of these nodes.
pub fn endpoint_slice(namespace: &str, service: &str, nodes: &[&str]) -> Value {
    let endpoint = |(number, node): (usize, &&str)| {
        json!({
            "addresses": [format!("10.1.1.{number}")], "nodeName": node,
            "conditions": {"ready": true},
        })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{service}-1"), "namespace": namespace,
            "labels": {"kubernetes.io/service-name": service},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP"}],
        "endpoints": (1..).zip(nodes).map(endpoint).collect::<Vec<_>>(),
    })
}

/// A Node with this instance of region `cn-bed`; an empty instance makes no providerID.
pub fn node(name: &str, instance: &str) -> Value {
    let provider_id =
        if instance.is_empty() { String::new() } else { format!("cn-bed.{instance}") };
    json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
        "spec": {"providerID": provider_id},
    })
}

/// A Namespace with labels.
pub fn namespace(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
}

/// The ConfigMap in which ACK tells a cluster's id.
pub fn cluster_profile(id: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "ack-cluster-profile", "namespace": "kube-system"},
        "data": {"clusterid": id},
    })
}

/// A Service with a weight in a group that no other namespace has. It selects `app: NAME`.
pub fn migrated(namespace: &str, name: &str, weight: &str) -> Value {
    let group = mapping(namespace, name);
    service(name, &[("id", "lb-bp1example"), ("vgroup-port", &group), ("weight", weight)])
}

/// The value of `vgroup-port` of a [`migrated`] Service.
pub fn mapping(namespace: &str, name: &str) -> String {
    let letters = |text: &str| text.replace('-', "");
    format!("rsp-bp1{}{}:80", letters(namespace), letters(name))
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
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "timeoutSeconds": 10},
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

/// The same object with another value at a JSON Pointer, whose parent must exist.
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

/// The arguments of `kubectl annotate` that set CCM's weight of a Service.
pub fn set_weight(name: &str, weight: &str) -> String {
    format!("annotate service {name} --overwrite {}={weight}", key("weight"))
}
