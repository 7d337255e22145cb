//! Which workloads a Service selects, by the example of CLB301.

use serde_json::{Value, json};

use super::{
    Rule,
    workloads::{ARGO, KRUISE, instead, instead_of_group, no_probe, rollout_over},
};
use crate::support::{TestSnapshot, container, healthy, merged, pod};

/// A workload of that kind without probe, and a Service that selects its pods by these labels, too.
fn selected_by(api_version: &str, kind: &str, labels: &Value) -> TestSnapshot {
    let selector = json!({"spec": {"selector": labels}});
    instead_of_group(api_version, kind, &no_probe()).edit("Service", &selector)
}

/// Pod `shop/web-x` of that controller, without probe.
fn owned_pod(controller: &Value) -> Value {
    let owner = merged(controller.clone(), &json!({"controller": true}));
    let patch = json!({
        "metadata": {"name": "web-x", "ownerReferences": [owner]},
        "spec": {"containers": [no_probe()]},
    });
    merged(pod("web-x"), &patch)
}

/// Workloads without a probe that are found.
pub(super) fn firing(rule: Rule) -> Rule {
    rule.error("a Rollout", instead_of_group(ARGO, "Rollout", &no_probe()))
        .error("a CloneSet", instead_of_group(KRUISE, "CloneSet", &no_probe()))
        .error("kruise's StatefulSet", instead_of_group(KRUISE, "StatefulSet", &no_probe()))
        .error("kruise's DaemonSet", instead_of_group(KRUISE, "DaemonSet", &no_probe()))
        .error("the Deployment whose template a Rollout takes", {
            healthy().containers(&[no_probe()]).add(rollout_over(&json!({})))
        })
        .error("one pod of a StatefulSet", {
            let labels = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-0"});
            selected_by("apps/v1", "StatefulSet", &labels)
        })
        .error("the pods of one ReplicaSet", {
            selected_by("apps/v1", "Deployment", &json!({"pod-template-hash": "5d4f8"}))
        })
        .error("the pods that a Rollout takes for stable", {
            let labels = json!({"app": "web", "role": "stable"});
            let stable = json!({"stableMetadata": {"labels": {"role": "stable"}}});
            selected_by(ARGO, "Rollout", &labels)
                .edit("Rollout", &json!({"spec": {"strategy": {"canary": stable}}}))
        })
        .error("a Pod whose controller is of a kind that nobody knows", {
            let owner = json!({"apiVersion": "example.com/v1", "kind": "Game", "name": "web"});
            healthy().without("Deployment").add(owned_pod(&owner))
        })
        .error("a Pod whose Deployment is not at hand", {
            let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8"});
            let hash = json!({"metadata": {"labels": {"pod-template-hash": "5d4f8"}}});
            healthy().without("Deployment").add(merged(owned_pod(&owner), &hash))
        })
        .error("the workload of a pod that carries a label which nobody wrote into the template", {
            let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"});
            let labels = json!({"metadata": {"labels": {"zone": "b"}}});
            instead("StatefulSet", &no_probe())
                .edit("Service", &json!({"spec": {"selector": {"zone": "b"}}}))
                .add(merged(owned_pod(&owner), &labels))
        })
}

/// What is not found, or has a probe.
pub(super) fn silent(rule: Rule) -> Rule {
    rule.silent("a Pod whose StatefulSet is at hand, which has a probe", {
        let owner = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web"});
        instead("StatefulSet", &container()).add(owned_pod(&owner))
    })
    .silent("a Pod of a Rollout whose Deployment is at hand, which has a probe", {
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8"});
        let hash = json!({"metadata": {"labels": {"rollouts-pod-template-hash": "5d4f8"}}});
        healthy().add(rollout_over(&json!({}))).add(merged(owned_pod(&owner), &hash))
    })
    .blind("a Pod of a Job", {
        let owner = json!({"apiVersion": "batch/v1", "kind": "Job", "name": "web"});
        healthy().without("Deployment").add(owned_pod(&owner))
    })
    .blind("a Pod that has ended", {
        let ended = json!({"status": {"phase": "Succeeded"}});
        healthy()
            .without("Deployment")
            .add(merged(owned_pod(&json!({"kind": "Game", "name": "web"})), &ended))
    })
    .blind("a pod of another StatefulSet", {
        let labels = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-old-0"});
        selected_by("apps/v1", "StatefulSet", &labels)
    })
    .blind("a name that no pod of a StatefulSet has", {
        let labels = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-00"});
        selected_by("apps/v1", "StatefulSet", &labels)
    })
    .blind("a label that another controller adds", {
        selected_by("apps/v1", "Deployment", &json!({"apps.kubernetes.io/pod-index": "0"}))
    })
}
