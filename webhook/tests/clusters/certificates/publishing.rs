//! The bundle in the webhook configurations.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_webhook::{Hook, tls::GENERATION};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};

use crate::{
    program::DEADLINE,
    scene::{Scene, Test, annotated, carried},
};

pub const TESTS: &[Test] = &[
    (
        "a configuration that is there is written, one that comes later, too, others are not made",
        comes,
    ),
    ("a bundle that is wiped or replaced comes back", wiped),
    ("an upgrade to the other hooks is followed", other_hooks),
    ("a configuration of another Service, or cert-manager's, is left alone", not_ours),
    ("the bundle has a manager of its own, and the rest keeps its managers", managers),
    ("two programs agree and do not write against each other", agree),
    ("a file's bundle is published, and an older one never replaces a newer", files),
    ("the API server calls the webhook by what was published", called),
];

const HOOK: Hook = Hook::ValidateServices;

fn comes(scene: &Scene<'_>) -> Result<()> {
    scene.configure(HOOK, &json!({}))?;
    let _program = scene.ready(&[])?;
    scene.published(HOOK)?;
    scene.configure(Hook::MutatePods, &json!({}))?;
    scene.published(Hook::MutatePods)?;
    for hook in [Hook::ValidateWorkloads, Hook::MutateWorkloads] {
        ensure!(scene.configuration(hook)?.is_null(), "{hook:?} was made");
    }
    scene.writes().map(drop)
}

fn wiped(scene: &Scene<'_>) -> Result<()> {
    scene.configure(HOOK, &json!({}))?;
    let _program = scene.ready(&[])?;
    scene.published(HOOK)?;
    let wipe = r#"[{"op": "remove", "path": "/webhooks/0/clientConfig/caBundle"}]"#;
    let wrong =
        r#"[{"op": "replace", "path": "/webhooks/0/clientConfig/caBundle", "value": "eA=="}]"#;
    let kind = "validatingwebhookconfiguration";
    scene.cluster.run_kubectl(&["patch", kind, HOOK.configuration(), "--type=json", "-p", wipe])?;
    scene.published(HOOK)?;
    scene.cluster.run_kubectl(&[
        "patch",
        kind,
        HOOK.configuration(),
        "--type=json",
        "-p",
        wrong,
    ])?;
    scene.published(HOOK)?;
    scene.replace(HOOK)?;
    scene.published(HOOK)?;
    scene.cluster.run_kubectl(&["delete", kind, HOOK.configuration()])?;
    scene.configure(HOOK, &json!({}))?;
    scene.published(HOOK)
}

fn other_hooks(scene: &Scene<'_>) -> Result<()> {
    scene.configure(HOOK, &json!({}))?;
    let _program = scene.ready(&[])?;
    scene.published(HOOK)?;
    let manifest = |names: &[&str]| -> Result<Value> {
        let current = scene.configuration(HOOK)?;
        let mut hook = current["webhooks"][0].clone();
        hook["clientConfig"].as_object_mut().context("an object")?.remove("caBundle");
        let hooks = names.iter().map(|name| {
            hook["name"] = json!(name);
            hook.clone()
        });
        Ok(json!({"webhooks": hooks.collect::<Vec<_>>()}))
    };
    scene.configure(HOOK, &manifest(&["first.clbmigrate.io", "second.clbmigrate.io"])?)?;
    try_wait_for("both hooks to carry the bundle", DEADLINE, || {
        let current = scene.configuration(HOOK)?;
        let hooks = current["webhooks"].as_array().cloned().unwrap_or_default();
        let carry = hooks.iter().filter(|hook| hook["clientConfig"]["caBundle"].is_string());
        Ok((hooks.len() == 2 && carry.count() == 2).then_some(()))
    })?;
    scene.configure(HOOK, &manifest(&["third.clbmigrate.io"])?)?;
    scene.published(HOOK)?;
    ensure!(scene.configuration(HOOK)?["webhooks"].as_array().map(Vec::len) == Some(1));
    Ok(())
}

fn not_ours(scene: &Scene<'_>) -> Result<()> {
    let elsewhere = json!({"namespace": "elsewhere", "name": "webhook"});
    let mut manifest = json!({"webhooks": [{
        "name": "other.clbmigrate.io", "clientConfig": {"service": elsewhere},
        "sideEffects": "None", "admissionReviewVersions": ["v1"], "failurePolicy": "Ignore",
    }]});
    scene.configure(Hook::ValidateWorkloads, &manifest)?;
    manifest = json!({"metadata": {"annotations": {"cert-manager.io/inject-ca-from": "a/b"}}});
    scene.configure(Hook::MutateWorkloads, &manifest)?;
    scene.configure(Hook::MutatePods, &json!({}))?;
    scene.configure(HOOK, &json!({}))?;
    let _program = scene.ready(&[])?;
    for hook in [HOOK, Hook::MutatePods] {
        scene.published(hook)?;
        // What is written once all are watched would be written to the others as well.
        scene.replace(hook)?;
        scene.published(hook)?;
    }
    for hook in [Hook::ValidateWorkloads, Hook::MutateWorkloads] {
        let left = scene.configuration(hook)?;
        ensure!(carried(&left).is_empty() && annotated(&left).is_empty(), "{left}");
    }
    Ok(())
}

fn managers(scene: &Scene<'_>) -> Result<()> {
    scene.configure(HOOK, &json!({}))?;
    let _program = scene.ready(&[])?;
    scene.published(HOOK)?;
    let configuration = scene.configuration(HOOK)?;
    let fields = configuration["metadata"]["managedFields"].as_array().context("no managers")?;
    let owners = |key: &str| -> Vec<&str> {
        let owns = fields.iter().filter(|entry| entry["fieldsV1"].to_string().contains(key));
        owns.filter_map(|entry| entry["manager"].as_str()).collect()
    };
    ensure!(owners("f:caBundle") == ["clbmigrate-webhook"], "{fields:?}");
    ensure!(owners("f:failurePolicy") == ["kubectl-client-side-apply"], "{fields:?}");
    Ok(())
}

fn agree(scene: &Scene<'_>) -> Result<()> {
    scene.configure(HOOK, &json!({}))?;
    let _programs = [scene.ready(&[])?, scene.ready(&[])?];
    scene.published(HOOK)?;
    for _ in 0..3 {
        scene.replace(HOOK)?;
        scene.published(HOOK)?;
    }
    // One write for each time that it was needed: the first and three repairs.
    let writes = scene.writes()?;
    let patches = writes.iter().filter(|write| write.starts_with("patch ")).count();
    ensure!(patches == 4, "{writes:?}");
    Ok(())
}

fn files(scene: &Scene<'_>) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![])?;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = params.self_signed(&key)?.pem();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate()?;
    let leaf = CertificateParams::new(vec![scene.server_name()])?.signed_by(&leaf_key, &issuer)?;
    for (name, text) in
        [("tls.crt", leaf.pem()), ("tls.key", leaf_key.serialize_pem()), ("ca.crt", root.clone())]
    {
        fs::write(folder.path().join(name), text)?;
    }
    scene.configure(HOOK, &json!({}))?;
    let newer = u64::MAX.to_string();
    scene
        .configure(Hook::MutatePods, &json!({"metadata": {"annotations": {GENERATION: newer}}}))?;
    let folder = folder.path().to_str().context("a path")?;
    let program = scene.program(&["--tls-cert-dir", folder])?;
    // Twice: by the second time all configurations have been looked at.
    for _ in 0..2 {
        try_wait_for("the file's bundle to be published", DEADLINE, || {
            Ok((!carried(&scene.configuration(HOOK)?).is_empty()).then_some(()))
        })?;
        scene.replace(HOOK)?;
    }
    try_wait_for("the program to be ready", DEADLINE, || {
        let answer = program.get("/readyz", &root, &scene.server_name());
        Ok(answer.is_ok_and(|(status, _)| status == 200).then_some(()))
    })?;
    let left = scene.configuration(Hook::MutatePods)?;
    ensure!(carried(&left).is_empty() && annotated(&left) == newer, "{left}");
    ensure!(scene.bundle().is_err(), "a Secret was made that nobody needs");
    Ok(())
}

fn called(scene: &Scene<'_>) -> Result<()> {
    let program = scene.ready(&["--tls-name", "127.0.0.1"])?;
    let url = format!("https://{}{}", program.address, HOOK.path());
    scene.configure(HOOK, &json!({}))?;
    let client = json!([{"op": "replace", "path": "/webhooks/0/clientConfig", "value": {"url": url}}, {"op": "replace", "path": "/webhooks/0/failurePolicy", "value": "Fail"}]);
    let kind = "validatingwebhookconfiguration";
    let arguments = ["patch", kind, HOOK.configuration(), "--type=json", "-p", &client.to_string()];
    scene.cluster.run_kubectl(&arguments)?;
    scene.published(HOOK)?;
    // API servers learn of a configuration a moment after it was stored.
    try_wait_for("a Service to be judged", DEADLINE, || {
        let namespace = scene.namespace.as_str();
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
        let told = scene.cluster.run_kubectl(&create);
        let line = r#"latency_seconds_count{hook="validate-services"}"#;
        let seen = program.metric(line, &scene.bundle()?, &scene.server_name())?;
        Ok((told.is_ok() && seen > 0.0).then_some(()))
    })
}
