//! What the API servers and the CLB API of the tests answer, as JSON.

use clbmigrate_core::{hash, version::CcmVersion};
use serde_json::{Value, json};

pub const KEY: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";

pub fn backend(at: usize, weight: u32) -> Value {
    json!({
        "ServerId": format!("i-bp1{at}"), "Port": 30080, "Weight": weight, "Type": "ecs",
        "Description": format!("k8s/30080/web/shop/c-{at}"),
    })
}

pub fn group(backends: &[Value]) -> Value {
    json!({
        "VServerGroupId": "rsp-bp1example", "LoadBalancerId": "lb-bp1example",
        "BackendServers": {"BackendServer": backends},
    })
}

pub fn service(at: usize, weight: u32) -> Value {
    let key = |suffix: &str| KEY.replace("loadbalancer-weight", &format!("loadbalancer-{suffix}"));
    json!({
        "metadata": {
            "name": "web", "namespace": "shop", "uid": format!("uid-{at}"),
            "annotations": {
                KEY: weight.to_string(),
                key("id"): "lb-bp1example",
                key("vgroup-port"): "rsp-bp1example:80",
            },
            "labels": {},
        },
        "spec": {"type": "LoadBalancer", "ports": [{"port": 80, "nodePort": 30080}]},
    })
}

pub fn weight_of(service: &Value) -> u32 {
    let text = service["metadata"]["annotations"][KEY].as_str().unwrap_or_default();
    text.parse().unwrap_or(100)
}

pub fn set_label(service: &mut Value) {
    let hash = hash::service_hash(service, CcmVersion::NEWEST);
    service["metadata"]["labels"][hash::LABEL] = json!(hash);
}

pub fn parsed<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap_or_else(|error| panic!("{error}"))
}
