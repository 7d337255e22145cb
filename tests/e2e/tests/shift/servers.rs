//! Servers outside, by users who may not write them all, and by calls that fail between two batches of 20.

use anyhow::{Context, ensure};
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{READ_ONLY, RunningCommand};
use clbmigrate_testbed::try_wait_for;
use serde_json::Value;

use crate::{
    Case,
    faults::rolled_back,
    two_clusters::{DEADLINE, NEW, OLD, TestContext, TwoClusters},
};

pub const CASES: &[Case] = &[
    ("who may only read the CLB moves nothing from machines", "read-only", read_only),
    ("who may only read the CLB sets no machine", "read-only-set", read_only_set),
    ("a batch of machines that is refused takes all back", "second-batch", second_batch),
    ("half-written machines are told of and finished", "half-written", half_written),
    ("machines of a change that was killed are taken back", "killed", killed),
    ("many machines make no long record, and are taken back", "long-record", long_record),
];

/// More than the 20 that one call may have.
const MACHINES: usize = 25;
const WRITE: &str = "SetVServerGroupAttribute";

fn line() -> String {
    format!("shift svc/web --from external --to {NEW} 40% --yes -o json --timeout 20s")
}

/// The new cluster with a weight of 20, and many machines of 10 each.
fn many<'b>(context: &TestContext<'b>) -> anyhow::Result<TwoClusters<'b>> {
    let names: Vec<String> = (1..=MACHINES).map(|number| format!("i-bp1m{number:02}")).collect();
    let machines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 10)).collect();
    context.clusters_with(0, 20, &machines)
}

/// How many machines have another weight than 10.
fn written(clusters: &TwoClusters<'_>) -> usize {
    let group = clusters.group();
    group.iter().filter(|(id, weight)| id.starts_with("i-bp1m") && *weight != 10).count()
}

fn all_is_as_before(clusters: &TwoClusters<'_>) -> anyhow::Result<()> {
    clusters.has_weights("0", "20")?;
    ensure!(written(clusters) == 0, "{:?}", clusters.group());
    clusters.holds("i-bp1n", 6)
}

/// A shift whose second batch of machines waits for so long.
fn between_batches(clusters: &TwoClusters<'_>, delay: u64) -> anyhow::Result<RunningCommand> {
    clusters.clb.fail_later_user_call(FaultEffect::DelayMs(delay), WRITE, 1);
    let running = clusters.begins(&line())?;
    try_wait_for("the first batch", DEADLINE, || Ok((written(clusters) == 20).then_some(())))?;
    Ok(running)
}

/// What `status` advises to do about the half-done change, by its verb.
fn advised(clusters: &TwoClusters<'_>, verb: &str) -> anyhow::Result<String> {
    let status = clusters.run(&format!("status --contexts {OLD},{NEW}"))?.expect_code(0)?;
    let status = status.expect_stdout("half done")?;
    let begin = format!("kubectl clbmigrate {verb} svc/web -n {} ", clusters.new.namespace);
    let rest = status.stdout.split_once(&begin).context(status.stdout.clone())?.1;
    let end = rest.find([';', '\n']).unwrap_or(rest.len());
    Ok(format!("{verb} svc/web {}", rest.get(..end).unwrap_or_default()))
}

fn is_done(report: &Value) -> anyhow::Result<()> {
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    Ok(())
}

fn read_only(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 20, &[("i-bp1m1", 80)])?;
    clusters.clb.set_user_policy(Some(READ_ONLY));
    let told = clusters.run(&line())?.expect_code(5)?.expect_stderr("Forbidden.RAM")?;
    rolled_back(&told.expect_stderr("SetVServerGroupAttribute")?.json()?)?;
    clusters.has_weights("0", "20")?;
    clusters.holds("i-bp1m1", 80)?;
    clusters.holds("i-bp1n", 6)
}

fn read_only_set(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 20, &[("i-bp1m1", 80)])?;
    clusters.clb.set_user_policy(Some(READ_ONLY));
    for weight in [30, 90] {
        let line = format!("set svc/web --external i-bp1m1={weight} --context {NEW} --yes");
        clusters.run(&line)?.expect_code(1)?.expect_stderr("slb:SetVServerGroupAttribute")?;
        clusters.holds("i-bp1m1", 80)?;
    }
    clusters.has_weights("0", "20")
}

fn second_batch(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = many(context)?;
    let refused = FaultEffect::Error {
        status: 403,
        code: "Forbidden.RAM".to_owned(),
        message: "User not authorized to operate on the specified resource.".to_owned(),
    };
    clusters.clb.fail_later_user_call(refused, WRITE, 1);
    let told = clusters.run(&line())?.expect_code(5)?.expect_stderr("Forbidden.RAM")?;
    rolled_back(&told.json()?)?;
    all_is_as_before(&clusters)
}

fn half_written(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = many(context)?;
    let running = between_batches(&clusters, 3_000)?;
    // Neither the rest nor the way back is allowed any more.
    clusters.clb.set_user_policy(Some(READ_ONLY));
    let report = running.wait()?.expect_code(1)?.json()?;
    ensure!(report["state"] == "halfDone" && report["parts"][1]["state"] == "left", "{report}");
    ensure!(written(&clusters) == 20 && clusters.new.annotation("weight")? != "20");
    let finish = advised(&clusters, "shift")?;
    ensure!(finish.ends_with("--finish"), "{finish}");
    clusters.clb.set_user_policy(None);
    is_done(&clusters.run(&format!("{finish} --yes -o json"))?.expect_code(0)?.json()?)?;
    ensure!(written(&clusters) == MACHINES, "{:?}", clusters.group());
    clusters.has_share(NEW, 0.4)?;
    // The whole is taken back, too.
    is_done(&clusters.run(&format!("undo svc/web --context {NEW} --yes -o json"))?.json()?)?;
    all_is_as_before(&clusters)
}

fn killed(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = many(context)?;
    let running = between_batches(&clusters, 600_000)?;
    running.signal("KILL")?;
    running.wait_for_kill()?;
    ensure!(written(&clusters) == 20);
    let undo = advised(&clusters, "undo")?;
    is_done(&clusters.run(&format!("{undo} --yes -o json"))?.expect_code(0)?.json()?)?;
    all_is_as_before(&clusters)?;
    let status = clusters.run(&format!("status --contexts {OLD},{NEW}"))?.expect_code(0)?;
    ensure!(!status.stdout.contains("half done"), "{}", status.stdout);
    Ok(())
}

fn long_record(context: &TestContext<'_>) -> anyhow::Result<()> {
    let names: Vec<String> = (1..=150).map(|number| format!("i-bp1m{number:03}")).collect();
    let machines: Vec<(&str, u32)> = names.iter().map(|name| (name.as_str(), 2)).collect();
    let clusters = context.clusters_with(0, 20, &machines)?;
    for share in ["20%", "30%", "20%"] {
        is_done(&clusters.run(&line().replace("40%", share))?.expect_code(0)?.json()?)?;
        let service = clusters.new.service()?;
        let record = service["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
        let length = record.context("no record")?.len();
        ensure!(length < 32 * 1024, "{length} bytes");
    }
    let before = clusters.group();
    is_done(&clusters.run(&line())?.expect_code(0)?.json()?)?;
    ensure!(clusters.group() != before);
    let undo = format!("undo svc/web --context {NEW} --yes -o json");
    is_done(&clusters.run(&undo)?.expect_code(0)?.json()?)?;
    ensure!(clusters.group() == before, "{:?}", clusters.group());
    Ok(())
}
