//! The bundle in the webhook configurations.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::{Webhook, tls::GENERATION_ANNOTATION};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use super::{Installation, Test, ca_bundle_of, generation_of};
use crate::test_namespace::DEADLINE;

pub const TESTS: &[Test] = &[
    (
        "a configuration that is there is written, one that comes later, too, others are not made",
        comes,
    ),
    ("a bundle that is wiped or replaced comes back", wiped),
    ("an upgrade to the other hooks is followed", other_webhooks),
    ("a configuration of another Service, or cert-manager's, is left alone", not_ours),
    ("the bundle has a manager of its own, and the rest keeps its managers", managers),
    ("two programs agree and do not write against each other", agree),
    ("a file's bundle is published, and an older one never replaces a newer", files),
    ("the API server calls the webhook by what was published", called),
];

const WEBHOOK: Webhook = Webhook::ValidateServices;

fn comes(installation: &Installation<'_>) -> Result<()> {
    installation.configure(WEBHOOK, &json!({}))?;
    let _process = installation.start_ready(&[])?;
    installation.wait_until_published(WEBHOOK)?;
    installation.configure(Webhook::MutatePods, &json!({}))?;
    installation.wait_until_published(Webhook::MutatePods)?;
    for webhook in [Webhook::ValidateWorkloads, Webhook::MutateWorkloads] {
        ensure!(installation.configuration(webhook)?.is_null(), "{webhook:?} was made");
    }
    installation.writes().map(drop)
}

fn wiped(installation: &Installation<'_>) -> Result<()> {
    installation.configure(WEBHOOK, &json!({}))?;
    let _process = installation.start_ready(&[])?;
    installation.wait_until_published(WEBHOOK)?;
    let wipe = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    let wrong =
        r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": "eA=="}]"#;
    let kind = "validatingwebhookconfiguration";
    installation.namespace.cluster.run_kubectl(&[
        "patch",
        kind,
        WEBHOOK.configuration(),
        "--type=json",
        "-p",
        wipe,
    ])?;
    installation.wait_until_published(WEBHOOK)?;
    installation.namespace.cluster.run_kubectl(&[
        "patch",
        kind,
        WEBHOOK.configuration(),
        "--type=json",
        "-p",
        wrong,
    ])?;
    installation.wait_until_published(WEBHOOK)?;
    installation.replace(WEBHOOK)?;
    installation.wait_until_published(WEBHOOK)?;
    installation.namespace.cluster.run_kubectl(&["delete", kind, WEBHOOK.configuration()])?;
    installation.configure(WEBHOOK, &json!({}))?;
    installation.wait_until_published(WEBHOOK)
}

fn other_webhooks(installation: &Installation<'_>) -> Result<()> {
    installation.configure(WEBHOOK, &json!({}))?;
    let _process = installation.start_ready(&[])?;
    installation.wait_until_published(WEBHOOK)?;
    let manifest = |names: &[&str]| -> Result<Value> {
        let current = installation.configuration(WEBHOOK)?;
        let mut webhook = current["webhooks"][0].clone();
        webhook["clientConfig"].as_object_mut().context("an object")?.remove("caBundle");
        let webhooks = names.iter().map(|name| {
            webhook["name"] = json!(name);
            webhook.clone()
        });
        Ok(json!({"webhooks": webhooks.collect::<Vec<_>>()}))
    };
    installation
        .configure(WEBHOOK, &manifest(&["first.clbmigrate.io", "second.clbmigrate.io"])?)?;
    try_wait_for("both webhooks to carry the bundle", DEADLINE, || {
        let current = installation.configuration(WEBHOOK)?;
        let webhooks = current["webhooks"].as_array().cloned().unwrap_or_default();
        let carry =
            webhooks.iter().filter(|webhook| webhook["clientConfig"]["caBundle"].is_string());
        Ok((webhooks.len() == 2 && carry.count() == 2).then_some(()))
    })?;
    installation.configure(WEBHOOK, &manifest(&["third.clbmigrate.io"])?)?;
    installation.wait_until_published(WEBHOOK)?;
    ensure!(installation.configuration(WEBHOOK)?["webhooks"].as_array().map(Vec::len) == Some(1));
    Ok(())
}

fn not_ours(installation: &Installation<'_>) -> Result<()> {
    let elsewhere = json!({"namespace": "elsewhere", "name": "webhook"});
    let mut manifest = json!({"webhooks": [{
        "name": "other.clbmigrate.io", "clientConfig": {"service": elsewhere},
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
    }]});
    installation.configure(Webhook::ValidateWorkloads, &manifest)?;
    manifest = json!({"metadata": {"annotations": {"cert-manager.io/inject-ca-from": "a/b"}}});
    installation.configure(Webhook::MutateWorkloads, &manifest)?;
    installation.configure(Webhook::MutatePods, &json!({}))?;
    installation.configure(WEBHOOK, &json!({}))?;
    let process = installation.start(&[])?;
    for webhook in [WEBHOOK, Webhook::MutatePods] {
        installation.wait_until_published(webhook)?;
        // What is written once all are watched would be written to the others as well.
        installation.replace(webhook)?;
        installation.wait_until_published(webhook)?;
    }
    for webhook in [Webhook::ValidateWorkloads, Webhook::MutateWorkloads] {
        let left = installation.configuration(webhook)?;
        ensure!(ca_bundle_of(&left).is_empty() && generation_of(&left).is_empty(), "{left}");
    }
    // Nobody could call it by what cert-manager has not written yet.
    let unready =
        format!("publication: {}: no caBundle yet", Webhook::MutateWorkloads.configuration());
    try_wait_for("the publication alone to be awaited", DEADLINE, || {
        Ok((process.probe("/readyz")?.1.trim() == format!("not ready\n{unready}")).then_some(()))
    })
}

fn managers(installation: &Installation<'_>) -> Result<()> {
    installation.configure(WEBHOOK, &json!({}))?;
    let _process = installation.start_ready(&[])?;
    installation.wait_until_published(WEBHOOK)?;
    let configuration = installation.configuration(WEBHOOK)?;
    let fields = configuration["metadata"]["managedFields"].as_array().context("no managers")?;
    let owners = |key: &str| -> Vec<&str> {
        let owns = fields.iter().filter(|entry| entry["fieldsV1"].to_string().contains(key));
        owns.filter_map(|entry| entry["manager"].as_str()).collect()
    };
    ensure!(owners("f:caBundle") == ["clbmigrate-webhook"], "{fields:?}");
    ensure!(owners("f:failurePolicy") == ["kubectl-client-side-apply"], "{fields:?}");
    Ok(())
}

fn agree(installation: &Installation<'_>) -> Result<()> {
    installation.configure(WEBHOOK, &json!({}))?;
    let _processes = [installation.start_ready(&[])?, installation.start_ready(&[])?];
    installation.wait_until_published(WEBHOOK)?;
    for _ in 0..3 {
        installation.replace(WEBHOOK)?;
        installation.wait_until_published(WEBHOOK)?;
    }
    // One write for each time that it was needed: the first and three repairs.
    let writes = installation.writes()?;
    let patches = writes.iter().filter(|write| write.starts_with("patch ")).count();
    ensure!(patches == 4, "{writes:?}");
    Ok(())
}

fn files(installation: &Installation<'_>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate()?;
    let leaf =
        CertificateParams::new(vec![installation.server_name()])?.signed_by(&leaf_key, &issuer)?;
    for (name, text) in
        [("tls.crt", leaf.pem()), ("tls.key", leaf_key.serialize_pem()), ("ca.crt", root.clone())]
    {
        fs::write(folder.path().join(name), text)?;
    }
    installation.configure(WEBHOOK, &json!({}))?;
    let newer = u64::MAX.to_string();
    installation.configure(
        Webhook::MutatePods,
        &json!({"metadata": {"annotations": {GENERATION_ANNOTATION: newer}}}),
    )?;
    let folder = folder.path().to_str().context("a path")?;
    let process = installation.start(&["--tls-cert-dir", folder])?;
    // Twice: by the second time all configurations have been looked at.
    for _ in 0..2 {
        try_wait_for("the file's bundle to be published", DEADLINE, || {
            Ok((!ca_bundle_of(&installation.configuration(WEBHOOK)?).is_empty()).then_some(()))
        })?;
        installation.replace(WEBHOOK)?;
    }
    let unready = format!("publication: {}: no caBundle yet", Webhook::MutatePods.configuration());
    try_wait_for("the publication alone to be awaited", DEADLINE, || {
        let answer = process.get("/healthz", &root, &installation.server_name());
        let is_trusted = answer.is_ok_and(|(status, _)| status == 200);
        let is_awaited = process.probe("/readyz")?.1.trim() == format!("not ready\n{unready}");
        Ok((is_trusted && is_awaited).then_some(()))
    })?;
    let left = installation.configuration(Webhook::MutatePods)?;
    ensure!(ca_bundle_of(&left).is_empty() && generation_of(&left) == newer, "{left}");
    ensure!(installation.bundle().is_err(), "a Secret was made that nobody needs");
    Ok(())
}

fn called(installation: &Installation<'_>) -> Result<()> {
    let process = installation.start_ready(&["--tls-name", "127.0.0.1"])?;
    let url = format!("https://{}{}", process.address, WEBHOOK.path());
    installation.configure(WEBHOOK, &json!({}))?;
    let client = json!([{"op": "replace", "path": "/webhooks/0/clientConfig", "value": {"url": url}}, {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]);
    let kind = "validatingwebhookconfiguration";
    let arguments =
        ["patch", kind, WEBHOOK.configuration(), "--type=json", "-p", &client.to_string()];
    installation.namespace.cluster.run_kubectl(&arguments)?;
    installation.wait_until_published(WEBHOOK)?;
    // API servers learn of a configuration a moment after it was stored.
    try_wait_for("a Service to be judged", DEADLINE, || {
        let namespace = installation.namespace.name.as_str();
        let create = [
            "-n",
            namespace,
            "create",
            "service",
            "loadbalancer",
            "web",
            "--tcp=80",
            "--dry-run=server",
        ];
        let created = installation.namespace.cluster.run_kubectl(&create);
        let line = r#"latency_seconds_count{hook="validate-services"}"#;
        let seen = process.metric(line)?;
        Ok((created.is_ok() && seen > 0.0).then_some(()))
    })
}
