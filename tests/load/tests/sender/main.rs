//! The sender on a testbed with nodes: it loses nothing while nothing changes, and tells what is lost.
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "a test may fail")]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clbmigrate_load::sender::RunningSender;
use clbmigrate_testbed::stderr::write_line;
use clbmigrate_testbed::suite::{SharedTestbed, run_parallel};
use clbmigrate_testbed::web_server::{WebServer, WebServerSpec};
use clbmigrate_testbed::{Plan, Testbed, Version, try_wait_for, wait_for};

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(90);
/// Requests a second.
const RATE: u32 = 100;
/// Enough for every node and pod to have had many.
const MANY: u64 = 500;

fn main() -> ExitCode {
    let shared = SharedTestbed::new(Plan::new().cluster("a", Version::NEWEST).nodes(3));
    let trials = vec![
        shared.trial("a Deployment that stays loses no request, in Cluster mode", |testbed| {
            nothing_changes(testbed, "Cluster", 3)
        }),
        shared.trial("a Deployment that stays loses no request, in Local mode", |testbed| {
            nothing_changes(testbed, "Local", 2)
        }),
        shared.trial("pods without a hook take requests with them, in Cluster mode", |testbed| {
            pods_end(testbed, "Cluster")
        }),
        shared.trial("pods without a hook take requests with them, in Local mode", |testbed| {
            pods_end(testbed, "Local")
        }),
        shared.trial("a change of endpoints is in force as late as it shall be", late),
    ];
    run_parallel(trials, Some(&shared))
}

/// Web servers without a preStop hook, which every node that should answer already answers for.
fn deploy<'a>(
    testbed: &'a Testbed,
    name: &str,
    policy: &str,
    replicas: u8,
) -> Result<WebServer<'a>> {
    let spec =
        WebServerSpec { name, replicas, external_traffic_policy: policy, ..Default::default() };
    let server = WebServer::deploy(testbed.cluster("a")?, spec)?;
    server.wait_until_reachable(testbed)?;
    Ok(server)
}

fn nothing_changes(testbed: &Testbed, policy: &str, targets: usize) -> Result<()> {
    let server = deploy(testbed, &format!("still-{}", policy.to_lowercase()), policy, 2)?;
    let sender = RunningSender::start(testbed, "a", &server.service(), RATE, &[])?;
    sender.wait_for_more(MANY, DEADLINE)?;
    let summary = sender.finish()?;
    write_line(&format!(
        "{policy}, nothing changes: {} requests, {} lost",
        summary.requests, summary.lost
    ));
    ensure!(summary.lost == 0, "{summary:?}");
    ensure!(summary.requests >= MANY, "{summary:?}");
    ensure!(summary.targets.len() == targets, "{summary:?}");
    let shares = summary.targets.values().map(|target| target.requests);
    let (least, most) = (shares.clone().min(), shares.max());
    ensure!(most.zip(least).is_some_and(|(most, least)| most - least <= 1), "{summary:?}");
    ensure!(summary.answered_by.len() == 2, "not both pods have answered: {summary:?}");
    Ok(())
}

fn pods_end(testbed: &Testbed, policy: &str) -> Result<()> {
    let server = deploy(testbed, &format!("ends-{}", policy.to_lowercase()), policy, 2)?;
    let sender = RunningSender::start(testbed, "a", &server.service(), RATE, &[])?;
    sender.wait_for_more(100, DEADLINE)?;
    // How many are lost depends on who is faster, so it may take more than one.
    try_wait_for("a lost request", DEADLINE, || {
        server.delete_a_pod()?;
        let progress = sender.wait_for_more(100, DEADLINE)?;
        Ok((progress.lost > 0).then_some(()))
    })?;
    server.wait_until_rolled_out()?;
    let summary = sender.finish()?;
    write_line(&format!(
        "{policy}, pods end without a hook: {} requests, {} lost: {:?}",
        summary.requests, summary.lost, summary.reasons
    ));
    ensure!(summary.lost > 0, "{summary:?}");
    ensure!(summary.reasons.values().sum::<u64>() == summary.lost, "{summary:?}");
    let listed = u64::try_from(summary.losses.len())?;
    ensure!(listed == summary.lost.min(100), "{summary:?}");
    Ok(())
}

fn late(testbed: &Testbed) -> Result<()> {
    const DELAY: Duration = Duration::from_secs(3);
    let server = deploy(testbed, "late", "Local", 1)?;
    let delay = DELAY.as_secs().to_string();
    let sender =
        RunningSender::start(testbed, "a", &server.service(), 50, &["--delay-seconds", &delay])?;
    sender.wait_for_more(10, DEADLINE)?;
    let before = sender.targets();
    ensure!(before.as_ref().is_some_and(|targets| targets.len() == 1), "{before:?}");

    let begin = Instant::now();
    server.scale(0)?;
    wait_for("no target", DEADLINE, || sender.targets().filter(Vec::is_empty))?;
    // A lower bound, which a slow machine does not break.
    let passed = begin.elapsed();
    ensure!(passed >= DELAY, "it was in force after {passed:?}");
    sender.wait_for_more(10, DEADLINE)?;
    let summary = sender.finish()?;
    ensure!(summary.reasons.contains_key("noTarget"), "{summary:?}");
    Ok(())
}
