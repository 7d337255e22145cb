//! The Services that reviews are about.

use serde_json::{Value, json};

use super::{NAMESPACE, NUMBER, ReviewSize, WEIGHT};

pub(super) const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const TRACKING_ID: &str = "argocd.argoproj.io/tracking-id";
/// When the Service was created, and when CCM wrote it.
const CREATED: &str = "2026-01-05T08:12:44Z";
const BOUND: &str = "2026-01-05T08:12:52Z";

/// The manifest of the Service with this number.
pub fn manifest(number: u32) -> Value {
    service(&format!("{number:05}"), WEIGHT)
}

/// The JSON of any Service as an API server keeps it, as a function of its number.
pub fn stored_service() -> impl Fn(u32) -> String {
    let template = stored(NUMBER, WEIGHT, ReviewSize::Usual, BOUND).to_string();
    move |number| template.replace(NUMBER, &format!("{number:05}"))
}

fn annotation(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

fn service(number: &str, weight: &str) -> Value {
    let name = format!("web-{number}");
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": NAMESPACE,
            "labels": {"app.kubernetes.io/name": name},
            "annotations": {
                annotation("id"): "lb-bp1example",
                annotation("vgroup-port"): format!("rsp-bp1example{number}:80"),
                annotation("weight"): weight,
            },
        },
        "spec": {
            "type": "LoadBalancer",
            "allocateLoadBalancerNodePorts": false,
            "externalTrafficPolicy": "Cluster",
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    })
}

/// A Service as an API server keeps it, with what it and others have added. `written` is when its weight
/// was written.
pub(super) fn stored(number: &str, weight: &str, size: ReviewSize, written: &str) -> Value {
    let mut service = service(number, weight);
    let ingress = json!([{"ip": "203.0.113.18", "ipMode": "VIP"}]);
    let added = json!({
        "metadata": {
            "uid": format!("0d9b6c1e-8f0a-4f5e-9d2c-0000000{number}"),
            "resourceVersion": "48213377",
            "creationTimestamp": CREATED,
            "finalizers": ["service.k8s.alibaba/resources"],
            "managedFields": [applied()],
        },
        "spec": {
            "clusterIP": "172.16.58.214",
            "clusterIPs": ["172.16.58.214"],
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "allocateLoadBalancerNodePorts": true,
            "ports": [{
                "name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080,
                "nodePort": 30080,
            }],
        },
        "status": {"loadBalancer": {"ingress": ingress}},
    });
    json_patch::merge(&mut service, &added);
    if size == ReviewSize::Usual {
        json_patch::merge(&mut service, &added_by_others(number, written));
    }
    service
}

/// What `kubectl apply`, Argo CD, CCM and `kubectl annotate` leave on a Service.
fn added_by_others(number: &str, written: &str) -> Value {
    let tracking_id = format!("shop:/Service:{NAMESPACE}/web-{number}");
    let mut applied = service(number, WEIGHT);
    let tracked = json!({"metadata": {"annotations": {TRACKING_ID: tracking_id}}});
    json_patch::merge(&mut applied, &tracked);
    json!({"metadata": {
        "labels": {
            "service.beta.kubernetes.io/hash": "5f1c1a6d0b9e4b7f8a3d2c6e1f0b9a8d7c6e5f4a",
            "service.k8s.alibaba/loadbalancer-id": "lb-bp1example",
        },
        "annotations": {TRACKING_ID: tracking_id, LAST_APPLIED: format!("{applied}\n")},
        "managedFields": managed_fields(written),
    }})
}

/// The fields that server-side apply manages.
fn applied() -> Value {
    let fields = json!({"f:metadata": {"f:annotations": {
        field("id"): {}, field("vgroup-port"): {}, field("weight"): {},
    }}});
    managed("kubectl", "Apply", CREATED, &fields)
}

fn managed_fields(written: &str) -> Value {
    let applied = json!({
        "f:metadata": {
            "f:annotations": {
                ".": {}, format!("f:{LAST_APPLIED}"): {}, format!("f:{TRACKING_ID}"): {},
                field("id"): {}, field("vgroup-port"): {},
            },
            "f:labels": {".": {}, "f:app.kubernetes.io/name": {}},
        },
        "f:spec": {
            "f:allocateLoadBalancerNodePorts": {}, "f:externalTrafficPolicy": {},
            "f:internalTrafficPolicy": {},
            "f:ports": {".": {}, r#"k:{"port":80,"protocol":"TCP"}"#: {
                ".": {}, "f:name": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {},
            }},
            "f:selector": {}, "f:sessionAffinity": {}, "f:type": {},
        },
    });
    let bound = json!({"f:metadata": {
        "f:finalizers": {".": {}, r#"v:"service.k8s.alibaba/resources""#: {}},
        "f:labels": {
            "f:service.beta.kubernetes.io/hash": {}, "f:service.k8s.alibaba/loadbalancer-id": {},
        },
    }});
    let status = json!({"f:status": {"f:loadBalancer": {"f:ingress": {}}}});
    let weighed = json!({"f:metadata": {"f:annotations": {field("weight"): {}}}});
    let mut status = managed("cloud-controller-manager", "Update", BOUND, &status);
    json_patch::merge(&mut status, &json!({"subresource": "status"}));
    json!([
        managed("kubectl-client-side-apply", "Update", CREATED, &applied),
        managed("cloud-controller-manager", "Update", BOUND, &bound),
        status,
        managed("kubectl-annotate", "Update", written, &weighed),
    ])
}

fn field(suffix: &str) -> String {
    format!("f:{}", annotation(suffix))
}

fn managed(manager: &str, operation: &str, time: &str, fields: &Value) -> Value {
    json!({
        "manager": manager,
        "operation": operation,
        "apiVersion": "v1",
        "time": time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    })
}
