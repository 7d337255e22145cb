//! What breaks and heals by itself, under constant reviews.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{Isolation, Network, StopMode, Validity, try_wait_for};
use serde_json::{Value, json};

use crate::{
    Case,
    ClusterUse::Exclusive,
    bindings::Group,
    constant_reviews::ConstantReviews,
    pods::Pod,
    test_cluster::{REPLICAS, TestCluster},
};

pub const CASES: &[Case] = &[
    (
        "the authority's Secret comes back after it was deleted, and no call fails",
        Exclusive,
        secret,
    ),
    ("a bundle that was edited by hand is mended", Exclusive, bundle),
    (
        "a configuration that was broken by hand stops no replica, not even one that restarts",
        Exclusive,
        configuration,
    ),
    (
        "a cut of all watches fails no call, and replicas know what came meanwhile",
        Exclusive,
        watches,
    ),
    ("an API server that restarts finds both replicas again", Exclusive, api_server),
    ("of two replicas one is cut off, and the other one takes its reviews", Exclusive, cut_off),
];

/// Reviews that must go well after all is mended.
const ENOUGH: usize = 60;
/// How long anything may take to heal.
const DEADLINE: Duration = Duration::from_secs(120);
/// Longer than a node's lost lease goes unnoticed, with what a busy machine adds.
const NOTICED: Duration = Duration::from_secs(240);
const SECRET: &str = "secret/clbmigrate-webhook-ca";
const HOOK: &str = "validatingwebhookconfiguration/clbmigrate-validate-services";
const CONFIG: &str = "configmap/clbmigrate-webhook";

fn secret(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let (reviews, ()) = ConstantReviews::during(cluster, "secret", |reviews| {
        let get = format!("get {SECRET} -n {NAMESPACE} --ignore-not-found -o json");
        let read = || -> Result<Option<Value>> {
            let secret = cluster.kubectl_ok(&get, "")?;
            if secret.stdout.trim().is_empty() { Ok(None) } else { secret.json().map(Some) }
        };
        let before = read()?.context("no Secret")?;
        cluster.kubectl_ok(&format!("delete {SECRET} -n {NAMESPACE}"), "")?;
        let after = try_wait_for("the Secret", DEADLINE, || {
            let is_new = |secret: &Value| secret["metadata"]["uid"] != before["metadata"]["uid"];
            Ok(read()?.filter(is_new))
        })?;
        ensure!(after["data"] == before["data"], "the authority is another one");
        reviews.wait_for_more(ENOUGH)
    })?;
    reviews.ensure_all_judged("the authority's Secret was deleted")
}

fn bundle(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let published = || -> Result<Value> {
        let hook = cluster.kubectl_ok(&format!("get {HOOK} -o json"), "")?.json()?;
        Ok(hook["webhooks"][0]["clientConfig"]["caBundle"].clone())
    };
    let before = published()?;
    let (reviews, began) = ConstantReviews::during(cluster, "bundle", |reviews| {
        let wipe = json!([{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]);
        let began = Instant::now();
        cluster.kubectl_ok(&format!("patch {HOOK} --type=json -p {wipe}"), "")?;
        try_wait_for("the bundle", DEADLINE, || Ok((published()? == before).then_some(())))?;
        reviews.wait_until_judged_for(Duration::from_secs(2), DEADLINE)?;
        Ok(began)
    })?;
    reviews.report_since("a bundle was wiped by hand", began);
    Ok(())
}

fn configuration(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let broken = json!({"data": {"config.yaml": "rules:{CLB001:never}"}});
    let told = ConstantReviews::during(cluster, "configuration", |reviews| {
        let edit = format!("patch {CONFIG} -n {NAMESPACE} --type=merge -p {broken}");
        cluster.kubectl_ok(&edit, "")?;
        for replica in Pod::replicas(cluster)? {
            replica.delete(cluster)?;
            cluster.wait()?;
        }
        reviews.wait_for_more(ENOUGH)
    });
    cluster.upgrade("")?;
    let (reviews, ()) = told?;
    reviews.ensure_all_judged("a broken configuration, and both replicas started anew")
}

fn watches(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let (reviews, ()) = ConstantReviews::during(cluster, "watches", |reviews| {
        let replicas = Pod::replicas(cluster)?;
        for replica in &replicas {
            replica.cut_off_from_api_server()?;
        }
        reviews.wait_for_more(ENOUGH)?;
        // Nobody can tell whether a group is free.
        let group = Group::new("watches", 1);
        let create = |name: &str, port: u16| {
            let service = group.service(name, &group.binding(port)).to_string();
            cluster.run_once("create -n watches --dry-run=server", &service)
        };
        let refused = create("new", 80)?.expect_code(1)?.stderr;
        ensure!(refused.contains("try again"), "{refused}");
        for replica in &replicas {
            replica.reconnect()?;
        }
        try_wait_for("a group to be told free", DEADLINE, || {
            Ok((create("new", 80)?.code == 0).then_some(()))
        })?;
        let holder = group.service("holder", &group.binding(80)).to_string();
        cluster.kubectl_ok("create -n watches", &holder)?;
        let refused = create("rival", 90)?.expect_code(1)?.stderr;
        ensure!(refused.contains("CLB102"), "{refused}");
        reviews.wait_for_more(ENOUGH)
    })?;
    reviews.ensure_all_judged("all watches were cut")
}

fn api_server(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let before = Pod::replicas(cluster)?.map(|replica| replica.name);
    let (reviews, began) = ConstantReviews::during(cluster, "api-server", |reviews| {
        let began = Instant::now();
        cluster.stop_api_server(StopMode::Kill)?;
        cluster.start_api_server(Validity::Valid)?;
        reviews.wait_for_more(ENOUGH)?;
        reviews.wait_until_judged_for(Duration::from_secs(5), DEADLINE)?;
        Ok(began)
    })?;
    reviews.report_since("the API server was killed and started", began);
    cluster.wait()?;
    let after = Pod::replicas(cluster)?.map(|replica| replica.name);
    ensure!(before == after, "Pods were replaced: {before:?} {after:?}");
    Ok(())
}

/// The replicas, once they are on different nodes. The scheduler only prefers that, and counts Pods that
/// are about to leave.
fn on_two_nodes(cluster: &TestCluster<'_>) -> Result<[Pod; REPLICAS]> {
    try_wait_for("replicas on two nodes", DEADLINE, || {
        cluster.wait()?;
        let [first, second] = Pod::replicas(cluster)?;
        if first.node != second.node {
            return Ok(Some([first, second]));
        }
        first.delete(cluster)?;
        Ok(None)
    })
}

fn cut_off(cluster: &TestCluster<'_>) -> Result<()> {
    let [lost, _] = on_two_nodes(cluster)?;
    let node = Network::Node(&lost.node);
    let began = Instant::now();
    let told = ConstantReviews::during(cluster, "cut-off", |reviews| {
        cluster.testbed.isolate(node, Isolation::Drop)?;
        // As soon as the node is known to be lost, nothing is sent there.
        reviews.wait_until_judged_for(Duration::from_secs(10), NOTICED)
    });
    cluster.testbed.reconnect(node)?;
    let (reviews, ()) = told?;
    reviews.report_since("a replica's node was cut off", began);
    cluster.wait()?;
    ensure!(Pod::replicas(cluster)?.len() == REPLICAS);
    Ok(())
}
