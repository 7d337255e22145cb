//! The examples, applied by kubectl: each mistake ends as expected, and what is good passes in silence.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use clbmigrate_testkit::CommandOutput;
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Parallel,
    NEW, OLD,
    expected::{Expected, Mistake, mistakes},
    manifests::{annotated, deployment, key, migrated, patch},
    test_cluster::{DEADLINE, TestCluster, TestNamespace, refused, silent, warned},
};

pub const CASES: &[Case] = &[
    ("every mistake of CLB00x ends as expected", BOTH, Parallel, |c| family(c, 0)),
    ("every mistake of CLB01x ends as expected", BOTH, Parallel, |c| family(c, 1)),
    ("every mistake of CLB02x and CLB03x ends as expected", BOTH, Parallel, |c| family(c, 2)),
    ("every mistake of CLB1xx and CLB2xx ends as expected", BOTH, Parallel, |c| family(c, 3)),
    ("every mistake of CLB3xx ends as expected", BOTH, Parallel, |c| family(c, 4)),
    ("every mistake of CLB4xx ends as expected", BOTH, Parallel, |c| family(c, 5)),
    ("no mistake is left out", &[NEW], Parallel, left_out),
    ("the good examples pass in silence", BOTH, Parallel, good),
    ("rules that no example fires alone fire, too", BOTH, Parallel, other_rules),
];

/// What the ids of rules begin with whose mistakes are one case: all together take minutes.
const FAMILIES: [&[&str]; 6] =
    [&["CLB00"], &["CLB01"], &["CLB02", "CLB03"], &["CLB1", "CLB2"], &["CLB3"], &["CLB4"]];

/// What users apply; the rest of an example is what their cluster would show.
const APPLIED: [&str; 3] = ["Service", "Deployment", "EndpointSlice"];

/// A manifest of an example in a namespace, with a CLB, a group and a node port of its own, so that
/// examples do not meet each other: only the documents of these kinds.
pub fn rewritten(manifest: &str, namespace: &str, kinds: &[&str]) -> Result<String> {
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

pub fn read(folder: &Path, file: &str, namespace: &str) -> Result<String> {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    rewritten(&text, namespace, &APPLIED).with_context(|| path.display().to_string())
}

/// A mistake in no family would never be applied.
fn left_out(_: &TestCluster<'_>) -> Result<()> {
    let families = FAMILIES.concat();
    let mistakes = mistakes()?;
    let mut rules = mistakes.iter().map(|mistake| mistake.rule.as_str());
    let other = rules.find(|rule| !families.iter().any(|family| rule.starts_with(family)));
    ensure!(other.is_none(), "{other:?} is in no family");
    Ok(())
}

/// Applies the mistakes of a family of rules.
fn family(cluster: &TestCluster<'_>, index: usize) -> Result<()> {
    let families = FAMILIES[index];
    let mut mistakes = mistakes()?;
    mistakes.retain(|mistake| families.iter().any(|family| mistake.rule.starts_with(family)));
    let here = |mistake: &&Mistake| {
        !matches!(mistake.expected, Expected::NeedsNodes | Expected::NeedsClusterId)
    };
    let mut wrong = Vec::new();
    let mut met = 0;
    for mistake in mistakes.iter().filter(here) {
        met += 1;
        if let Err(error) = is_as_expected(cluster, mistake) {
            wrong.push(format!("{}, {:?}: {error:#}", mistake.path, mistake.expected));
        }
    }
    ensure!(met > 0, "no mistake of {families:?}");
    ensure!(wrong.is_empty(), "{} of {met} are wrong:\n{}", wrong.len(), wrong.join("\n\n"));
    let count =
        |expected: Expected| mistakes.iter().filter(|mistake| mistake.expected == expected).count();
    println!(
        "{}: {met} mistakes of {families:?}: {} refused, {} warned of",
        cluster.version(),
        count(Expected::Refused),
        count(Expected::Warned)
    );
    Ok(())
}

/// The namespace of a mistake: short, because its length counts in what CCM writes.
pub fn namespace_of(mistake: &Mistake) -> String {
    let words = mistake.path.trim_end_matches(".yaml").to_lowercase();
    words.chars().take(20).collect::<String>().trim_end_matches('-').to_owned()
}

fn is_as_expected(cluster: &TestCluster<'_>, mistake: &Mistake) -> Result<()> {
    let folder = workspace()?.join("deploy/examples/mistakes");
    let namespace = cluster.namespace(&namespace_of(mistake))?;
    let (file, before) = if mistake.is_change {
        let folder = Path::new(&mistake.path);
        let before = read(
            &workspace()?.join("deploy/examples/mistakes"),
            &path(&folder.join("before.yaml")),
            &namespace.name,
        )?;
        // What it was is good, or bad in other ways; it is there.
        namespace.kubectl("apply", &before)?.expect_code(0).context("before")?;
        (path(&folder.join("after.yaml")), Some(objects(&namespace)?))
    } else if folder.join(&mistake.path).is_dir() {
        (path(&Path::new(&mistake.path).join("a/shop.yaml")), None)
    } else {
        (mistake.path.clone(), None)
    };
    let manifest = read(&folder, &file, &namespace.name)?;
    let audited_before = match mistake.expected {
        Expected::Audited => audited(cluster, &mistake.rule)?,
        _ => 0,
    };
    if matches!(mistake.expected, Expected::Refused | Expected::Warned) {
        wait_for_first_service(&namespace, &mistake.rule, &manifest)?;
    }
    let output = apply_in_turn(&namespace, &manifest)?;
    judge(&namespace, mistake, &output, audited_before)?;
    let refused = matches!(mistake.expected, Expected::Refused | Expected::Invalid);
    match before {
        Some(before) if refused => ensure!(objects(&namespace)? == before, "it was stored"),
        Some(before) => ensure!(objects(&namespace)? != before, "it was not stored"),
        None => {
            let wanted = manifest.matches("\nkind: Service").count()
                + manifest.matches("\nkind: Deployment").count()
                - usize::from(refused);
            let stored = objects(&namespace)?.len();
            ensure!(stored == wanted, "{stored} objects are stored, not {wanted}");
        }
    }
    Ok(())
}

/// Applies the documents of a manifest one after the other. All at once, kubectl would store what stands
/// behind a Service whose claims cannot be settled at once, and so have it judged without that Service.
fn apply_in_turn(namespace: &TestNamespace<'_, '_>, manifest: &str) -> Result<CommandOutput> {
    let mut all = CommandOutput::default();
    for document in manifest.split("\n---\n") {
        let output = namespace.kubectl("apply", document)?;
        all.code = all.code.max(output.code);
        all.stdout.push_str(&output.stdout);
        all.stderr.push_str(&output.stderr);
    }
    Ok(all)
}

/// Applies what stands before the last Service of a manifest with several, and waits until the
/// webhook has heard of it: what is wrong with two Services is found in the webhook's cache.
fn wait_for_first_service(
    namespace: &TestNamespace<'_, '_>,
    rule: &str,
    manifest: &str,
) -> Result<()> {
    let Some((first, last)) = manifest.rsplit_once("\n---\n") else { return Ok(()) };
    if ![first, last].iter().all(|part| part.contains("\nkind: Service\n")) {
        return Ok(());
    }
    namespace.kubectl("apply", first)?.expect_code(0)?;
    try_wait_for("the webhook to hear of the first Service", DEADLINE, || {
        let reviewed = namespace.kubectl("apply --dry-run=server", last)?;
        Ok(reviewed.stderr.contains(rule).then_some(()))
    })
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// What is stored of Services and Deployments, by what a change of theirs would change.
pub fn objects(namespace: &TestNamespace<'_, '_>) -> Result<Vec<Value>> {
    let objects = namespace.list("services,deployments")?;
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

fn judge(
    namespace: &TestNamespace<'_, '_>,
    mistake: &Mistake,
    output: &CommandOutput,
    audited_before: u64,
) -> Result<()> {
    let rule = &mistake.rule;
    match mistake.expected {
        Expected::Refused => refused_for_one(output, rule),
        Expected::Warned => {
            warned(output, rule)?;
            let mut found = rules(&output.stderr);
            // The second Service of a group comes in with its weight, besides.
            found.retain(|of| (rule.as_str(), *of) != ("CLB104", "CLB419"));
            ensure!(found == [rule.as_str()], "not alone: {}", output.stderr);
            Ok(())
        }
        Expected::Audited => {
            silent(output)?;
            let entries = namespace.cluster.audit()?;
            let annotation = format!("{rule}=audited");
            let is_there = entries.iter().any(|entry| {
                let mut values = entry.annotations.values();
                entry.namespace == namespace.name && values.any(|value| value.contains(&annotation))
            });
            ensure!(
                is_there,
                "the API server's audit log has no {annotation} in {}",
                namespace.name
            );
            let now = audited(namespace.cluster, rule)?;
            ensure!(
                now > audited_before,
                "the metric counts {now} findings of {rule}, as many as before"
            );
            Ok(())
        }
        Expected::Injected => {
            silent(output)?;
            let web = namespace.get("deployment/web")?;
            let hook = &web["spec"]["template"]["spec"]["containers"][0]["lifecycle"]["preStop"];
            ensure!(hook["sleep"]["seconds"] == 30, "no hook: {web}");
            Ok(())
        }
        Expected::Invalid => {
            let by_us = output.stderr.contains("admission webhook");
            ensure!(output.code != 0 && !by_us, "{}\n{}", output.stdout, output.stderr);
            Ok(())
        }
        Expected::NotDetected(why) => {
            ensure!(output.code == 0, "{}", output.stderr);
            ensure!(!output.stderr.contains(rule), "it is seen, although {why}: {}", output.stderr);
            Ok(())
        }
        Expected::NeedsNodes | Expected::NeedsClusterId => bail!("it belongs to another test"),
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

/// How many findings of a rule all replicas count that only the audit log tells of.
fn audited(cluster: &TestCluster<'_>, rule: &str) -> Result<u64> {
    let metrics = metrics(cluster)?;
    let rule = format!("rule=\"{rule}\"");
    let of_rule = metrics.lines().filter(|line| {
        line.starts_with("clbmigrate_webhook_findings_total{")
            && line.contains(&rule)
            && line.contains("verdict=\"audited\"")
    });
    let counts = of_rule.map(|line| {
        let count = line.rsplit(' ').next().unwrap_or_default();
        count.parse::<u64>().with_context(|| line.to_owned())
    });
    counts.sum()
}

/// Demands that something was refused for this rule and for no other. The fix may name what it would
/// bring.
pub fn refused_for_one(output: &CommandOutput, rule: &str) -> Result<()> {
    refused(output, rule)?;
    let reason = output.stderr.split("; alone, that brings ").next().unwrap_or_default();
    ensure!(rules(reason) == [rule], "not for {rule} alone: {}", output.stderr);
    Ok(())
}

/// What all replicas count.
fn metrics(cluster: &TestCluster<'_>) -> Result<String> {
    let mut all = String::new();
    for pod in cluster.pods()? {
        let path = format!("/api/v1/namespaces/{NAMESPACE}/pods/{pod}:8081/proxy/metrics");
        all.push_str(&cluster.kubectl(&format!("get --raw {path}"), "")?.expect_code(0)?.stdout);
    }
    Ok(all)
}

fn good(cluster: &TestCluster<'_>) -> Result<()> {
    let folder = workspace()?.join("deploy/examples");
    // One cluster's part of the example for two in each.
    let of_two = match cluster.name() {
        NEW => "two-clusters/a",
        OLD => "two-clusters/b",
        other => anyhow::bail!("no part for {other}"),
    };
    for example in ["canary", "eni", "local", "outside-ecs", of_two] {
        let namespace = cluster.namespace(&format!("good-{}", example.replace('/', "-")))?;
        for file in ["app.yaml", "service.yaml"] {
            let manifest = read(&folder.join(example), file, &namespace.name)?;
            silent(&namespace.kubectl("apply", &manifest)?)
                .with_context(|| format!("{example} {file}"))?;
        }
        ensure!(objects(&namespace)?.len() == 2, "{example} is not stored");
    }
    Ok(())
}

/// Rules whose example is cured or not seen, in objects where they are.
fn other_rules(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("other-rules")?;
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let bare = annotated(deployment("web", 0), "clbmigrate.io/inject", "disabled");
    warned(&namespace.kubectl("apply", &bare.to_string())?, "CLB303")?;

    // Beside another change the API server does ask about a weight of 0, and nobody is left then.
    let to_zero = json!({
        "metadata": {"annotations": {key("weight"): "0"}},
        "spec": {"sessionAffinity": "ClientIP"},
    });
    warned(&namespace.kubectl(&patch("service web", &to_zero), "")?, "CLB410")?;

    // A Service that goes while it has weight.
    namespace.apply(&migrated(&namespace.name, "heavy", "20"))?;
    refused(&namespace.kubectl("delete service heavy", "")?, "CLB404")?;
    ensure!(namespace.has("service/heavy")?);
    Ok(())
}
