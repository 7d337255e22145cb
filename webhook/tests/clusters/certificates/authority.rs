//! One authority for all replicas.

use anyhow::{Result, ensure};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::{Webhook, tls::GENERATION_ANNOTATION};
use serde_json::json;

use super::{Installation, Test, generation_of};
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
