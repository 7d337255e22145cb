//! The examples, applied by kubectl: each mistake meets its fate, and what is good passes in silence.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::{NAMESPACE, Ran};
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use serde_json::{Value, json};

use crate::{
    BOTH, Case, NEW, OLD,
    Share::{Alone, Beside},
    fates::{Fate, Mistake, mistakes},
    manifests::{annotated, deployment, key, migrated, patch, with},
    stage::{DEADLINE, Place, Stage, refused, silent, warned},
};

pub const CASES: &[Case] = &[
    ("every mistake among the examples meets its fate", BOTH, Beside, every_mistake),
    ("the good examples pass in silence", BOTH, Beside, good),
    ("rules that no example fires alone fire, too", BOTH, Beside, other_rules),
    ("mistakes about nodes are warnings", BOTH, Alone, on_nodes),
];

/// What users apply; the rest of an example is what their cluster would show.
const APPLIED: [&str; 3] = ["Service", "Deployment", "EndpointSlice"];

/// A manifest of an example in a namespace, with a CLB, a group and a node port of its own, so that
/// examples do not meet each other: only the documents of these kinds.
fn rewritten(manifest: &str, namespace: &str, kinds: &[&str]) -> Result<String> {
    let own = namespace.replace('-', "");
    let mut documents = Vec::new();
    for document in manifest.split("\n---\n") {
        let parsed: Value = serde_saphyr::from_str(document)?;
        if !parsed["kind"].as_str().is_some_and(|kind| kinds.contains(&kind)) {
            continue;
        }
        let is_own_port = namespace.contains("clb414");
        let lines = document.lines().filter(|line| is_own_port || !line.contains("nodePort:"));
        let text = lines.collect::<Vec<_>>().join("\n");
        documents.push(
            text.replace("namespace: shop", &format!("namespace: {namespace}"))
                .replace("lb-bp1", &format!("lb-bp1{own}"))
                .replace("rsp-bp1", &format!("rsp-bp1{own}")),
        );
    }
    Ok(documents.join("\n---\n"))
}

fn read(folder: &Path, file: &str, namespace: &str) -> Result<String> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    rewritten(&text, namespace, &APPLIED).with_context(|| path.display().to_string())
}

fn every_mistake(stage: &Stage<'_>) -> Result<()> {
    let mistakes = mistakes()?;
    let here = |mistake: &&Mistake| !matches!(mistake.fate, Fate::OnNodes | Fate::OtherId);
    let mut wrong = Vec::new();
    let mut met = 0;
    for mistake in mistakes.iter().filter(here) {
        met += 1;
        if let Err(error) = meets_its_fate(stage, mistake) {
            wrong.push(format!("{}, {:?}: {error:#}", mistake.path, mistake.fate));
        }
    }
    ensure!(wrong.is_empty(), "{} of {met} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    let count = |fate: Fate| mistakes.iter().filter(|mistake| mistake.fate == fate).count();
    println!(
        "{}: {met} mistakes: {} refused, {} warned of",
        stage.cluster.version(),
        count(Fate::Refused),
        count(Fate::Warned)
    );
    Ok(())
}

/// The namespace of a mistake: short, because its length counts in what CCM writes.
fn namespace_of(mistake: &Mistake) -> String {
    let words = mistake.path.trim_end_matches(".yaml").to_lowercase();
    words.chars().take(20).collect::<String>().trim_end_matches('-').to_owned()
}

fn meets_its_fate(stage: &Stage<'_>, mistake: &Mistake) -> Result<()> {
    let folder = workspace()?.join("deploy/examples/mistakes");
    let place = stage.place(&namespace_of(mistake))?;
    let (file, before) = if mistake.is_change {
        let folder = Path::new(&mistake.path);
        let before = read(
            &workspace()?.join("deploy/examples/mistakes"),
            &path(&folder.join("before.yaml")),
            &place.name,
        )?;
        // What it was is good, or bad in other ways; it is there.
        place.kubectl("apply", &before)?.ends_with(0).context("before")?;
        (path(&folder.join("after.yaml")), Some(objects(&place)?))
    } else if folder.join(&mistake.path).is_dir() {
        (path(&Path::new(&mistake.path).join("a/shop.yaml")), None)
    } else {
        (mistake.path.clone(), None)
    };
    let manifest = read(&folder, &file, &place.name)?;
    let ran = place.kubectl("apply", &manifest)?;
    judge(&place, mistake, &ran)?;
    let refused = matches!(mistake.fate, Fate::Refused | Fate::Invalid);
    match before {
        Some(before) if refused => ensure!(objects(&place)? == before, "it was stored"),
        Some(before) => ensure!(objects(&place)? != before, "it was not stored"),
        None => {
            let wanted = manifest.matches("\nkind: Service").count()
                + manifest.matches("\nkind: Deployment").count()
                - usize::from(refused);
            let stored = objects(&place)?.len();
            ensure!(stored == wanted, "{stored} objects are stored, not {wanted}");
        }
    }
    Ok(())
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// What is stored of Services and Deployments, by what a change of theirs would change.
fn objects(place: &Place<'_, '_>) -> Result<Vec<Value>> {
    let objects = place.list("services,deployments")?;
    let essence = |object: &Value| {
        let metadata = &object["metadata"];
        let mut annotations = metadata["annotations"].clone();
        if let Some(annotations) = annotations.as_object_mut() {
            // The Deployment controller's.
            annotations.remove("deployment.kubernetes.io/revision");
        }
        json!([metadata["name"], metadata["uid"], annotations, object["spec"]])
    };
    Ok(objects.iter().map(essence).collect())
}

fn judge(place: &Place<'_, '_>, mistake: &Mistake, ran: &Ran) -> Result<()> {
    let rule = &mistake.rule;
    match mistake.fate {
        Fate::Refused => {
            refused(ran, rule)?;
            ensure!(rules(&ran.err) == [rule.as_str()], "not alone: {}", ran.err);
            Ok(())
        }
        Fate::Warned => {
            warned(ran, rule)?;
            ensure!(rules(&ran.err) == [rule.as_str()], "not alone: {}", ran.err);
            Ok(())
        }
        Fate::Audited => {
            silent(ran)?;
            let counted = format!("rule=\"{rule}\"");
            let metrics = metrics(place.stage)?;
            let line =
                metrics.lines().find(|line| line.contains(&counted) && line.contains("audited"));
            line.map(drop).with_context(|| format!("no metric counts {rule}:\n{metrics}"))
        }
        Fate::Cured => {
            silent(ran)?;
            let web = place.get("deployment/web")?;
            let hook = &web["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"];
            ensure!(hook["sleep"]["seconds"] == 30, "no hook: {web}");
            Ok(())
        }
        Fate::Invalid => {
            let by_us = ran.err.contains("admission webhook");
            ensure!(ran.code != 0 && !by_us, "{}\n{}", ran.out, ran.err);
            Ok(())
        }
        Fate::Unseen(why) => {
            ensure!(ran.code == 0, "{}", ran.err);
            ensure!(!ran.err.contains(rule), "it is seen, although {why}: {}", ran.err);
            Ok(())
        }
        Fate::OnNodes | Fate::OtherId => Ok(()),
    }
}

/// The rules that a text names, each once, in order.
fn rules(text: &str) -> Vec<&str> {
    let named = text.match_indices("CLB").filter_map(|(at, _)| text.get(at..at + 6));
    let is_rule = |id: &&str| id[3..].chars().all(|digit| digit.is_ascii_digit());
    let mut rules: Vec<&str> = named.filter(is_rule).collect();
    rules.sort_unstable();
    rules.dedup();
    rules
}

/// What all replicas count.
fn metrics(stage: &Stage<'_>) -> Result<String> {
    let mut all = String::new();
    for pod in stage.pods()? {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/https:{pod}:8443/proxy/metrics");
        all.push_str(&stage.kubectl(&format!("get --raw {path}"), "")?.ends_with(0)?.out);
    }
    Ok(all)
}

fn good(stage: &Stage<'_>) -> Result<()> {
    let folder = workspace()?.join("deploy/examples");
    // One cluster's part of the example for two in each.
    let of_two = match stage.cluster.name() {
        NEW => "two-clusters/a",
        OLD => "two-clusters/b",
        other => anyhow::bail!("no part for {other}"),
    };
    for example in ["canary", "eni", "local", "outside-ecs", of_two] {
        let place = stage.place(&format!("good-{}", example.replace('/', "-")))?;
        for file in ["app.yaml", "service.yaml"] {
            let manifest = read(&folder.join(example), file, &place.name)?;
            silent(&place.kubectl("apply", &manifest)?)
                .with_context(|| format!("{example} {file}"))?;
        }
        ensure!(objects(&place)?.len() == 2, "{example} is not stored");
    }
    Ok(())
}

/// Rules whose example is cured or not seen, in objects where they are.
fn other_rules(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("other-rules")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let bare = annotated(deployment("web", 0), "clbmigrate.io/inject", "disabled");
    warned(&place.kubectl("apply", &bare.to_string())?, "CLB303")?;

    // Beside another change the API server does ask about a weight of 0, and nobody is left then.
    let key_of_another = "example.com/note";
    let to_zero =
        json!({"metadata": {"annotations": {key("weight"): "0", key_of_another: "last"}}});
    warned(&place.kubectl(&patch("service web", &to_zero), "")?, "CLB410")?;

    // A Service that goes while it has weight.
    place.apply(&migrated(&place.name, "heavy", "20"))?;
    refused(&place.kubectl("delete service heavy", "")?, "CLB404")?;
    ensure!(place.has("service/heavy")?);
    Ok(())
}

/// Nodes that no kubelet answers for, in a cluster that nobody else uses meanwhile.
fn on_nodes(stage: &Stage<'_>) -> Result<()> {
    let folder = workspace()?.join("deploy/examples/mistakes");
    let excluded = "node.kubernetes.io/exclude-from-external-load-balancers";
    for mistake in mistakes()?.iter().filter(|mistake| mistake.fate == Fate::OnNodes) {
        let place = stage.place(&namespace_of(mistake))?;
        let text = fs::read_to_string(folder.join(&mistake.path))?;
        let nodes = rewritten(&text, &place.name, &["List"])?;
        let none_left = mistake.rule == "CLB026";
        if none_left {
            stage.kubectl(&format!("label nodes --all {excluded}=true"), "")?.ends_with(0)?;
        }
        // They are written as a dump shows them, with less than kubectl asks for.
        stage.kubectl("apply --validate=false", &nodes)?.ends_with(0)?;
        let manifest = read(&folder, &mistake.path, &place.name)?;
        // What nodes are like arrives in the webhook a moment after it is stored.
        let seen = try_wait_for(&mistake.path, DEADLINE, || {
            let ran = place.kubectl("apply --dry-run=server", &manifest)?;
            Ok((warned(&ran, &mistake.rule).is_ok()).then_some(()))
        });
        let ran = place.kubectl("apply", &manifest);
        stage.kubectl("delete", &nodes)?.ends_with(0)?;
        if none_left {
            stage.kubectl(&format!("label nodes --all {excluded}-"), "")?.ends_with(0)?;
        }
        let ran = ran?;
        seen.with_context(|| ran.err.clone())?;
        warned(&ran, &mistake.rule)?;
        ensure!(objects(&place)?.len() == 1, "{} is not stored", mistake.path);
    }
    old_kubelets(stage)
}

/// A node whose kubelet does not know the native sleep: nobody gets a hook, and everybody is told.
fn old_kubelets(stage: &Stage<'_>) -> Result<()> {
    let place = stage.place("old-kubelet")?;
    place.apply(&migrated(&place.name, "web", "20"))?;
    let node = json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "ancient"},
        "spec": {"providerID": "cn-bed.i-ancient"},
        "status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.28.3-aliyun.1"},
        },
    });
    stage.kubectl("create --validate=false", &node.to_string())?.ends_with(0)?;
    let applied = deployment("web", 0).to_string();
    let told = try_wait_for("a warning about nodes that are too old", DEADLINE, || {
        let ran = place.kubectl("apply --dry-run=server", &applied)?;
        Ok(warned(&ran, "CLB303").is_ok().then_some(()))
    });
    let stored = place.kubectl("apply", &applied);
    stage.kubectl("delete node ancient", "")?.ends_with(0)?;
    told?;
    warned(&stored?, "CLB303")?;
    let web = place.get("deployment/web")?;
    ensure!(web["spec"]["template"]["spec"]["containers"][0]["lifecycle"].is_null(), "{web}");
    // Once it is gone, the next change of the template brings the hook.
    try_wait_for("a hook", DEADLINE, || {
        let changed = with(deployment("web", 0), "/spec/template/metadata/labels/tier", "front");
        let ran = place.kubectl("apply --dry-run=server -o json", &changed.to_string())?;
        let made = ran.json()?;
        let hook = &made["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"];
        Ok(hook.is_object().then_some(()))
    })
}
