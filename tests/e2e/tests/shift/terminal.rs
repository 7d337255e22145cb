//! On a terminal.

use anyhow::ensure;
use clbmigrate_e2e::Terminal;

use crate::{
    Case,
    scene::{NEW, OLD, Scene, Stage},
};

pub const CASES: &[Case] = &[
    ("it asks with all sides in sight, and takes only a clear yes", "asked", asked),
    ("status -w follows both clusters and the machines", "followed", followed),
];

fn terminal(scene: &Scene<'_>, line: &str, (rows, cols): (u16, u16)) -> anyhow::Result<Terminal> {
    let user = scene.new.with_kubeconfig(&scene.kubeconfig);
    let line = format!("clbmigrate {line} -n {} {}", scene.new.namespace, scene.clb.flag()?);
    Terminal::start_with(&user, &scene.clb.environment(), &line, rows, cols)
}

fn asked(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene_of(0, 20, &[("i-bp1m1", 80)])?;
    let line = format!("shift svc/web --from external --to {NEW} 40%");
    let mut refused = terminal(&scene, &line, (60, 110))?;
    refused.wait_for("Write it? [y/N]")?;
    let screen = refused.screen();
    // What, where, as whom, and what it comes to.
    for words in [
        "40 % of asked/web to new",
        "weight 20 -> 40",
        "i-bp1m1:8080 80 -> ",
        "new: cluster",
        "account",
        "region cn-bed",
        "39.4 %",
    ] {
        ensure!(screen.contains(words), "no {words:?}:\n{screen}");
    }
    refused.types("\r")?;
    ensure!(refused.ends()? == 5);
    scene.has_weights("0", "20")?;
    scene.holds("i-bp1m1", 80)?;

    let mut accepted = terminal(&scene, &line, (24, 60))?;
    accepted.wait_for("Write it? [y/N]")?;
    accepted.types("y\r")?;
    ensure!(accepted.ends()? == 0, "{}", accepted.screen());
    ensure!(accepted.screen().contains("seen at the CLB"), "{}", accepted.screen());
    scene.has_share(NEW, 0.4)
}

fn followed(stage: &Stage<'_>) -> anyhow::Result<()> {
    let scene = stage.scene(&[("i-bp1m1", 50)])?;
    let mut watched = terminal(&scene, &format!("status -w --contexts {OLD},{NEW}"), (30, 110))?;
    watched.wait_for("i-bp1m1")?;
    // 80, 18 and 50 of 148.
    watched.wait_for("12.2 %")?;
    scene.shifts("30%", "")?.ends_with(0)?;
    watched.wait_for("29.8 %")?;
    let screen = watched.screen();
    ensure!(screen.matches("i-bp1m1").count() == 1, "not in place:\n{screen}");
    watched.types("\u{3}")?;
    ensure!(watched.ends()? == 0);
    Ok(())
}
