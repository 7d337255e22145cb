//! Objects of tests.

use serde_json::{Value, json};

pub fn workload(namespace: &str, name: &str, seconds: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": seconds, "containers": [{"name": "c"}]},
            },
        },
    })
}

pub fn scaler(name: &str, minimum: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"minReplicas": minimum, "maxReplicas": 9,
                 "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    })
}

pub fn annotated(object: Value, key: &str, value: &str) -> Value {
    with(object, |object| object["metadata"]["annotations"][key] = json!(value))
}

/// An object with a change.
pub fn with(mut object: Value, change: impl FnOnce(&mut Value)) -> Value {
    change(&mut object);
    object
}

/// A migrated Service.
pub fn service(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("u-{name}"), "annotations": {
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
        }},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

/// A Service that CCM does not take.
pub fn plain() -> Value {
    json!({
        "metadata": {"name": "plain", "namespace": "shop", "uid": "u-plain"},
        "spec": {"type": "ClusterIP", "ports": [{"port": 80}]},
    })
}

pub fn node(name: &str) -> Value {
    json!({
        "metadata": {"name": name},
        "spec": {"providerID": format!("cn-x.i-{name}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]},
    })
}

pub fn slice(namespace: &str, service: &str, is_ready: bool) -> Value {
    json!({
        "metadata": {"name": format!("{service}-1"), "namespace": namespace, "labels": {
            "kubernetes.io/service-name": service,
        }},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": is_ready},
                       "targetRef": {"kind": "Pod", "name": format!("{service}-0")}}],
    })
}
