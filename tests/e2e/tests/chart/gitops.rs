//! What Argo CD and Flux do with the chart, and the YAML of the page on adoption.

use std::fs;

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Helm, IMAGE, NAMESPACE};
use clbmigrate_testbed::programs::workspace;
use serde_json::{Value, json};

use crate::{
    ClusterCase, FileCase, TestCluster,
    files::objects,
    release::{HOOKS, publish},
};

pub const FILE_CASES: &[FileCase] = &[
    ("the values of the page on adoption are taken, in the order of their files", values),
    ("in a softer mode nothing fails because the webhook is down", failure_policy),
];

pub const CASES: &[ClusterCase] =
    &[("what Argo CD applies again differs in what the page tells it to ignore alone", applied)];

/// The YAML blocks of the page on adoption, in their order.
fn blocks() -> anyhow::Result<Vec<Value>> {
    let page = fs::read_to_string(workspace()?.join("docs/adoption.md"))?;
    let blocks = page.split("```yaml\n").skip(1);
    let texts = blocks.map(|rest| rest.split("```").next().unwrap_or_default());
    texts.map(|text| serde_saphyr::from_str(text).context(text.to_owned())).collect()
}

fn values(helm: &Helm) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let all = blocks()?;
    // A namespace's mode, what clusters share, what one has for itself.
    let [namespace, common, own] = &all[..3] else { anyhow::bail!("{} blocks", all.len()) };
    let mut arguments = format!("-n {NAMESPACE}");
    for (name, values) in [("namespace", namespace), ("common", common), ("own", own)] {
        let file = folder.path().join(format!("{name}.yaml"));
        fs::write(&file, values.to_string())?;
        arguments = format!("{arguments} -f {}", file.display());
    }
    let rendered = objects(&helm.template(&arguments)?.expect_code(0)?.stdout)?;
    let text = |kind: &str, pointer: &str| -> anyhow::Result<String> {
        let object = rendered
            .iter()
            .find(|it| it["kind"] == kind && it["metadata"]["name"] == "clbmigrate-webhook");
        let value = object.and_then(|it| it.pointer(pointer)).and_then(Value::as_str);
        value.map(str::to_owned).with_context(|| format!("{kind} {pointer}"))
    };
    let config = text("ConfigMap", "/data/config.yaml")?;
    for line in [r#"mode: "warn""#, r#"namespaceModes: {"legacy":"warn"}"#, "id: \"c0a0"] {
        ensure!(config.contains(line), "no {line} in\n{config}");
    }
    let image = text("Deployment", "/spec/template/spec/containers/0/image")?;
    ensure!(image.starts_with("registry.example.net/platform/"), "{image}");
    Ok(())
}

fn failure_policy(helm: &Helm) -> anyhow::Result<()> {
    for (set, expected) in [
        ("", "Fail"),
        ("--set mode=enforce", "Fail"),
        ("--set mode=warn", "Ignore"),
        ("--set mode=audit", "Ignore"),
        ("--set mode=audit,failurePolicy.services=Fail", "Fail"),
        ("--set failurePolicy.services=Ignore", "Ignore"),
    ] {
        let arguments = format!("-n {NAMESPACE} {IMAGE} {set}");
        let rendered = objects(&helm.template(&arguments)?.expect_code(0)?.stdout)?;
        let hook = rendered.iter().find(|it| it["metadata"]["name"] == HOOKS[0].1);
        let policy = hook.map(|hook| &hook["webhooks"][0]["failurePolicy"]);
        ensure!(policy == Some(&json!(expected)), "{set}: {policy:?}");
    }
    Ok(())
}

/// The paths that the page tells Argo CD to ignore, as `jq` has them.
fn ignored() -> anyhow::Result<Vec<String>> {
    let blocks = blocks()?;
    let set = blocks.iter().find(|block| block["kind"] == "ApplicationSet").context("no set")?;
    let all = set["spec"]["template"]["spec"]["ignoreDifferences"].as_array().context("none")?;
    let paths =
        all.iter().flat_map(|entry| entry["jqPathExpressions"].as_array().into_iter().flatten());
    Ok(paths.filter_map(Value::as_str).map(str::to_owned).collect())
}

/// An object without what the API server itself writes and what the page tells Argo CD to ignore.
fn compared(mut object: Value) -> Value {
    let meta = &mut object["metadata"];
    for key in ["managedFields", "resourceVersion", "uid", "creationTimestamp", "generation"] {
        meta[key] = Value::Null;
    }
    if let Some(annotations) = meta["annotations"].as_object_mut() {
        annotations.remove("clbmigrate.io/ca-generation");
        if annotations.is_empty() {
            meta["annotations"] = Value::Null;
        }
    }
    for webhook in object["webhooks"].as_array_mut().into_iter().flatten() {
        webhook["clientConfig"]["caBundle"] = Value::Null;
    }
    object
}

fn applied(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let ignored = ignored()?;
    for path in [
        ".webhooks[].clientConfig.caBundle",
        r#".metadata.annotations."clbmigrate.io/ca-generation""#,
    ] {
        ensure!(ignored.iter().any(|it| it == path), "{path} is not among {ignored:?}");
    }
    let rendered = cluster.helm.template(&format!("-n {NAMESPACE} {IMAGE}"))?.expect_code(0)?;
    // Argo CD runs what is a hook of helm by itself.
    let objects = objects(&rendered.stdout)?;
    let is_hook = |it: &&Value| it["metadata"]["annotations"].get("helm.sh/hook").is_some();
    let objects: Vec<Value> = objects.iter().filter(|it| !is_hook(it)).cloned().collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects}).to_string();
    let namespace =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    let apply = "apply --server-side --field-manager=argocd-controller";
    cluster.kubectl(apply, &namespace.to_string())?.expect_code(0)?;
    cluster.kubectl(apply, &list)?.expect_code(0)?;
    publish(cluster)?;
    let stored = || -> anyhow::Result<Vec<Value>> {
        HOOKS
            .iter()
            .map(|(kind, name)| {
                let get = format!("get {kind} {name} -o json");
                Ok(serde_json::from_str(&cluster.kubectl(&get, "")?.expect_code(0)?.stdout)?)
            })
            .collect()
    };
    let before = stored()?;
    // Nobody else owns a field, so nothing conflicts and nothing has to be forced.
    cluster.kubectl(apply, &list)?.expect_code(0)?;
    let after = stored()?;
    for (before, after) in before.into_iter().zip(&after) {
        let bundle = &after["webhooks"][0]["clientConfig"]["caBundle"];
        ensure!(bundle.is_string(), "applying again takes the bundle away");
        ensure!(compared(before) == compared(after.clone()), "{after}");
    }
    cluster.kubectl("delete --ignore-not-found --wait=false", &list)?.expect_code(0)?;
    Ok(())
}
