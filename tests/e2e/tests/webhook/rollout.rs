//! A rolling update under load: with the injected hook no request is lost, without it some are.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use clbmigrate_load::sender::{RunningSender, Summary};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    Case,
    ClusterUse::Parallel,
    NEW,
    manifests::{annotated, deployment, migrated, patch, with},
    test_cluster::{DEADLINE, TestCluster, TestNamespace},
};

pub const CASES: &[Case] = &[
    ("a rolling update, Cluster, one pod per node", &[NEW], Parallel, cluster_one),
    ("a rolling update, Local, one pod per node", &[NEW], Parallel, local_one),
];

/// The same story with more pods, for `make test-full`: each takes over a minute.
pub const FULL_CASES: &[Case] = &[
    ("a rolling update, Cluster, two pods per node", &[NEW], Parallel, cluster_two),
    ("a rolling update, Local, two pods per node", &[NEW], Parallel, local_two),
];

/// The hook's seconds: the 5 s that changes are late, and as much again for everybody else's delays.
const SECONDS: u8 = 10;
/// Requests a second, each on a connection of its own.
const RATE: u32 = 100;

fn cluster_one(cluster: &TestCluster<'_>) -> Result<()> {
    compare(cluster, "Cluster", 1)
}

fn cluster_two(cluster: &TestCluster<'_>) -> Result<()> {
    compare(cluster, "Cluster", 2)
}

fn local_one(cluster: &TestCluster<'_>) -> Result<()> {
    compare(cluster, "Local", 1)
}

fn local_two(cluster: &TestCluster<'_>) -> Result<()> {
    compare(cluster, "Local", 2)
}

/// Both at the same time, on the same nodes.
fn compare(cluster: &TestCluster<'_>, policy: &str, per_node: usize) -> Result<()> {
    let namespace =
        |with: &str| cluster.namespace(&format!("roll-{policy}-{per_node}-{with}").to_lowercase());
    let (with_hook, without) = (namespace("with")?, namespace("without")?);
    let (with_hook, without) = thread::scope(|scope| {
        let with_hook = scope.spawn(|| rolled(&with_hook, policy, per_node, true));
        let without = scope.spawn(|| rolled(&without, policy, per_node, false));
        (with_hook.join().expect("a thread"), without.join().expect("a thread"))
    });
    let (with_hook, without) = (with_hook.context("with hook")?, without.context("without hook")?);
    println!(
        "rolling update, {policy}, {per_node} per node: with hook {} of {} lost, without hook {} of {} lost",
        with_hook.lost, with_hook.requests, without.lost, without.requests
    );
    ensure!(with_hook.lost == 0, "with the hook: {:?} {:?}", with_hook.reasons, with_hook.losses);
    ensure!(without.lost > 0, "without the hook none was lost: the test shows nothing");
    Ok(())
}

/// A Deployment with so many pods on each node.
fn web(nodes: usize, per_node: usize, hook: bool) -> Value {
    let labels = json!({"matchLabels": {"app": "web"}});
    let spread = json!([{
        "maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": labels, "matchLabelKeys": ["pod-template-hash"],
    }]);
    let replicas = u8::try_from(nodes * per_node).unwrap_or(u8::MAX);
    let web =
        with(deployment("web", replicas), "/spec/template/spec/topologySpreadConstraints", spread);
    // One pod a node means that a node is without one for a while, whatever surges.
    let unavailable = if per_node == 1 {
        json!({"maxSurge": 0, "maxUnavailable": 1})
    } else {
        json!({"maxSurge": 1, "maxUnavailable": 1})
    };
    let web =
        with(web, "/spec/strategy", json!({"type": "RollingUpdate", "rollingUpdate": unavailable}));
    if hook {
        annotated(web, "clbmigrate.io/pre-stop-seconds", &SECONDS.to_string())
    } else {
        annotated(web, "clbmigrate.io/inject", "disabled")
    }
}

fn rolled(
    namespace: &TestNamespace<'_, '_>,
    policy: &str,
    per_node: usize,
    hook: bool,
) -> Result<Summary> {
    let cluster = namespace.cluster;
    let nodes = cluster.nodes().len();
    let service = migrated(&namespace.name, "web", "60");
    namespace.apply(&with(service, "/spec/externalTrafficPolicy", policy))?;
    namespace.kubectl("apply", &web(nodes, per_node, hook).to_string())?.expect_code(0)?;
    namespace.kubectl_ok("rollout status deployment/web --timeout=90s")?;
    spread(namespace, nodes, per_node)?;

    let service = format!("{}/web", namespace.name);
    // From the moment that everything answers: kube-proxy writes rules a moment after pods are ready.
    let trial = || -> Result<RunningSender> {
        let sender = RunningSender::start(cluster.testbed, cluster.name(), &service, RATE, &[])?;
        sender.wait_for_more(u64::from(RATE), DEADLINE)?;
        Ok(sender)
    };
    let sender = try_wait_for("all nodes to answer", DEADLINE, || {
        let sender = trial()?;
        Ok((sender.progress().lost == 0).then_some(sender))
    })?;
    let version = json!({"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}});
    namespace.kubectl_ok(&patch("deployment web", &version))?;
    namespace.kubectl_ok("rollout status deployment/web --timeout=180s")?;
    try_wait_for("the end of the old pods", DEADLINE, || {
        let pods = namespace.list("pods -l app=web")?;
        let old = pods.iter().filter(|pod| pod["metadata"]["labels"]["version"] != "2");
        Ok((old.count() == 0).then_some(()))
    })?;
    // Until the last change has been in force for a while: it is 5 s late.
    let after = u64::from(RATE) * Duration::from_secs(7).as_secs();
    sender.wait_for_more(after, DEADLINE)?;
    let summary = sender.finish()?;
    let pods = summary.answered_by.len();
    ensure!(
        pods >= 2 * nodes * per_node,
        "only {pods} pods have answered: {:?}",
        summary.answered_by
    );
    Ok(summary)
}

fn spread(namespace: &TestNamespace<'_, '_>, nodes: usize, per_node: usize) -> Result<()> {
    let mut found = std::collections::BTreeMap::<String, usize>::new();
    for pod in namespace.list("pods -l app=web")? {
        *found.entry(pod["spec"]["nodeName"].to_string()).or_default() += 1;
    }
    ensure!(found.len() == nodes && found.values().all(|count| *count == per_node), "{found:?}");
    Ok(())
}
