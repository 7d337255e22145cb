//! One authority for all replicas.

use anyhow::{Result, ensure};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::{Hook, tls::GENERATION};
use serde_json::json;

use crate::{
    program::{DEADLINE, Program},
    scene::{Scene, Test, annotated},
};

pub const TESTS: &[Test] = &[
    ("two programs share one authority, with a certificate each", two),
    ("programs that start at once agree on one authority", race),
    ("a deleted Secret comes back with the same authority", deleted),
    ("a Secret that somebody has broken is mended from memory", broken),
    ("a Secret of no use gives way to an authority that counts as newer", useless),
    ("an authority that was made anew counts on from what is published", counts_on),
    ("nothing secret is in the log", log),
];

fn two(scene: &Scene<'_>) -> Result<()> {
    let one = scene.ready(&[])?;
    let bundle = scene.bundle()?;
    let two = scene.ready(&[])?;
    ensure!(scene.bundle()? == bundle);
    for program in [&one, &two] {
        ensure!(program.get("/healthz", &bundle, &scene.server_name())?.0 == 200);
        let ends = program.metric(
            "certificate_expiry_timestamp_seconds",
            &bundle,
            &scene.server_name(),
        )?;
        ensure!(ends > 1.7e9, "{ends}");
    }
    let shown = |program: &Program| {
        let stream = crate::program::connect(program.address, &bundle, &scene.server_name())?;
        let certificates = stream.conn.peer_certificates().unwrap_or_default();
        anyhow::Ok(certificates.iter().map(|it| it.to_vec()).collect::<Vec<_>>())
    };
    ensure!(shown(&one)? != shown(&two)?);
    ensure!(scene.writes()? == ["create secrets/clbmigrate-webhook-ca"], "{:?}", scene.writes()?);
    Ok(())
}

fn race(scene: &Scene<'_>) -> Result<()> {
    let programs = (0..4).map(|_| scene.program(&[])).collect::<Result<Vec<_>>>()?;
    for program in &programs {
        scene.until_ready(program)?;
    }
    ensure!(scene.generation()? == 1);
    // Only one of four creations can succeed, and nobody writes over it.
    ensure!(scene.writes()?.len() == 1, "{:?}", scene.writes()?);
    Ok(())
}

fn deleted(scene: &Scene<'_>) -> Result<()> {
    let _program = scene.ready(&[])?;
    let bundle = scene.bundle()?;
    scene.delete_secret()?;
    let again = try_wait_for("the Secret to come back", DEADLINE, || Ok(scene.bundle().ok()))?;
    ensure!(again == bundle);
    Ok(())
}

fn broken(scene: &Scene<'_>) -> Result<()> {
    let _program = scene.ready(&[])?;
    let key = scene.secret("signer.key")?;
    scene.put_secret(&[("signer.key", "no key")])?;
    try_wait_for("the Secret to be mended", DEADLINE, || {
        Ok(scene.secret("signer.key").is_ok_and(|mended| mended == key).then_some(()))
    })
}

fn useless(scene: &Scene<'_>) -> Result<()> {
    scene.put_secret(&[("generation", "5"), ("ca.crt", "no certificate")])?;
    let _program = scene.ready(&[])?;
    ensure!(scene.generation()? == 6);
    Ok(())
}

fn counts_on(scene: &Scene<'_>) -> Result<()> {
    // As after the deletion of the namespace: configurations remember what the Secret does not.
    let hook = Hook::ValidateServices;
    scene.configure(hook, &json!({"metadata": {"annotations": {GENERATION: "100"}}}))?;
    let _program = scene.ready(&[])?;
    try_wait_for("the authority to count on", DEADLINE, || {
        Ok((scene.generation()? == 101).then_some(()))
    })?;
    scene.published(hook)?;
    ensure!(annotated(&scene.configuration(hook)?) == "101");
    Ok(())
}

fn log(scene: &Scene<'_>) -> Result<()> {
    let program = scene.ready(&["--log-level", "trace"])?;
    scene.configure(Hook::ValidateServices, &json!({}))?;
    scene.published(Hook::ValidateServices)?;
    let told = program.told();
    let key = scene.secret("signer.key")?;
    for line in key.lines().filter(|line| !line.is_empty() && !line.starts_with("-----")) {
        ensure!(!told.contains(line), "the log has the key");
    }
    Ok(())
}
