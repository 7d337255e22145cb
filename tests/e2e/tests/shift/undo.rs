//! What `undo` of a move refuses, and a take-back whose record has no room.

use anyhow::{Context, ensure};
use clbmigrate_testkit::run;
use serde_json::{Value, json};

use crate::{
    Case,
    faults::{all_is_as_before, rolled_back},
    two_clusters::{NEW, OLD, TestContext, TwoClusters, shift},
};

pub const CASES: &[Case] = &[
    ("a move of which a side was changed since is not undone", "changed-since", changed_since),
    ("a move of which a side cannot be seen is not undone", "out-of-sight", out_of_sight),
    ("of two last changes one is to be named", "two-changes", two_changes),
    ("a side that is gone is not given anything", "gone", gone),
    ("a take-back without room for its record is written all the same", "no-room", no_room),
];

/// The limit of Kubernetes for all annotations of an object together.
const ANNOTATIONS: usize = 256 * 1024;

fn weights(clusters: &TwoClusters<'_>) -> anyhow::Result<[String; 2]> {
    Ok([clusters.old.annotation("weight")?, clusters.new.annotation("weight")?])
}

fn changed_since(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    clusters.old.set_weight("55")?;
    let [_, raised] = weights(&clusters)?;
    for place in [format!("--context {NEW}"), format!("--contexts {OLD},{NEW}")] {
        let told = clusters.run(&format!("undo svc/web {place} --yes"))?.expect_code(1)?;
        told.expect_stderr("somebody changed it since")?.expect_stderr("55")?;
        clusters.has_weights("55", &raised)?;
    }
    Ok(())
}

fn out_of_sight(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let [lowered, raised] = weights(&clusters)?;
    let mut config: Value = serde_json::from_slice(&std::fs::read(&clusters.kubeconfig)?)?;
    let contexts = config["contexts"].as_array_mut().context("no contexts")?;
    contexts.retain(|of| of["name"] == NEW);
    config["current-context"] = NEW.into();
    let theirs = clusters.new.file("blind", &config.to_string())?;
    let line = format!("undo svc/web --context {NEW} --yes {}", clusters.clb.endpoint_flag()?);
    let mut command = clusters.new.with_kubeconfig(theirs).command(&line);
    clusters.clb.add_credentials(&mut command);
    run(&mut command)?.expect_code(3)?.expect_stderr("cannot be seen")?;
    clusters.has_weights(&lowered, &raised)
}

fn two_changes(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    clusters.shifts("40%", "")?.expect_code(0)?;
    let [lowered, _] = weights(&clusters)?;
    clusters.run(&format!("set svc/web 50 --context {NEW} --yes --wait"))?.expect_code(0)?;
    let both = clusters.run(&format!("undo svc/web --contexts {OLD},{NEW} --yes"))?;
    both.expect_code(2)?.expect_stderr("in one cluster and")?.expect_stderr("--context NAME")?;
    clusters.has_weights(&lowered, "50")?;
    // One after the other it goes.
    let undo = format!("undo svc/web --context {NEW} --yes --wait");
    clusters.run(&undo)?.expect_code(0)?;
    clusters.run(&undo)?.expect_code(0)?;
    all_is_as_before(&clusters)
}

fn gone(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let running = clusters.begins_stuck(&shift("40%", ""))?;
    clusters.new.ask("delete service web --wait=false")?;
    clusters.frees_new()?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("the Service is gone")?;
    rolled_back(&told.json()?)?;
    ensure!(clusters.old.writes()? == 0, "the giving side keeps what it has");
    clusters.holds("i-bp1o", 40)
}

fn no_room(context: &TestContext<'_>) -> anyhow::Result<()> {
    let clusters = context.clusters(&[])?;
    let line = shift("40%", "").replace("--timeout 60s", "--timeout 8s");
    let running = clusters.begins_stuck(&line)?;
    let service = clusters.new.service()?;
    let annotations = service["metadata"]["annotations"].as_object().context("none")?;
    let length = |(key, value): (&String, &Value)| {
        key.len() + value.as_str().map(str::len).unwrap_or_default()
    };
    let key = "example.com/notes";
    let used: usize = annotations.iter().map(length).sum::<usize>() + key.len();
    // Less than an entry of the record needs.
    let notes = "n".repeat(ANNOTATIONS - used - 20);
    let patch = json!({"metadata": {"annotations": {key: notes}}}).to_string();
    let patch = clusters.new.file("notes.json", &patch)?;
    clusters
        .new
        .ask(&format!("patch service web --type=merge --patch-file {}", patch.display()))?;
    let told = running.wait()?.expect_code(5)?.expect_stderr("have no room for the record")?;
    rolled_back(&told.json()?)?;
    ensure!(clusters.new.annotation("weight")? == "20" && clusters.old.writes()? == 0);
    let remove = json!({"metadata": {"annotations": {key: null}}});
    clusters.new.ask(&format!("patch service web --type=merge -p {remove}"))?;
    clusters.frees_new()?;
    all_is_as_before(&clusters)
}
