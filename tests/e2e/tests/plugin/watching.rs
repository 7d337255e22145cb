//! What `status -w` costs.

use std::{
    fs::{self, File},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Tools, User};
use clbmigrate_load::populate;
use clbmigrate_testbed::{Validity, suite::is_full, try_wait_for};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use serde_json::json;

use crate::{Case, DEADLINE, SHAKY};

pub const CASES: &[Case] =
    &[("status -w costs a cluster with 500 nodes almost nothing", SHAKY, "many", many)];

const NODES: u32 = 500;

/// The time between two heartbeats: those of three times as many nodes, of which each kubelet reports
/// every 5 minutes.
const BETWEEN: Duration = Duration::from_millis(200);

/// How many heartbeats requests are counted for, and the most lists and single reads meanwhile: in a
/// minute, or in a part of one where tests have to be short.
fn window() -> (u32, usize) {
    if is_full() { (300, 10) } else { (90, 3) }
}

fn many(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let client = runtime.block_on(populate::client(&user.cluster.kubeconfig()))?;
    let nodes = Api::<Node>::all(client);
    runtime.block_on(async {
        populate::create(&nodes, (0..NODES).map(excluded)).await?;
        populate::make_ready(&nodes, 0..NODES).await
    })?;
    // A user whose requests the audit log tells from all others.
    let name = "watcher";
    let file = user.cluster.kubeconfig_for(name, &["system:masters"], Validity::Valid)?;
    let watcher = user.with_kubeconfig(file);

    let (shown, told) = (user.file("shown", "")?, user.file("told", "")?);
    let mut command = watcher.command("status -w");
    command.stdin(Stdio::null()).stdout(File::create(&shown)?).stderr(File::create(&told)?);
    let mut watch = command.spawn().context("kubectl")?;
    wait_for_answers(&shown, 1).with_context(|| fs::read_to_string(&told).unwrap_or_default())?;

    let (count, most) = window();
    let begin = user.cluster.audit()?.len();
    let beat = |from: u32, to: u32| runtime.block_on(heartbeats(&nodes, from..to));
    beat(0, count / 2)?;
    wait_for_answers(&shown, 1)?;
    user.set_weight("40")?;
    wait_for_answers(&shown, 2)?;
    beat(count / 2, count)?;

    let entries = user.cluster.audit()?;
    let id = watch.id().to_string();
    ensure!(Command::new("kill").args(["-INT", &id]).status()?.success());
    ensure!(watch.wait()?.success(), "{}", fs::read_to_string(&told)?);
    wait_for_answers(&shown, 2)?;

    let counted = entries.get(begin..).context("the log has become shorter")?;
    let beats = counted.iter().filter(|entry| {
        entry.verb == "patch" && entry.resource == "nodes" && entry.subresource == "status"
    });
    ensure!(beats.count() >= count as usize, "too few heartbeats");
    let is_read = |verb: &str| ["get", "list"].contains(&verb);
    let reads = counted.iter().filter(|entry| entry.user == name && is_read(&entry.verb));
    let reads: Vec<&str> = reads.map(|entry| entry.request_uri.as_str()).collect();
    ensure!(reads.len() <= most, "{} reads: {reads:#?}", reads.len());
    let mut before = entries.iter().take(begin).filter(|entry| entry.user == name);
    ensure!(before.any(|entry| entry.verb == "list"), "it is somebody else's log");
    Ok(())
}

/// A node that is nobody's backend, so that other tests of this cluster have theirs.
fn excluded(number: u32) -> serde_json::Value {
    let mut node = populate::node(number);
    node["metadata"]["labels"] = json!({"service.beta.kubernetes.io/exclude-node": "true"});
    node
}

/// Waits until so many answers were printed, and sees that there are no more.
fn wait_for_answers(shown: &Path, count: usize) -> anyhow::Result<()> {
    try_wait_for("an answer", DEADLINE, || {
        let printed = fs::read_to_string(shown)?.matches("many/web").count();
        ensure!(printed <= count, "{printed} answers:\n{}", fs::read_to_string(shown)?);
        Ok((printed == count).then_some(()))
    })
}

async fn heartbeats(nodes: &Api<Node>, numbers: std::ops::Range<u32>) -> anyhow::Result<()> {
    let mut clock = tokio::time::interval(BETWEEN);
    for number in numbers {
        clock.tick().await;
        let time = jiff::Timestamp::now().to_string();
        populate::heartbeat(nodes, number % NODES, &time).await?;
    }
    Ok(())
}
