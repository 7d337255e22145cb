//! What fails in between: nobody is left without what is to carry its traffic, and nobody says done.

use std::process::Command;

use anyhow::{Context, ensure};
use clbmigrate_clb_double::FaultEffect;
use clbmigrate_e2e::{KEYS, User, slice};
use clbmigrate_fault_proxy::{Fault, Match};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};

use crate::{
    Case,
    scene::{DEADLINE, NEW, OLD, Scene, Stage, shift},
};

pub const CASES: &[Case] = &[
    ("CCM of the winner is stuck: nothing moves", "winner-stuck", winner_stuck),
    ("CCM of the loser is stuck: all is as before", "loser-stuck", loser_stuck),
    ("CCM of the loser fails: all is as before", "loser-fails", loser_fails),
    ("the loser's API server dies in the middle: all is as before", "dies", dies),
    ("the winner's API server dies in the middle: what stands is said", "vanishes", vanishes),
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
fn all_is_as_before(scene: &Scene<'_>) -> anyhow::Result<()> {
    scene.has_weights("80", "20")?;
    scene.holds("i-bp1o", 40)?;
    scene.holds("i-bp1n", 6)
}

fn rolled_back(report: &Value) -> anyhow::Result<()> {
    ensure!(report["state"] == "rolledBack" && report["verified"] == false, "{report}");
    Ok(())
}

fn winner_stuck(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.ccm_of_new.behaves(&json!({"stuck": true}))?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5s");
    let told = scene.runs(&line)?.ends_with(5)?.warns("not done in time")?;
    rolled_back(&told.json()?)?;
    ensure!(scene.old.writes()? == 0, "the loser is left alone");
    all_is_as_before(&scene)
}

fn loser_stuck(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.ccm_of_old.behaves(&json!({"stuck": true}))?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 8s");
    let told = scene.runs(&line)?.ends_with(5)?.warns("not done in time")?;
    let report = told.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "rolledBack", "{report}");
    all_is_as_before(&scene)?;
    // When it is free again, nothing is left to do for it.
    scene.ccm_of_old.behaves(&json!({"stuck": false}))?;
    scene.shifts("40%", "")?.ends_with(0)?;
    scene.has_share(NEW, 0.4)
}

fn loser_fails(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let running = begun_with_winner_stuck(&scene)?;
    scene.ccm_of_old.behaves(&json!({"fail": {"message": "the CLB is locked"}}))?;
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("the CLB is locked")?;
    rolled_back(&told.json()?)?;
    all_is_as_before(&scene)
}

/// A shift whose first write waits for CCM.
fn begun_with_winner_stuck(scene: &Scene<'_>) -> anyhow::Result<crate::scene::Running> {
    begun(scene, &shift("40%", ""))
}

/// The same with this command.
fn begun(scene: &Scene<'_>, line: &str) -> anyhow::Result<crate::scene::Running> {
    scene.ccm_of_new.behaves(&json!({"stuck": true}))?;
    let running = scene.begins(line)?;
    try_wait_for("the first write", DEADLINE, || {
        Ok((scene.new.annotation("weight")? != "20").then_some(()))
    })?;
    Ok(running)
}

/// A scene in which the plugin reaches one of the clusters through a gate.
fn gated<'b>(
    stage: &Stage<'b>,
    user: impl Fn(&Scene<'b>) -> User<'b>,
) -> anyhow::Result<(Scene<'b>, clbmigrate_fault_proxy::Gate)> {
    let mut scene = stage.scene(&[])?;
    let of = user(&scene);
    let name = of.cluster.name().to_owned();
    let (gated, gate) = of.behind_gate_as(&name)?;
    // Of two files that name a context, the first one counts.
    scene.kubeconfig = format!("{}:{}", gated.kubeconfig().display(), scene.kubeconfig);
    Ok((scene, gate))
}

fn dies(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (scene, gate) = gated(stage, |scene| scene.old.clone())?;
    let running = begun_with_winner_stuck(&scene)?;
    // From here on nothing reaches the loser.
    drop(gate);
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("cannot be reached")?;
    rolled_back(&told.json()?)?;
    ensure!(scene.old.writes()? == 0);
    all_is_as_before(&scene)
}

fn vanishes(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (scene, gate) = gated(stage, |scene| scene.new.clone())?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5s");
    let running = begun(&scene, &line)?;
    drop(gate);
    let told = running.ends()?.ends_with(1)?.warns("cannot be reached")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone" && report["parts"][0]["state"] == "left", "{report}");
    let message = report["message"].as_str().unwrap_or_default();
    ensure!(message.contains("could not be put back"), "{message}");
    // Whoever comes next is told how to go on.
    ensure!(report["next"].to_string().contains("undo svc/web"), "{report}");
    ensure!(scene.old.writes()? == 0, "the loser keeps what it has");
    scene.holds("i-bp1o", 40)
}

fn throttled(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 5m");
    let running = begun(&scene, &line)?;
    scene.clb.troubles_user(FaultEffect::Throttle {}, None);
    let before = scene.clb.calls_of_user();
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    // With pauses of up to 8 seconds, eleven calls are about a minute.
    try_wait_for("eleven throttled calls", DEADLINE * 2, || {
        Ok((scene.clb.calls_of_user() >= before + 11).then_some(()))
    })?;
    ensure!(scene.old.writes()? == 0, "nothing is lowered on CCM's word alone");
    scene.clb.clear_faults();
    let report = running.ends()?.ends_with(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    scene.has_share(NEW, 0.4)
}

fn token_ends(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let running = begun_with_winner_stuck(&scene)?;
    let refused = FaultEffect::Error {
        status: 400,
        code: "InvalidSecurityToken.Expired".to_owned(),
        message: "Specified SecurityToken is expired.".to_owned(),
    };
    scene.clb.troubles_user(refused, None);
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("xpired")?;
    let report = told.json()?;
    rolled_back(&report)?;
    // CCM says that it is back; the CLB cannot be asked any more, and that is said.
    ensure!(report["parts"][0]["state"] == "unconfirmed", "{report}");
    scene.clb.clear_faults();
    ensure!(scene.old.writes()? == 0);
    try_wait_for("the group as before", DEADLINE, || Ok(all_is_as_before(&scene).ok()))
}

/// Somebody else sets a weight.
fn edits(user: &User<'_>, weight: &str) -> anyhow::Result<()> {
    let annotation = format!("{KEYS}weight={weight}");
    let namespace = user.namespace.as_str();
    user.cluster
        .ask(&["annotate", "--overwrite", "service", "web", "-n", namespace, &annotation])
        .map(drop)
}

fn colleague(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let running = begun_with_winner_stuck(&scene)?;
    let raised = scene.new.annotation("weight")?;
    edits(&scene.old, "0")?;
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("somebody else was faster")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone", "{report}");
    ensure!(
        report["parts"][0]["state"] == "done" && report["parts"][1]["state"] == "taken",
        "{report}"
    );
    // The loser has nothing left: taking the winner's weight back would have been an outage.
    scene.has_weights("0", &raised)
}

fn put_back(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let running = begun_with_winner_stuck(&scene)?;
    edits(&scene.new, "30")?;
    let told = running.ends()?.ends_with(5)?.warns("30")?;
    let report = told.json()?;
    rolled_back(&report)?;
    ensure!(report["parts"][0]["state"] == "taken", "{report}");
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    ensure!(scene.old.writes()? == 0);
    scene.has_weights("80", "30")
}

fn console(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene_of(0, 20, &[("i-bp1m1", 80)])?;
    let line = format!("shift svc/web --from external --to {NEW} 40% --yes -o json --timeout 60s");
    let running = begun(&scene, &line)?;
    scene.clb.set_weight("i-bp1m1", 10);
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("somebody changed it")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone" && report["parts"][1]["state"] == "taken", "{report}");
    scene.holds("i-bp1m1", 10)
}

fn lost(stage: &Stage<'_>) -> anyhow::Result<()> {
    let (scene, gate) = gated(stage, |scene| scene.new.clone())?;
    let writes = Match::method("PATCH").path("services").without_parameter("dryRun").times(1);
    let rule = gate.on(writes, Fault::CutAfterAnswer);
    let told = scene.shifts("40%", "")?.ends_with(0)?.warns("the answer to the write was lost")?;
    ensure!(told.json()?["state"] == "done", "{}", told.out);
    ensure!(rule.hits() == 1 && scene.new.writes()? == 1);
    scene.has_share(NEW, 0.4)
}

fn lost_there(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene_of(0, 20, &[("i-bp1m1", 80)])?;
    scene.clb.troubles_user(FaultEffect::LoseAnswer {}, Some("SetVServerGroupAttribute"));
    let line = format!("shift svc/web --from external --to {NEW} 40% --yes -o json --timeout 60s");
    let report = scene.runs(&line)?.ends_with(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    scene.has_share(NEW, 0.4)
}

fn emptied(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let running = begun_with_winner_stuck(&scene)?;
    // The error of this one call is dropped: all backends go, and CCM reports success.
    scene.clb.throttle_ccm(&[0]);
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(0)?.warns("CCM is called once more")?;
    ensure!(told.json()?["verified"] == true, "{}", told.out);
    scene.has_share(NEW, 0.4)
}

fn grows(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let local = json!({"spec": {"externalTrafficPolicy": "Local"}}).to_string();
    let namespace = stage.namespace;
    scene.new.cluster.ask(&[
        "patch",
        "service",
        "web",
        "-n",
        namespace,
        "--type=merge",
        "-p",
        &local,
    ])?;
    try_wait_for("two nodes with Pods", DEADLINE, || {
        let group = scene.group();
        let of_new = group.iter().filter(|(id, weight)| id.starts_with("i-bp1n") && *weight == 10);
        Ok((of_new.count() == 2).then_some(()))
    })?;
    let running = begun_with_winner_stuck(&scene)?;
    scene.new.apply(&slice(namespace, "web", &["n1", "n2", "n3"]))?;
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let report = running.ends()?.ends_with(0)?.json()?;
    ensure!(report["state"] == "done" && report["verified"] == true, "{report}");
    let group = scene.group();
    ensure!(group.iter().filter(|(id, _)| id.starts_with("i-bp1n")).count() == 3, "{group:?}");
    Ok(())
}

fn way_back(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    scene.shifts("40%", "")?.ends_with(0)?;
    scene.ccm_of_new.behaves(&json!({"fail": {"message": "the CLB is locked"}}))?;
    let calls_ccm = |note: &str| {
        let namespace = stage.namespace;
        let annotate = ["annotate", "service", "web", "-n", namespace, "--overwrite", note];
        scene.new.cluster.ask(&annotate).map(drop)
    };
    calls_ccm("example.com/note=1")?;
    let undo = format!("undo svc/web --context {NEW} --yes -o json --timeout 60s");
    try_wait_for("CCM's failure", DEADLINE, || {
        let told = scene.runs(&undo.replace("--yes", "--dry-run=server"))?;
        Ok(told.err.contains("CCM fails").then_some(()))
    })?;
    // Nobody is kept from going back; that it cannot end well is found out on the way.
    let told = scene.runs(&undo)?.ends_with(5)?.warns("the CLB is locked")?;
    rolled_back(&told.json()?)?;
    scene.ccm_of_new.behaves(&json!({"fail": null}))?;
    calls_ccm("example.com/note=2")?;
    scene.settled_again()?;
    scene.runs(&undo)?.ends_with(0)?;
    all_is_as_before(&scene)
}

/// A shift that was asked to end while its first part was under way; gives the commands that it
/// advises to finish it and to undo it.
fn held(scene: &Scene<'_>) -> anyhow::Result<[String; 2]> {
    let running = begun_with_winner_stuck(scene)?;
    let ended = Command::new("kill").arg("-TERM").arg(running.id().to_string()).status()?;
    ensure!(ended.success());
    scene.ccm_of_new.behaves(&json!({"stuck": false}))?;
    let told = running.ends()?.ends_with(5)?.warns("asked to end")?;
    let report = told.json()?;
    ensure!(report["state"] == "halfDone", "{report}");
    ensure!(report["parts"][1]["state"] == "untouched", "{report}");
    scene.has_weights("80", &scene.new.annotation("weight")?)?;
    // Anybody who looks sees it, with the way out.
    let status = scene.runs(&format!("status --contexts {OLD},{NEW}"))?.ends_with(0)?;
    let id = report["change"].as_str().context("no change")?;
    status.says(&format!("change {id}"))?.says("half done")?.says("--finish")?.says("undo")?;
    let advised = |at: usize| {
        let command = report["next"][at]["command"].as_str().context("no command")?;
        let line = command.strip_prefix("kubectl clbmigrate ").context("no plugin")?;
        anyhow::Ok(line.replace(&format!(" -n {}", scene.new.namespace), ""))
    };
    Ok([advised(0)?, advised(1)?])
}

fn held_and_finished(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let [finish, _] = held(&scene)?;
    let line = format!("{finish} --yes -o json");
    let report = scene.runs(&line)?.ends_with(0)?.json()?;
    ensure!(report["state"] == "done", "{report}");
    scene.has_share(NEW, 0.4)?;
    scene.runs(&line)?.ends_with(1)?.warns("no change")?;
    let status = scene.runs(&format!("status --contexts {OLD},{NEW}"))?.ends_with(0)?;
    ensure!(!status.out.contains("half done"), "{}", status.out);
    Ok(())
}

fn held_and_undone(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[])?;
    let [_, undo] = held(&scene)?;
    scene.runs(&format!("{undo} --yes"))?.ends_with(0)?;
    all_is_as_before(&scene)?;
    let status = scene.runs(&format!("status --contexts {OLD},{NEW}"))?.ends_with(0)?;
    ensure!(!status.out.contains("half done"), "{}", status.out);
    Ok(())
}
