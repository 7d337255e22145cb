//! The roles for people and for the webhook, as an API server understands them.

use std::time::Duration;

use anyhow::ensure;
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use serde_json::{Value, json};

use crate::{ClusterCase, TestCluster};

pub const CASES: &[ClusterCase] = &[
    ("viewers look and operators set weights, and nothing else", people),
    ("the webhook may do what it needs, and nothing else", webhook),
];

const DEADLINE: Duration = Duration::from_secs(60);

/// What everybody who uses the plugin may do.
const LOOKS: &[&str] = &[
    "list services -A",
    "watch services -A",
    "get services -n shop",
    "list nodes",
    "watch nodes",
    "list endpointslices.discovery.k8s.io -A",
    "watch endpointslices.discovery.k8s.io -A",
    "list pods -n shop",
    "list namespaces",
    "get namespaces/kube-system",
    "list deployments.apps -A",
    "list statefulsets.apps -n shop",
    "list daemonsets.apps -A",
    "list horizontalpodautoscalers.autoscaling -A",
    "list rollouts.argoproj.io -A",
    "list clonesets.apps.kruise.io -n shop",
    "list statefulsets.apps.kruise.io -A",
    "list daemonsets.apps.kruise.io -n shop",
    "list events -n shop",
    "get configmaps/ack-cluster-profile -n kube-system",
    "get configmaps/clbmigrate-webhook -n clbmigrate-system",
    "get mutatingwebhookconfigurations/clbmigrate-mutate-workloads",
    "get mutatingwebhookconfigurations/clbmigrate-mutate-pods",
    "get validatingwebhookconfigurations/clbmigrate-validate-services",
    "get validatingwebhookconfigurations/clbmigrate-validate-workloads",
];

/// What nobody of them may.
const NEVER: &[&str] = &[
    "create services -n shop",
    "update services -n shop",
    "delete services -n shop",
    "patch services --subresource=status -n shop",
    "get secrets -n shop",
    "list configmaps -n kube-system",
    "get configmaps/other -n kube-system",
    "patch deployments.apps -n shop",
    "delete pods -n shop",
    "patch validatingwebhookconfigurations/clbmigrate-validate-services",
    "list validatingwebhookconfigurations",
];

/// A question to the API server's authorizers: `VERB RESOURCE[.GROUP][/NAME]`, then `-n NAMESPACE`,
/// `-A` or nothing, and perhaps `--subresource=NAME`.
fn review(user: &str, group: &str, question: &str) -> Value {
    let mut words = question.split_whitespace();
    let (verb, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let (target, name) = target.split_once('/').unwrap_or((target, ""));
    let (resource, api_group) = target.split_once('.').unwrap_or((target, ""));
    let is_hook = resource.ends_with("webhookconfigurations");
    let api_group = if is_hook { "admissionregistration.k8s.io" } else { api_group };
    let (mut namespace, mut subresource) = ("", "");
    while let Some(word) = words.next() {
        match (word, word.strip_prefix("--subresource=")) {
            ("-n", _) => namespace = words.next().unwrap_or_default(),
            (_, Some(part)) => subresource = part,
            _ => {}
        }
    }
    json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": [group], "resourceAttributes": {
            "verb": verb, "group": api_group, "resource": resource, "name": name,
            "namespace": namespace, "subresource": subresource,
        }},
    })
}

/// Says which of these questions has another answer. All in one run: kubectl takes longer to
/// start than an API server to answer.
fn wrong(
    cluster: &TestCluster<'_>,
    (user, group): (&str, &str),
    questions: &[&str],
    answer: bool,
) -> anyhow::Result<Vec<String>> {
    let reviews = questions.iter().map(|question| review(user, group, question).to_string());
    let told = cluster.kubectl("create -o json", &reviews.collect::<Vec<_>>().join("\n---\n"))?;
    let told = told.expect_code(0)?.stdout;
    let answers: Vec<Value> =
        serde_json::Deserializer::from_str(&told).into_iter().collect::<Result<_, _>>()?;
    ensure!(answers.len() == questions.len(), "{told}");
    let pairs = questions.iter().zip(&answers);
    let wrong =
        pairs.filter(|(_, told)| told["status"]["allowed"].as_bool().unwrap_or(false) != answer);
    Ok(wrong.map(|(question, told)| format!("{user}: {question}: {}", told["status"])).collect())
}

fn people(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let file = workspace()?.join("deploy/people.yaml");
    cluster.kubectl(&format!("apply -f {}", file.display()), "")?.expect_code(0)?;
    for (role, patches) in [("clbmigrate-viewer", false), ("clbmigrate-operator", true)] {
        let group = format!("of-{role}");
        let bind =
            format!("create clusterrolebinding {group} --clusterrole={role} --group={group}");
        cluster.kubectl(&bind, "")?.expect_code(0)?;
        let whom = ("vera", group.as_str());
        try_wait_for("the role to be known", DEADLINE, || {
            Ok(wrong(cluster, whom, &LOOKS[..1], true)?.is_empty().then_some(()))
        })?;
        let mut found = wrong(cluster, whom, LOOKS, true)?;
        found.extend(wrong(cluster, whom, NEVER, false)?);
        found.extend(wrong(cluster, whom, &["patch services -n shop"], patches)?);
        ensure!(found.is_empty(), "{}", found.join("\n"));
        cluster.kubectl(&format!("delete clusterrolebinding {group}"), "")?.expect_code(0)?;
    }
    cluster.kubectl(&format!("delete -f {}", file.display()), "")?.expect_code(0).map(drop)
}

fn webhook(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let may = [
        "list services -A",
        "watch services -A",
        "get services -n shop",
        "watch namespaces",
        "watch nodes",
        "watch deployments.apps -A",
        "watch statefulsets.apps -A",
        "watch daemonsets.apps -A",
        "watch horizontalpodautoscalers.autoscaling -A",
        "watch rollouts.argoproj.io -A",
        "watch clonesets.apps.kruise.io -A",
        "list endpointslices.discovery.k8s.io -n shop",
        "list replicasets.apps -n shop",
        "list controllerrevisions.apps -n shop",
        "watch configmaps/ack-cluster-profile -n kube-system",
        "patch validatingwebhookconfigurations/clbmigrate-validate-services",
        "watch validatingwebhookconfigurations/clbmigrate-validate-workloads",
        "list mutatingwebhookconfigurations/clbmigrate-mutate-workloads",
        "patch mutatingwebhookconfigurations/clbmigrate-mutate-pods",
        "create secrets -n clbmigrate-system",
        "get secrets/clbmigrate-webhook-ca -n clbmigrate-system",
        "watch secrets/clbmigrate-webhook-ca -n clbmigrate-system",
        "update secrets/clbmigrate-webhook-ca -n clbmigrate-system",
    ];
    let may_not = [
        "list pods -n shop",
        "get deployments.apps -n shop",
        "get nodes",
        "watch replicasets.apps -n shop",
        "get configmaps/ack-cluster-profile -n kube-system",
        "get validatingwebhookconfigurations/clbmigrate-validate-services",
        "patch services -n shop",
        "patch deployments.apps -n shop",
        "create pods -n clbmigrate-system",
        "get secrets -n clbmigrate-system",
        "get secrets/other -n clbmigrate-system",
        "delete secrets/clbmigrate-webhook-ca -n clbmigrate-system",
        "create secrets -n kube-system",
        "get configmaps/other -n kube-system",
        "list configmaps -n kube-system",
        "update configmaps/ack-cluster-profile -n kube-system",
        "list validatingwebhookconfigurations",
        "patch validatingwebhookconfigurations/other",
        "delete validatingwebhookconfigurations/clbmigrate-validate-services",
        "create validatingwebhookconfigurations",
        "patch mutatingwebhookconfigurations/clbmigrate-validate-services",
    ];
    let namespace = format!("-n {NAMESPACE}");
    let install = "install rights CHART --create-namespace --set people.create=false";
    cluster.helm(&format!("{install} {namespace}"))?;
    let user = format!("system:serviceaccount:{NAMESPACE}:clbmigrate-webhook");
    let whom = (user.as_str(), "system:serviceaccounts");
    let known = try_wait_for("the role to be known", DEADLINE, || {
        Ok(wrong(cluster, whom, &may[..1], true)?.is_empty().then_some(()))
    });
    let mut found = wrong(cluster, whom, &may, true)?;
    found.extend(wrong(cluster, whom, &may_not, false)?);
    cluster.helm(&format!("uninstall rights {namespace}"))?;
    known?;
    ensure!(found.is_empty(), "{}", found.join("\n"));
    Ok(())
}
