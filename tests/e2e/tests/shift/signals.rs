//! Asked to end: Ctrl-C, SIGTERM and the loss of the terminal, in each phase of a move.

use anyhow::ensure;
use clbmigrate_clb_double::{Health, SetHealth};
use clbmigrate_e2e::RunningCommand;
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    Case,
    faults::{all_is_as_before, proxied, rolled_back},
    terminal::terminal,
    two_clusters::{DEADLINE, NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("SIGINT in each phase", "sigint", |context| each_phase(context, "INT")),
    ("SIGTERM in each phase", "sigterm", |context| each_phase(context, "TERM")),
    ("SIGHUP in each phase", "sighup", |context| each_phase(context, "HUP")),
    ("Ctrl-C on a terminal stops between two sides", "ctrl-c", ctrl_c),
    (
        "an API server that comes back in time is written to, whatever signal came meanwhile",
        "comes-back",
        comes_back,
    ),
];

fn asked(running: &RunningCommand, signal: &str) -> anyhow::Result<()> {
    running.signal(signal)?;
    running.wait_for_stderr("asked to end")
}

/// The first side is written and proven, the second is not begun; then it is taken back.
fn is_held(clusters: &TwoClusters<'_>, running: RunningCommand) -> anyhow::Result<()> {
    let report = running.wait()?.expect_code(5)?.json()?;
    ensure!(report["state"] == "halfDone", "{report}");
    let states = [&report["parts"][0]["state"], &report["parts"][1]["state"]];
    ensure!(states == ["done", "untouched"], "{report}");
    ensure!(clusters.old.annotation("weight")? == "80");
    undo(clusters)
}

fn undo(clusters: &TwoClusters<'_>) -> anyhow::Result<()> {
    let undo = format!("undo svc/web --context {NEW} --yes --timeout 60s");
    clusters.run(&undo)?.expect_code(0)?;
    all_is_as_before(clusters)
}

fn each_phase(context: &TestContext<'_>, signal: &str) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    first_side(&clusters, signal)?;
    proof(&clusters, signal)?;
    second_side(&clusters, signal)?;
    way_back(&clusters, signal)
}

/// CCM is waited for.
fn first_side(clusters: &TwoClusters<'_>, signal: &str) -> anyhow::Result<()> {
    let running = clusters.begins_stuck(&shift("40%", ""))?;
    asked(&running, signal)?;
    clusters.frees_new()?;
    is_held(clusters, running)
}

/// The CLB is asked.
fn proof(clusters: &TwoClusters<'_>, signal: &str) -> anyhow::Result<()> {
    let running = clusters.begins_stuck(&shift("40%", ""))?;
    clusters.clb.set_health(&[SetHealth::of_server("i-bp1n1", Health::Abnormal)]);
    clusters.frees_new()?;
    running.wait_for_stderr("looking again")?;
    asked(&running, signal)?;
    clusters.clb.set_health(&[]);
    is_held(clusters, running)
}

/// Nothing is left to begin.
fn second_side(clusters: &TwoClusters<'_>, signal: &str) -> anyhow::Result<()> {
    let running = begun_until_loser(clusters, &shift("40%", ""))?;
    asked(&running, signal)?;
    clusters.ccm_of_old.set_behaviour(&json!({"stuck": false}))?;
    let report: Value = running.wait()?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    undo(clusters)
}

/// A shift whose second side waits for CCM.
fn begun_until_loser(clusters: &TwoClusters<'_>, line: &str) -> anyhow::Result<RunningCommand> {
    clusters.ccm_of_old.set_behaviour(&json!({"stuck": true}))?;
    let running = clusters.begins(line)?;
    try_wait_for("the second write", DEADLINE, || {
        Ok((clusters.old.annotation("weight")? != "80").then_some(()))
    })?;
    Ok(running)
}

/// Taking back is not stopped, and is proven.
fn way_back(clusters: &TwoClusters<'_>, signal: &str) -> anyhow::Result<()> {
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 12s");
    let running = begun_until_loser(clusters, &line)?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": true}))?;
    running.wait_for_stderr("weight 80 -> 60: it is taken back")?;
    asked(&running, signal)?;
    running.wait_for_stderr("weight 20 -> 40: it is taken back")?;
    clusters.frees_new()?;
    let report = running.wait()?.expect_code(5)?.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "rolledBack", "{report}");
    clusters.ccm_of_old.set_behaviour(&json!({"stuck": false}))?;
    all_is_as_before(clusters)
}

fn ctrl_c(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": true}))?;
    let line = format!("shift svc/web --from {OLD} --to {NEW} 40% --yes --timeout 60s");
    let mut moving = terminal(&clusters, &line, (40, 160))?;
    moving.wait_for("waiting for CCM")?;
    moving.types("\u{3}")?;
    moving.wait_for("asked to end")?;
    clusters.frees_new()?;
    ensure!(moving.ends()? == 5, "{}", moving.screen());
    let screen = moving.screen();
    ensure!(screen.contains("--finish") && screen.contains("undo"), "{screen}");
    clusters.has_weights("80", "40")?;
    undo(&clusters)
}

fn comes_back(context: &TestContext<'_>) -> anyhow::Result<()> {
    let (clusters, proxy) = proxied(context, |clusters| clusters.new.clone())?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 8s");
    let running = clusters.begins_stuck(&line)?;
    let gone = proxy.add_rule(Match::any(), Fault::CutBefore);
    running.wait_for_stderr("it is taken back")?;
    running.wait_for_stderr("trying again")?;
    asked(&running, "TERM")?;
    gone.remove();
    let report = running.wait()?.expect_code(5)?.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "rolledBack", "{report}");
    ensure!(clusters.old.writes()? == 0);
    clusters.frees_new()?;
    all_is_as_before(&clusters)
}
