//! Nothing is lowered before the receiving side's backends are healthy by the CLB's health checks, or somebody
//! has accepted that this is not known.

use anyhow::ensure;
use clbmigrate_clb_double::{Health, SetHealth};
use serde_json::Value;

use crate::{
    Case,
    faults::{all_is_as_before, rolled_back},
    refusals::nothing_written,
    terminal::terminal,
    two_clusters::{NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("abnormal backends of the receiving side are refused", "abnormal", abnormal_before),
    ("abnormal machines are refused as receivers", "ill-machine", abnormal_machine),
    (
        "backends that turn abnormal take the raise back, and nothing is lowered",
        "turns-ill",
        abnormal_meanwhile,
    ),
    ("backends that are abnormal for a moment are waited for", "recovers", recovers),
    ("health that nobody checks is refused, or asked about", "unchecked", unchecked),
    ("health that may not be read is refused, or asked about", "may-not-read", may_not_read),
    ("ill health of the giving side is no hindrance", "ill-giver", ill_giver),
    (
        "the way back to abnormal backends keeps what serves, and can be forced",
        "ill-back",
        way_back,
    ),
    ("unknown health is no hindrance to the way back", "blind-back", unknown_way_back),
];

/// What a RAM user may do that sees all but health.
const WITHOUT_HEALTH: &[&str] = &[
    "slb:DescribeVServerGroup*",
    "slb:DescribeLoadBalancer*",
    "slb:List*",
    "slb:SetVServerGroupAttribute",
    "ecs:Describe*",
    "vpc:Describe*",
];

fn ill(server: &str) -> SetHealth {
    SetHealth::of_server(server, Health::Abnormal)
}

/// All nodes of the new cluster cannot be reached by the CLB.
fn all_of_new() -> [SetHealth; 3] {
    ["i-bp1n1", "i-bp1n2", "i-bp1n3"].map(ill)
}

fn done(report: &Value) -> anyhow::Result<()> {
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    Ok(())
}

fn abnormal_before(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.clb.set_health(&[ill("i-bp1n2")]);
    let told = clusters.shifts("40%", "")?.expect_code(3)?.expect_stderr("CLB416")?;
    let told = told.expect_stderr("i-bp1n2")?.expect_stderr("--force")?;
    ensure!(!told.stderr.contains("i-bp1n1:"), "the others are healthy: {}", told.stderr);
    nothing_written(&clusters)?;
    done(&clusters.shifts("40%", "--force")?.expect_code(0)?.json()?)?;
    clusters.has_share(NEW, 0.4)
}

fn abnormal_machine(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 100, &[("i-bp1m1", 0), ("i-bp1m2", 0)])?;
    clusters.clb.set_health(&[ill("i-bp1m1")]);
    let line = format!("shift svc/web --from {NEW} --to external 50% --yes -o json --timeout 60s");
    clusters.run(&line)?.expect_code(3)?.expect_stderr("CLB416")?.expect_stderr("i-bp1m1")?;
    clusters.holds("i-bp1m", 0)?;
    ensure!(clusters.new.writes()? == 0);
    // The other one is healthy.
    let line = line.replace("--to external", "--to external=i-bp1m2");
    done(&clusters.run(&line)?.expect_code(0)?.json()?)?;
    clusters.has_share("i-bp1m2", 0.5)
}

fn abnormal_meanwhile(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let line = shift("100%", "").replace("--timeout 60s", "--timeout 15s");
    let running = clusters.begins_stuck(&line)?;
    clusters.clb.set_health(&all_of_new());
    clusters.frees_new()?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("CLB416")?;
    rolled_back(&told.json()?)?;
    ensure!(clusters.old.writes()? == 0, "the giving side is never lowered");
    all_is_as_before(&clusters)
}

fn recovers(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = clusters.begins_stuck(&shift("40%", ""))?;
    clusters.clb.set_health(&all_of_new());
    clusters.frees_new()?;
    running.wait_for_stderr("looking again")?;
    ensure!(clusters.old.writes()? == 0);
    clusters.clb.set_health(&[]);
    done(&running.wait()?.expect_code(0)?.json()?)?;
    clusters.has_share(NEW, 0.4)
}

/// Without a terminal it is refused with these words, and on one it is asked about with them.
fn refused_or_asked(clusters: &TwoClusters<'_>, words: &str) -> anyhow::Result<()> {
    clusters.shifts("40%", "")?.expect_code(3)?.expect_stderr(words)?.expect_stderr("--force")?;
    nothing_written(clusters)?;
    let line = format!("shift svc/web --from {OLD} --to {NEW} 40% --timeout 60s");
    let mut asked = terminal(clusters, &line, (50, 200))?;
    asked.wait_for("Write it? [y/N]")?;
    let screen = asked.screen();
    ensure!(screen.replace('\n', "").contains(words), "no {words:?}:\n{screen}");
    asked.types("n\r")?;
    ensure!(asked.ends()? == 5);
    nothing_written(clusters)?;
    let mut accepted = terminal(clusters, &line, (50, 200))?;
    accepted.wait_for("Write it? [y/N]")?;
    accepted.types("y\r")?;
    ensure!(accepted.ends()? == 0, "{}", accepted.screen());
    clusters.has_share(NEW, 0.4)?;
    done(&clusters.shifts("60%", "--force")?.expect_code(0)?.json()?)?;
    clusters.has_share(NEW, 0.6)
}

fn unchecked(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.clb.set_health_check(80, false);
    refused_or_asked(&clusters, "tcp/80 has no health check")
}

fn may_not_read(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.clb.set_user_policy(Some(WITHOUT_HEALTH));
    refused_or_asked(&clusters, "are healthy is not known")
}

fn ill_giver(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.clb.set_health(&["i-bp1o1", "i-bp1o2"].map(ill));
    done(&clusters.shifts("100%", "")?.expect_code(0)?.json()?)?;
    clusters.has_share(NEW, 1.0)
}

/// To backends that the CLB sends nothing, the way back does no good. It is not refused; it waits for them, and
/// the other side keeps what it has.
fn way_back(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let weights = (clusters.old.annotation("weight")?, clusters.new.annotation("weight")?);
    clusters.clb.set_health(&["i-bp1o1", "i-bp1o2"].map(ill));
    let undo = format!("undo svc/web --context {NEW} --yes -o json --timeout 8s");
    let told = clusters.run(&undo)?.expect_code(5)?.expect_stderr("CLB416")?;
    rolled_back(&told.json()?)?;
    clusters.has_weights(&weights.0, &weights.1)?;
    ensure!(clusters.new.writes()? == 1, "only the shift has written it");
    done(&clusters.run(&format!("{undo} --force"))?.expect_code(0)?.json()?)?;
    all_is_as_before(&clusters)
}

fn unknown_way_back(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    clusters.clb.set_health_check(80, false);
    clusters.clb.set_user_policy(Some(WITHOUT_HEALTH));
    let undo = format!("undo svc/web --context {NEW} --yes -o json --timeout 60s");
    let report = clusters.run(&undo)?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done", "{report}");
    all_is_as_before(&clusters)
}
