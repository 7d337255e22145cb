//! What fails in between: nobody is left without what is to carry its traffic, and nobody says done.

use anyhow::{Context, ensure};
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{RunningCommand, User};
use clbmigrate_fault_proxy::{Fault, FaultProxy, Match};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::endpoint_slice;
use serde_json::{Value, json};

use crate::{
    Case,
    two_clusters::{DEADLINE, NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("CCM of the winner is stuck: nothing moves", "winner-stuck", winner_stuck),
    ("CCM of the loser is stuck: all is as before", "loser-stuck", loser_stuck),
    ("CCM of the loser fails: all is as before", "loser-fails", loser_fails),
    (
        "the loser's API server cannot be reached from the middle on, while CCM goes on: all is as before",
        "loser-cut-off",
        loser_cut_off,
    ),
    (
        "the winner's API server cannot be reached from the middle on, while CCM goes on: what stands is said",
        "winner-cut-off",
        winner_cut_off,
    ),
    ("the CLB API throttles for a minute: it is waited for", "throttled", throttled),
    ("the token ends in the middle: what is written is taken back", "ends", token_ends),
    (
        "a colleague's edit of the loser stays, and the winner keeps what it has",
        "colleague",
        colleague,
    ),
    ("a colleague's edit of the winner stays, and nothing is lowered", "put-back", put_back),
    ("somebody changes a machine's weight in between: it stays", "console", console),
    ("the answer to a write is lost: it is found out", "lost", lost),
    ("the answer of the CLB API to a write is lost: it is found out", "lost-there", lost_there),
    ("a group that CCM empties in silence is filled again", "emptied", emptied),
    ("Pods that come meanwhile are no difference", "grows", grows),
    ("the way back is open while CCM fails", "way-back", way_back),
    ("asked to end, it stops between two sides; then it is finished", "held", held_and_finished),
    (
        "asked to end, it stops between two sides; then it is taken back",
        "held-back",
        held_and_undone,
    ),
];

/// Demands that both Services and the group are as they were.
pub(crate) fn all_is_as_before(clusters: &TwoClusters<'_>) -> anyhow::Result<()> {
    clusters.has_weights("80", "20")?;
    clusters.holds("i-bp1o", 40)?;
    clusters.holds("i-bp1n", 6)
}

pub(crate) fn rolled_back(report: &Value) -> anyhow::Result<()> {
    ensure!(report["state"] == "rolledBack" && report["verified"] == false, "{report}");
    Ok(())
}

fn winner_stuck(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": true}))?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5s");
    let told = clusters.run(&line)?.expect_code(5)?.expect_stderr("not done in time")?;
    rolled_back(&told.json()?)?;
    ensure!(clusters.old.writes()? == 0, "the loser is left alone");
    all_is_as_before(&clusters)
}

fn loser_stuck(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.ccm_of_old.set_behaviour(&json!({"stuck": true}))?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 8s");
    let told = clusters.run(&line)?.expect_code(5)?.expect_stderr("not done in time")?;
    let report = told.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "rolledBack", "{report}");
    all_is_as_before(&clusters)?;
    // When it is free again, nothing is left to do for it.
    clusters.ccm_of_old.set_behaviour(&json!({"stuck": false}))?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    clusters.has_share(NEW, 0.4)
}

fn loser_fails(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = begun_with_winner_stuck(&clusters)?;
    clusters.ccm_of_old.set_behaviour(&json!({"fail": {"message": "the CLB is locked"}}))?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("the CLB is locked")?;
    rolled_back(&told.json()?)?;
    all_is_as_before(&clusters)
}

/// A shift whose first write waits for CCM.
fn begun_with_winner_stuck(clusters: &TwoClusters<'_>) -> anyhow::Result<RunningCommand> {
    clusters.begins_stuck(&shift("40%", ""))
}

/// Two clusters, one of which the plugin reaches through a proxy.
pub(crate) fn proxied<'b>(
    context: &TestContext<'b>,
    user: impl Fn(&TwoClusters<'b>) -> User<'b>,
) -> anyhow::Result<(TwoClusters<'b>, FaultProxy)> {
    let mut clusters = context.clusters(&[])?;
    let of = user(&clusters);
    let name = of.cluster.name().to_owned();
    let (proxied, proxy) = of.behind_proxy_as(&name)?;
    // Of two files that name a context, the first one counts.
    clusters.kubeconfig = format!("{}:{}", proxied.kubeconfig().display(), clusters.kubeconfig);
    Ok((clusters, proxy))
}

fn loser_cut_off(context: &TestContext<'_>) -> anyhow::Result<()> {
    let (clusters, proxy) = proxied(context, |clusters| clusters.old.clone())?;
    let running = begun_with_winner_stuck(&clusters)?;
    // From here on the plugin does not reach the loser; CCM, which is not behind the proxy, does.
    drop(proxy);
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("cannot be reached")?;
    rolled_back(&told.json()?)?;
    ensure!(clusters.old.writes()? == 0);
    all_is_as_before(&clusters)
}

fn winner_cut_off(context: &TestContext<'_>) -> anyhow::Result<()> {
    let (clusters, proxy) = proxied(context, |clusters| clusters.new.clone())?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5s");
    let running = clusters.begins_stuck(&line)?;
    drop(proxy);
    let told = running.wait()?.expect_code(1)?.expect_stderr("cannot be reached")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone" && report["parts"][0]["state"] == "left", "{report}");
    let message = report["message"].as_str().unwrap_or_default();
    ensure!(message.contains("could not be put back"), "{message}");
    // Whoever comes next is told how to go on.
    ensure!(report["next"].to_string().contains("undo svc/web"), "{report}");
    ensure!(clusters.old.writes()? == 0, "the loser keeps what it has");
    clusters.holds("i-bp1o", 40)
}

fn throttled(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5m");
    let running = clusters.begins_stuck(&line)?;
    clusters.clb.fail_user_calls(FaultEffect::Throttle {}, None);
    let before = clusters.clb.calls_of_user();
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    // With pauses of up to 8 seconds, eleven calls are about a minute.
    try_wait_for("eleven throttled calls", DEADLINE * 2, || {
        Ok((clusters.clb.calls_of_user() >= before + 11).then_some(()))
    })?;
    ensure!(clusters.old.writes()? == 0, "nothing is lowered on CCM's word alone");
    clusters.clb.clear_faults();
    let report = running.wait()?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    clusters.has_share(NEW, 0.4)
}

fn token_ends(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = begun_with_winner_stuck(&clusters)?;
    let refused = FaultEffect::Error {
        status: 400,
        code: "InvalidSecurityToken.Expired".to_owned(),
        message: "Specified SecurityToken is expired.".to_owned(),
    };
    clusters.clb.fail_user_calls(refused, None);
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("xpired")?;
    let report = told.json()?;
    rolled_back(&report)?;
    // CCM says that it is back; the CLB cannot be asked any more, and that is said.
    ensure!(report["parts"][0]["state"] == "unconfirmed", "{report}");
    clusters.clb.clear_faults();
    ensure!(clusters.old.writes()? == 0);
    try_wait_for("the group as before", DEADLINE, || Ok(all_is_as_before(&clusters).ok()))
}

fn colleague(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = begun_with_winner_stuck(&clusters)?;
    let raised = clusters.new.annotation("weight")?;
    clusters.old.set_weight("0")?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("somebody else was faster")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone", "{report}");
    ensure!(
        report["parts"][0]["state"] == "done" && report["parts"][1]["state"] == "taken",
        "{report}"
    );
    // The loser has nothing left: taking the winner's weight back would have been an outage.
    clusters.has_weights("0", &raised)
}

fn put_back(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = begun_with_winner_stuck(&clusters)?;
    clusters.new.set_weight("30")?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("30")?;
    let report = told.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "taken", "{report}");
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    ensure!(clusters.old.writes()? == 0);
    clusters.has_weights("80", "30")
}

fn console(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 20, &[("i-bp1m1", 80)])?;
    let line = format!("shift svc/web --from external --to {NEW} 40% --yes -o json --timeout 60s");
    let running = clusters.begins_stuck(&line)?;
    clusters.clb.set_weight("i-bp1m1", 10);
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("somebody changed it")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone" && report["parts"][1]["state"] == "taken", "{report}");
    clusters.holds("i-bp1m1", 10)
}

fn lost(context: &TestContext<'_>) -> anyhow::Result<()> {
    let (clusters, proxy) = proxied(context, |clusters| clusters.new.clone())?;
    let writes = Match::method("PATCH").path("services").without_parameter("dryRun").times(1);
    let rule = proxy.add_rule(writes, Fault::CutAfterAnswer);
    let told = clusters
        .shifts("40%", "")?
        .expect_code(0)?
        .expect_stderr("the answer to the write was lost")?;
    ensure!(told.json()?["state"] == "done", "{}", told.stdout);
    ensure!(rule.hits() == 1 && clusters.new.writes()? == 1);
    clusters.has_share(NEW, 0.4)
}

fn lost_there(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters_with(0, 20, &[("i-bp1m1", 80)])?;
    clusters.clb.fail_user_calls(FaultEffect::LoseAnswer {}, Some("SetVServerGroupAttribute"));
    let line = format!("shift svc/web --from external --to {NEW} 40% --yes -o json --timeout 60s");
    let report = clusters.run(&line)?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    clusters.has_share(NEW, 0.4)
}

fn emptied(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = begun_with_winner_stuck(&clusters)?;
    // The error of this one call is dropped: all backends go, and CCM reports success.
    clusters.clb.throttle_ccm(&[0]);
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(0)?.expect_stderr("CCM is called once more")?;
    ensure!(told.json()?["verified"] == true, "{}", told.stdout);
    clusters.has_share(NEW, 0.4)
}

fn grows(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let local = r#"patch service web --type=merge -p {"spec":{"externalTrafficPolicy":"Local"}}"#;
    clusters.new.ask(local)?;
    try_wait_for("two nodes with Pods", DEADLINE, || {
        let group = clusters.group();
        let of_new = group.iter().filter(|(id, weight)| id.starts_with("i-bp1n") && *weight == 10);
        Ok((of_new.count() == 2).then_some(()))
    })?;
    let running = begun_with_winner_stuck(&clusters)?;
    clusters.new.apply(endpoint_slice(context.namespace, "web", &["n1", "n2", "n3"]))?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let report = running.wait()?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    let group = clusters.group();
    ensure!(group.iter().filter(|(id, _)| id.starts_with("i-bp1n")).count() == 3, "{group:?}");
    Ok(())
}

fn way_back(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    clusters.ccm_of_new.set_behaviour(&json!({"fail": {"message": "the CLB is locked"}}))?;
    clusters.new.annotate("example.com/note=1")?;
    let undo = format!("undo svc/web --context {NEW} --yes -o json --timeout 60s");
    try_wait_for("CCM's failure", DEADLINE, || {
        let told = clusters.run(&undo.replace("--yes", "--dry-run=server"))?;
        Ok(told.stderr.contains("CCM fails").then_some(()))
    })?;
    // Nobody is kept from going back; that it cannot end well is found out on the way.
    let told = clusters.run(&undo)?.expect_code(5)?.expect_stderr("the CLB is locked")?;
    rolled_back(&told.json()?)?;
    clusters.ccm_of_new.set_behaviour(&json!({"fail": null}))?;
    clusters.new.annotate("example.com/note=2")?;
    clusters.settled_again()?;
    clusters.run(&undo)?.expect_code(0)?;
    all_is_as_before(&clusters)
}

/// A shift that was asked to end while its first part was under way; gives the commands that it
/// advises to finish it and to undo it.
pub(crate) fn held(clusters: &TwoClusters<'_>) -> anyhow::Result<[String; 2]> {
    let running = begun_with_winner_stuck(clusters)?;
    running.signal("TERM")?;
    clusters.ccm_of_new.set_behaviour(&json!({"stuck": false}))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("asked to end")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone", "{report}");
    ensure!(report["parts"][1]["state"] == "untouched", "{report}");
    clusters.has_weights("80", &clusters.new.annotation("weight")?)?;
    // Anybody who looks sees it, with the way out.
    let status = clusters.run(&format!("status --contexts {OLD},{NEW}"))?.expect_code(0)?;
    let id = report["change"].as_str().context("no change")?;
    status
        .expect_stdout(&format!("change {id}"))?
        .expect_stdout("half done")?
        .expect_stdout("--finish")?
        .expect_stdout("undo")?;
    let advised = |at: usize| {
        let command = report["next"][at]["command"].as_str().context("no command")?;
        let line = command.strip_prefix("kubectl clbmigrate ").context("no plugin")?;
        anyhow::Ok(line.replace(&format!(" -n {}", clusters.new.namespace), ""))
    };
    Ok([advised(0)?, advised(1)?])
}

fn held_and_finished(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let [finish, _] = held(&clusters)?;
    let line = format!("{finish} --yes -o json");
    let report = clusters.run(&line)?.expect_code(0)?.json()?;
    ensure!(report["state"] == "done", "{report}");
    clusters.has_share(NEW, 0.4)?;
    clusters.run(&line)?.expect_code(1)?.expect_stderr("no change")?;
    let status = clusters.run(&format!("status --contexts {OLD},{NEW}"))?.expect_code(0)?;
    ensure!(!status.stdout.contains("half done"), "{}", status.stdout);
    Ok(())
}

fn held_and_undone(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let [_, undo] = held(&clusters)?;
    clusters.run(&format!("{undo} --yes"))?.expect_code(0)?;
    all_is_as_before(&clusters)?;
    let status = clusters.run(&format!("status --contexts {OLD},{NEW}"))?.expect_code(0)?;
    ensure!(!status.stdout.contains("half done"), "{}", status.stdout);
    Ok(())
}
