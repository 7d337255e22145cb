//! The hooks for workloads and Pods: what reaches them.

use serde_json::{Value, json};

use crate::{
    ClusterCase, TestCluster,
    conditions::{
        Case,
        Expected::{Passes, Refused},
        check_requests,
    },
};

pub const CASES: &[ClusterCase] = &[
    ("workloads are judged when they are made or change", validation),
    ("workloads are given hooks when they are made or their template changes", mutation),
    ("Pods are given hooks where their namespace asks for it", pods),
];

const HELD: &str = "example.com/held";

fn workload(kind: &str) -> Value {
    let labels = json!({"app": "NAME"});
    // No Pod shall start, for a change of the template to be one alone.
    let scale = if kind == "DaemonSet" { json!({}) } else { json!({"replicas": 0}) };
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "NAME"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
            },
        },
    });
    for (key, value) in scale.as_object().into_iter().flatten() {
        object["spec"][key] = value.clone();
    }
    if kind == "StatefulSet" {
        object["spec"]["serviceName"] = "NAME".into();
    }
    object
}

fn deployment() -> String {
    workload("Deployment").to_string()
}

fn held() -> String {
    let mut object = workload("Deployment");
    object["metadata"]["finalizers"] = json!([HELD]);
    object.to_string()
}

fn kinds() -> [String; 3] {
    ["Deployment", "StatefulSet", "DaemonSet"].map(|kind| workload(kind).to_string())
}

/// What both hooks of workloads see alike.
fn common() -> Vec<Case> {
    let image = "set image deployment/NAME web=example.com/web:2";
    let status =
        "patch deployment NAME --subresource=status --type=merge -p {\"status\":{\"replicas\":1}}";
    let replicas = "scale deployment NAME --replicas=2";
    let mut cases: Vec<Case> = kinds()
        .into_iter()
        .map(|new| Case::new("a new workload", "", "create", Refused).with(new))
        .collect();
    cases.extend([
        Case::new("another image", deployment(), image, Refused),
        Case::new("a restart", deployment(), "rollout restart deployment/NAME", Refused),
        Case::new("the same again", deployment(), "apply", Passes).with(deployment()),
        Case::new("a label", deployment(), "label deployment NAME tier=front", Passes),
        Case::new("a status", deployment(), status, Passes),
        Case::new("a scale", deployment(), replicas, Passes),
        Case::new("a deletion", deployment(), "delete deployment NAME", Passes),
        Case::new("an edit of what is being deleted", held(), image, Passes)
            .after("delete deployment NAME --wait=false"),
        Case::new("a new one in kube-system", "", "create -n kube-system --dry-run=server", Passes)
            .with(deployment()),
    ]);
    cases
}

fn validation(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let mut cases = common();
    let recreate = r#"patch deployment NAME --type=merge -p {"spec":{"strategy":{"type":"Recreate","rollingUpdate":null}}}"#;
    cases.extend([
        Case::new(
            "an annotation",
            deployment(),
            "annotate deployment NAME example.com/note=a",
            Refused,
        ),
        Case::new("another strategy", deployment(), recreate, Refused),
    ]);
    check_requests(cluster, "validate-workloads", "dead-validation", &deployment(), &cases)
}

fn mutation(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let mut cases = common();
    let more = r#"patch deployment NAME --type=merge -p {"spec":{"replicas":2,"paused":true}}"#;
    cases.extend([
        Case::new(
            "an annotation",
            deployment(),
            "annotate deployment NAME example.com/note=a",
            Passes,
        ),
        Case::new("another spec, the same template", deployment(), more, Passes),
    ]);
    check_requests(cluster, "mutate-workloads", "dead-mutation", &deployment(), &cases)
}

fn pod() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "NAME"},
        "spec": {"containers": [{"name": "web", "image": "example.com/web:1"}]},
    })
}

fn pods(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let owned = |kind: &str, group: &str| {
        let mut pod = pod();
        let uid = "00000000-0000-0000-0000-000000000001";
        pod["metadata"]["ownerReferences"] = json!([{"apiVersion": group, "kind": kind, "name": "x", "uid": uid, "controller": true}]);
        pod.to_string()
    };
    let mut mirror = pod();
    mirror["metadata"]["annotations"] = json!({"kubernetes.io/config.mirror": "x"});
    mirror["spec"]["nodeName"] = "n1".into();
    mirror["spec"]["automountServiceAccountToken"] = false.into();
    let namespace = |name: &str, label: &str| {
        format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {{{label}}}}}}}"
        )
    };
    let asking = "clbmigrate.io/inject: enabled";
    let namespaces = [
        namespace("dead-pods", asking),
        namespace("dead-unasked", ""),
        namespace("dead-refusing", "clbmigrate.io/inject: disabled"),
    ];
    let new = "create --dry-run=server";
    let elsewhere = |namespace: &str| format!("{new} -n {namespace}");
    let pod = pod().to_string();
    // No Pod is taken before its account is there.
    let account = "wait --for=create serviceaccount/default --timeout=60s";
    let cases = [
        Case::new("a Pod", namespaces.join("\n---\n"), new, Refused).with(&pod).after(account),
        Case::new("a ReplicaSet's Pod", "", new, Refused).with(owned("ReplicaSet", "apps/v1")),
        Case::new("a Job's Pod", "", new, Passes).with(owned("Job", "batch/v1")),
        Case::new("a static Pod's picture", "", new, Passes).with(mirror.to_string()),
        Case::new("a Pod where nobody asks", "", elsewhere("dead-unasked"), Passes)
            .with(&pod)
            .after("wait --for=create serviceaccount/default --timeout=60s -n dead-unasked"),
        Case::new("a Pod where they are refused", "", elsewhere("dead-refusing"), Passes)
            .with(&pod)
            .after("wait --for=create serviceaccount/default --timeout=60s -n dead-refusing"),
        Case::new("a Pod in kube-system", "", elsewhere("kube-system"), Passes)
            .with(&pod)
            .after("wait --for=create serviceaccount/default --timeout=60s -n kube-system"),
    ];
    check_requests(cluster, "mutate-pods", "dead-pods", &pod, &cases)
}
