//! Changes of the installation under constant reviews: none of them may fail.

use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{suite::is_full, try_wait_for};

use crate::{
    Case, ClusterUse::Exclusive, constant_reviews::ConstantReviews, test_cluster::TestCluster,
};

pub const CASES: &[Case] = &[
    ("restarts every few seconds under constant reviews fail no call", Exclusive, restarts),
    ("helm's upgrade and rollback under constant reviews fail no call", Exclusive, upgrades),
    (
        "an authority that follows another one under constant reviews fails no call",
        Exclusive,
        rotations,
    ),
    ("drains of each node in turn under constant reviews fail no call", Exclusive, drains),
];

/// Between two restarts: new Pods of the one before are just becoming Ready, or not even that.
const INTERVAL: Duration = Duration::from_secs(4);
/// Reviews that a change must let through before the next one.
const ENOUGH: usize = 50;
/// How long so many rotations may take.
const ROTATIONS: Duration = Duration::from_secs(900);
const HOOK: &str = "validatingwebhookconfiguration/clbmigrate-validate-services";
const DEPLOYMENT: &str = "deployment/clbmigrate-webhook";

fn restarts(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let time = Duration::from_secs(if is_full() { 600 } else { 60 });
    let (reviews, restarts) = ConstantReviews::during(cluster, "restarts", |reviews| {
        let begin = Instant::now();
        let mut restarts = 0;
        while begin.elapsed() < time {
            cluster.kubectl_ok(&format!("rollout restart {DEPLOYMENT} -n {NAMESPACE}"), "")?;
            restarts += 1;
            // The pace of the test, not a condition.
            thread::sleep(INTERVAL);
            reviews.wait_for_more(ENOUGH)?;
        }
        cluster.wait()?;
        reviews.wait_for_more(ENOUGH)?;
        Ok(restarts)
    })?;
    reviews.ensure_all_judged(&format!("{restarts} restarts in {} s", time.as_secs()))
}

fn upgrades(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let revision = cluster.revision()?;
    let (reviews, ()) = ConstantReviews::during(cluster, "upgrades", |reviews| {
        cluster.upgrade("--set log.level=debug")?;
        reviews.wait_for_more(ENOUGH)?;
        // What is rolled back is on its way while the next change begins.
        cluster.helm(&format!("rollback clbmigrate {revision} -n {NAMESPACE}"))?;
        reviews.wait_for_more(ENOUGH)?;
        cluster.upgrade("--set preStopSeconds=20")?;
        reviews.wait_for_more(ENOUGH)
    })?;
    cluster.upgrade("")?;
    reviews.ensure_all_judged("two upgrades and a rollback between them")
}

/// Authorities live for a minute and certificates for a third of it.
fn rotations(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let published = || -> Result<String> {
        let get = format!("get {HOOK} -o json");
        let hook = cluster.kubectl_ok(&get, "")?.json()?;
        let bundle = hook["webhooks"][0]["clientConfig"]["caBundle"].as_str();
        bundle.map(str::to_owned).context("no bundle")
    };
    let wanted = if is_full() { 20 } else { 4 };
    let rotated = ConstantReviews::during(cluster, "rotations", |reviews| {
        cluster.upgrade("--set tls.lifetimes.authority=60s,tls.lifetimes.leaf=20s")?;
        let mut bundles = BTreeSet::new();
        try_wait_for("authorities to follow each other", ROTATIONS, || {
            bundles.insert(published()?);
            Ok((bundles.len() >= wanted).then_some(()))
        })?;
        reviews.wait_for_more(ENOUGH)
    });
    cluster.upgrade("")?;
    let (reviews, ()) = rotated?;
    reviews.ensure_all_judged(&format!("{wanted} bundles of authorities that live for a minute"))
}

fn drains(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let nodes = cluster.nodes().iter().map(|node| node.name.clone());
    let nodes = nodes.collect::<Vec<_>>();
    let drained = ConstantReviews::during(cluster, "drains", |reviews| {
        for node in &nodes {
            let drain = format!(
                "drain {node} --ignore-daemonsets --delete-emptydir-data --force --timeout=120s"
            );
            cluster.kubectl_ok(&drain, "")?;
            reviews.wait_for_more(ENOUGH)?;
            cluster.kubectl_ok(&format!("uncordon {node}"), "")?;
            cluster.wait()?;
        }
        reviews.wait_for_more(ENOUGH)
    });
    for node in &nodes {
        cluster.kubectl_ok(&format!("uncordon {node}"), "")?;
    }
    let (reviews, ()) = drained.context("a drain")?;
    reviews.ensure_all_judged(&format!("drains of {} nodes", nodes.len()))
}
