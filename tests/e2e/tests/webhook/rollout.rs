//! A rolling update under load: with the injected hook no request is lost, without it some are.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};
use clbmigrate_load::sender::{Running, Summary};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    Case, NEW,
    Share::Beside,
    manifests::{annotated, deployment, migrated, patch, with},
    stage::{DEADLINE, Place, Stage},
};

pub const CASES: &[Case] = &[
    ("a rolling update, Cluster, one pod per node", &[NEW], Beside, cluster_one),
    ("a rolling update, Cluster, two pods per node", &[NEW], Beside, cluster_two),
    ("a rolling update, Local, one pod per node", &[NEW], Beside, local_one),
    ("a rolling update, Local, two pods per node", &[NEW], Beside, local_two),
];

/// The hook's seconds: the 5 s that changes are late, and as much again for everybody else's delays.
const SECONDS: u8 = 10;
/// Requests a second, each on a connection of its own.
const RATE: u32 = 100;

fn cluster_one(stage: &Stage<'_>) -> Result<()> {
    compare(stage, "Cluster", 1)
}

fn cluster_two(stage: &Stage<'_>) -> Result<()> {
    compare(stage, "Cluster", 2)
}

fn local_one(stage: &Stage<'_>) -> Result<()> {
    compare(stage, "Local", 1)
}

fn local_two(stage: &Stage<'_>) -> Result<()> {
    compare(stage, "Local", 2)
}

/// Both at the same time, on the same nodes.
fn compare(stage: &Stage<'_>, policy: &str, per_node: usize) -> Result<()> {
    let place =
        |with: &str| stage.place(&format!("roll-{policy}-{per_node}-{with}").to_lowercase());
    let (with_hook, without) = (place("with")?, place("without")?);
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

fn rolled(place: &Place<'_, '_>, policy: &str, per_node: usize, hook: bool) -> Result<Summary> {
    let stage = place.stage;
    let nodes = stage.cluster.nodes().len();
    let service = migrated(&place.name, "web", "60");
    place.apply(&with(service, "/spec/externalTrafficPolicy", policy))?;
    place.kubectl("apply", &web(nodes, per_node, hook).to_string())?.ends_with(0)?;
    place.done("rollout status deployment/web --timeout=90s")?;
    spread(place, nodes, per_node)?;

    let service = format!("{}/web", place.name);
    // From the moment that everything answers: kube-proxy writes rules a moment after pods are ready.
    let trial = || -> Result<Running> {
        let sender = Running::start(stage.bed, stage.cluster.name(), &service, RATE, &[])?;
        sender.wait_for_more(u64::from(RATE), DEADLINE)?;
        Ok(sender)
    };
    let sender = try_wait_for("all nodes to answer", DEADLINE, || {
        let sender = trial()?;
        Ok((sender.progress().lost == 0).then_some(sender))
    })?;
    let version = json!({"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}});
    place.done(&patch("deployment web", &version))?;
    place.done("rollout status deployment/web --timeout=180s")?;
    try_wait_for("the end of the old pods", DEADLINE, || {
        let pods = place.list("pods -l app=web")?;
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

fn spread(place: &Place<'_, '_>, nodes: usize, per_node: usize) -> Result<()> {
    let mut found = std::collections::BTreeMap::<String, usize>::new();
    for pod in place.list("pods -l app=web")? {
        *found.entry(pod["spec"]["nodeName"].to_string()).or_default() += 1;
    }
    ensure!(found.len() == nodes && found.values().all(|count| *count == per_node), "{found:?}");
    Ok(())
}
