//! One authority for all replicas.

use std::{collections::BTreeSet, fs, time::Duration};

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use clbmigrate_testbed::{faked_clock, try_wait_for};
use clbmigrate_webhook::{Webhook, config::LAST_GOOD_NAME, tls::GENERATION_ANNOTATION};
use serde_json::json;

use super::{Installation, Test, ca_bundle_of, generation_of};
use crate::{
    process::{WebhookProcess, connect},
    test_namespace::DEADLINE,
};

pub const TESTS: &[Test] = &[
    ("two programs share one authority, with a certificate each", two),
    ("programs that start at once agree on one authority", race),
    ("a deleted Secret comes back with the same authority", deleted),
    ("a Secret that somebody has broken is mended from memory", broken),
    ("a Secret of no use gives way to an authority that counts as newer", useless),
    ("an authority that was made anew counts on from what is published", counts_on),
    ("authorities that live for a minute follow each other, and each call is trusted", rotated),
    ("a wrong clock makes and replaces no authority", wrong_clock),
    (
        "a program that starts beside a broken configuration goes on with the last good one",
        last_good,
    ),
    ("nothing secret is in the log", log),
];

fn two(installation: &Installation<'_>) -> Result<()> {
    let one = installation.start_ready(&[])?;
    let bundle = installation.bundle()?;
    let two = installation.start_ready(&[])?;
    ensure!(installation.bundle()? == bundle);
    for process in [&one, &two] {
        ensure!(process.get("/healthz", &bundle, &installation.server_name())?.0 == 200);
        let ends = process.metric("certificate_expiry_timestamp_seconds")?;
        ensure!(ends > 1.7e9, "{ends}");
    }
    let shown = |process: &WebhookProcess| {
        let stream = connect(process.address, &bundle, &installation.server_name())?;
        let certificates = stream.conn.peer_certificates().unwrap_or_default();
        anyhow::Ok(certificates.iter().map(|it| it.to_vec()).collect::<Vec<_>>())
    };
    ensure!(shown(&one)? != shown(&two)?);
    ensure!(
        installation.writes()? == ["create secrets/clbmigrate-webhook-ca"],
        "{:?}",
        installation.writes()?
    );
    Ok(())
}

fn race(installation: &Installation<'_>) -> Result<()> {
    let processes = (0..4).map(|_| installation.start(&[])).collect::<Result<Vec<_>>>()?;
    for process in &processes {
        installation.wait_until_ready(process)?;
    }
    ensure!(installation.generation()? == 1);
    // Only one of four creations can succeed, and nobody writes over it.
    ensure!(installation.writes()?.len() == 1, "{:?}", installation.writes()?);
    Ok(())
}

fn deleted(installation: &Installation<'_>) -> Result<()> {
    let _process = installation.start_ready(&[])?;
    let bundle = installation.bundle()?;
    installation.delete_secret()?;
    let again =
        try_wait_for("the Secret to come back", DEADLINE, || Ok(installation.bundle().ok()))?;
    ensure!(again == bundle);
    Ok(())
}

fn broken(installation: &Installation<'_>) -> Result<()> {
    let _process = installation.start_ready(&[])?;
    let key = installation.secret("signer.key")?;
    installation.put_secret(&[("signer.key", "no key")])?;
    try_wait_for("the Secret to be mended", DEADLINE, || {
        Ok(installation.secret("signer.key").is_ok_and(|mended| mended == key).then_some(()))
    })
}

fn useless(installation: &Installation<'_>) -> Result<()> {
    installation.put_secret(&[("generation", "5"), ("ca.crt", "no certificate")])?;
    let _process = installation.start_ready(&[])?;
    ensure!(installation.generation()? == 6);
    Ok(())
}

fn counts_on(installation: &Installation<'_>) -> Result<()> {
    // As after the deletion of the namespace: configurations remember what the Secret does not.
    let webhook = Webhook::ValidateServices;
    installation.configure(
        webhook,
        &json!({"metadata": {"annotations": {GENERATION_ANNOTATION: "100"}}}),
    )?;
    let _process = installation.start_ready(&[])?;
    try_wait_for("the authority to count on", DEADLINE, || {
        Ok((installation.generation()? == 101).then_some(()))
    })?;
    installation.wait_until_published(webhook)?;
    ensure!(generation_of(&installation.configuration(webhook)?) == "101");
    Ok(())
}

fn log(installation: &Installation<'_>) -> Result<()> {
    let process = installation.start_ready(&["--log-level", "trace"])?;
    installation.configure(Webhook::ValidateServices, &json!({}))?;
    installation.wait_until_published(Webhook::ValidateServices)?;
    let log = process.log();
    let key = installation.secret("signer.key")?;
    for line in key.lines().filter(|line| !line.is_empty() && !line.starts_with("-----")) {
        ensure!(!log.contains(line), "the log has the key");
    }
    Ok(())
}

/// How long so many authorities may take to follow each other.
const ROTATIONS: Duration = Duration::from_secs(240);

fn rotated(installation: &Installation<'_>) -> Result<()> {
    let webhook = Webhook::ValidateServices;
    let lives = ["--ca-lifetime", "60s", "--leaf-lifetime", "20s"];
    installation.configure(webhook, &json!({}))?;
    let processes = [installation.start_ready(&lives)?, installation.start_ready(&lives)?];
    installation.wait_until_published(webhook)?;
    let mut bundles = BTreeSet::new();
    let mut calls = 0;
    try_wait_for("authorities to follow each other", ROTATIONS, || {
        // As an API server does: by what the configuration carries.
        let encoded = ca_bundle_of(&installation.configuration(webhook)?).to_owned();
        let bundle = String::from_utf8(STANDARD.decode(&encoded)?)?;
        for process in &processes {
            let answer = process.get("/healthz", &bundle, &installation.server_name());
            ensure!(answer.context("a call that is not trusted")?.0 == 200);
            ensure!(process.probe("/readyz")?.0 == 200, "{}", process.log());
            calls += 1;
        }
        bundles.insert(encoded);
        // The first, the first and the second, the second, the second and the third.
        Ok((bundles.len() >= 4).then_some(()))
    })?;
    println!("{} bundles followed each other, {calls} calls, none failed", bundles.len());
    Ok(())
}

fn wrong_clock(installation: &Installation<'_>) -> Result<()> {
    let webhook = Webhook::ValidateServices;
    installation.configure(webhook, &json!({}))?;
    let start = |offset: &str| -> Result<WebhookProcess> {
        let mut command = installation.command(&[])?;
        faked_clock(&mut command, offset)?;
        WebhookProcess::start(command)
    };
    // It comes first, so it makes the authority.
    let ahead = start("+4h")?;
    installation.wait_until_ready(&ahead)?;
    let bundle = installation.bundle()?;
    let behind = ahead.metric("clock_behind_api_server_seconds")?;
    ensure!((-14_410.0..-14_390.0).contains(&behind), "{behind}");
    let right = installation.start_ready(&[])?;
    // An authority lives for ten years.
    let far_ahead = start("+4000d")?;
    // The API server's own certificate has expired for it.
    far_ahead.wait_for_log("no authority yet")?;
    ensure!(far_ahead.probe("/readyz")?.0 == 503);
    ensure!(installation.bundle()? == bundle, "the authority was replaced");
    for process in [&ahead, &right] {
        ensure!(process.get("/healthz", &bundle, &installation.server_name())?.0 == 200);
    }
    Ok(())
}

fn last_good(installation: &Installation<'_>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("config.yaml");
    let path = file.to_str().context("a path")?;
    fs::write(&file, "preStopSeconds: nonsense")?;
    let told = installation.start(&["--config", path]).err().context("it runs")?.to_string();
    ensure!(told.contains("config.yaml:1"), "{told}");

    fs::write(&file, "preStopSeconds: 40")?;
    let process = installation.start_ready(&["--config", path])?;
    ensure!(process.metric("config_last_good")? < 0.5);
    try_wait_for("the configuration to be kept", DEADLINE, || {
        let kept = installation.config_map(LAST_GOOD_NAME)?;
        Ok((kept["data"]["config.yaml"] == "preStopSeconds: 40").then_some(()))
    })?;
    drop(process);
    fs::write(&file, "preStopSeconds: nonsense")?;
    let process = installation.start_ready(&["--config", path])?;
    ensure!(process.metric("config_last_good")? > 0.5);
    fs::write(&file, "preStopSeconds: 50")?;
    try_wait_for("the file to count again", DEADLINE, || {
        Ok((process.metric("config_last_good")? < 0.5).then_some(()))
    })
}
