//! CLB306: how many pods are left while a workload replaces them.

use serde_json::{Value, json};

use super::{
    Rule, rule,
    workloads::{ARGO, KRUISE, bare_pod, instead, instead_of_group, not_migrated, rollout_over},
};
use crate::support::{TestSnapshot, container, healthy, merged};

fn replicas(replicas: impl Into<Value>) -> TestSnapshot {
    healthy().edit("Deployment", &json!({"spec": {"replicas": replicas.into()}}))
}

fn strategy(strategy: &Value) -> TestSnapshot {
    healthy().edit("Deployment", &json!({"spec": {"strategy": strategy}}))
}

fn max_unavailable(value: impl Into<Value>) -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": value.into()}})
}

fn autoscaled(setup: TestSnapshot, minimum: impl Into<Value>) -> TestSnapshot {
    let spec = json!({"minReplicas": minimum.into()});
    let scaler = json!({
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    });
    setup.add(merged(scaler, &json!({"spec": spec})))
}

/// A DaemonSet that is updated in that way.
fn updated(strategy: &Value) -> TestSnapshot {
    let spec = json!({"spec": {"replicas": null, "updateStrategy": strategy}});
    instead("DaemonSet", &container()).edit("DaemonSet", &spec)
}

/// A workload of that kind with these fields of `spec`.
fn with_spec(api_version: &str, kind: &str, spec: &Value) -> TestSnapshot {
    instead_of_group(api_version, kind, &container()).edit(kind, &json!({"spec": spec}))
}

pub(super) fn gaps() -> Rule {
    let recreate = || strategy(&json!({"type": "Recreate"}));
    rule("CLB306")
        .warning("Recreate", recreate())
        .warning("maxUnavailable 100 %", strategy(&max_unavailable("100%")))
        .warning("maxUnavailable is all there are", strategy(&max_unavailable(3)))
        .warning("one replica", replicas(1))
        .warning("one replica of a StatefulSet", {
            instead("StatefulSet", &container())
                .edit("StatefulSet", &json!({"spec": {"replicas": 1}}))
        })
        .silent("three, replaced one by one", strategy(&max_unavailable(1)))
        .silent("three, and the default strategy", healthy())
        .warning("replicas left out are one", replicas(Value::Null))
        .warning("replicas left out, and Recreate", {
            recreate().edit("Deployment", &json!({"spec": {"replicas": null}}))
        })
        .warning("an autoscaler may leave one", autoscaled(replicas(3), 1))
        .warning(
            "an autoscaler without a minimum may leave one",
            autoscaled(replicas(3), Value::Null),
        )
        .warning("the lowest of two minimums", autoscaled(autoscaled(replicas(3), 2), 1))
        .warning("an autoscaler, and Recreate", autoscaled(recreate(), 2))
        .warning("a DaemonSet that gives all pods up at once", updated(&max_unavailable("100%")))
        .warning("also where the type is left out", {
            updated(&json!({"rollingUpdate": {"maxUnavailable": "100%"}}))
        })
        .warning("two thirds of three, rounded up", {
            with_spec("apps/v1", "StatefulSet", &json!({"updateStrategy": max_unavailable("67%")}))
        })
        .warning("a CloneSet that gives all pods up", {
            with_spec(KRUISE, "CloneSet", &json!({"updateStrategy": {"maxUnavailable": 3}}))
        })
        .warning("a CloneSet whose replicas are left out", {
            with_spec(KRUISE, "CloneSet", &json!({"replicas": null}))
        })
        .warning("a Rollout that gives all pods up", {
            let strategy = json!({"canary": {"maxUnavailable": "100%"}});
            with_spec(ARGO, "Rollout", &json!({"strategy": strategy}))
        })
        .warning("a Rollout over the Deployment decides", {
            healthy().add(rollout_over(&json!({"replicas": 1})))
        })
        .saying("one replica")
        .silent("a Rollout over a Deployment that is scaled down", {
            replicas(1).add(rollout_over(&json!({})))
        })
        .silent("two thirds of three, rounded down", strategy(&max_unavailable("67%")))
        .silent("an autoscaler leaves two", autoscaled(replicas(1), 2))
        .silent("an autoscaler leaves two, and one goes at once", {
            autoscaled(strategy(&max_unavailable(1)), 2)
        })
        .silent("no replica at all", replicas(0))
        .silent("a DaemonSet, replaced one by one", updated(&max_unavailable(1)))
        .silent("a DaemonSet without a strategy", updated(&Value::Null))
        .silent("a DaemonSet whose pods somebody deletes", updated(&json!({"type": "OnDelete"})))
        .silent("a CloneSet that keeps some pods as they are", {
            let strategy = json!({"maxUnavailable": "100%", "partition": 1});
            with_spec(KRUISE, "CloneSet", &json!({"updateStrategy": strategy}))
        })
        .silent("a CloneSet that makes new pods first", {
            let strategy = json!({"maxUnavailable": "67%", "maxSurge": 1});
            with_spec(KRUISE, "CloneSet", &json!({"updateStrategy": strategy}))
        })
        .silent("a Rollout that routes traffic", {
            let canary = json!({"maxUnavailable": "100%", "trafficRouting": {"nginx": {}}});
            with_spec(ARGO, "Rollout", &json!({"strategy": {"canary": canary}}))
        })
        .silent("a bare Pod", bare_pod(&container()))
        .silent("a Service that reuses no group", not_migrated(replicas(1)))
        .blind("no workload is at hand", healthy().without("Deployment"))
}
