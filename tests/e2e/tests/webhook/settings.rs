//! Settings that change while the webhook runs.

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{programs::workspace, try_wait_for};
use clbmigrate_testkit::CommandOutput;
use serde_json::Value;

use crate::{
    BOTH, Case,
    ClusterUse::Exclusive,
    examples,
    expected::{Expected, Mistake, mistakes},
    manifests::{deployment, migrated, service},
    test_cluster::{DEADLINE, TestCluster, TestNamespace, refused, silent, warned},
};

pub const CASES: &[Case] = &[(
    "settings take effect in the running webhook, and a bad file changes nothing",
    BOTH,
    Exclusive,
    settings,
)];

/// Releases the chart with these values, and waits until every Pod answers a request as told. Asks both
/// replicas by asking often.
fn set(
    namespace: &TestNamespace<'_, '_>,
    values: &str,
    request: impl Fn() -> Result<CommandOutput>,
    wanted: impl Fn(&CommandOutput) -> Result<()>,
) -> Result<()> {
    let cluster = namespace.cluster;
    let arguments = cluster.release.arguments();
    cluster.release.helm(&format!("upgrade {arguments} {values}"))?;
    wait_until_known(cluster, request, wanted).with_context(|| values.to_owned())
}

fn wait_until_known(
    cluster: &TestCluster<'_>,
    request: impl Fn() -> Result<CommandOutput>,
    wanted: impl Fn(&CommandOutput) -> Result<()>,
) -> Result<()> {
    // A kubelet brings a changed ConfigMap when it next looks after the Pod, which this makes now.
    for pod in cluster.pods()? {
        let touch =
            format!("annotate pod {pod} -n {NAMESPACE} --overwrite example.com/looked-after=");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?;
        cluster.kubectl(&format!("{touch}{}", now.as_millis()), "")?.expect_code(0)?;
    }
    let mut in_a_row = 0;
    let mut last = None;
    let known = try_wait_for("both replicas to know", DEADLINE, || {
        let output = request()?;
        let told = wanted(&output);
        in_a_row = if told.is_ok() { in_a_row + 1 } else { 0 };
        last = told.err();
        Ok((in_a_row == 10).then_some(()))
    });
    known.with_context(|| last.map_or_else(String::new, |error| format!("{error:#}")))
}

/// The cluster's id in an example: `data.clusterid` of its `ConfigMap`.
fn cluster_id(example: &Path) -> Result<String> {
    let text = fs::read_to_string(example)?;
    let documents = text.split("\n---\n").map(serde_saphyr::from_str::<Value>);
    let documents: Vec<Value> = documents.collect::<Result<_, _>>()?;
    let mut ids = documents.iter().filter_map(|document| document["data"]["clusterid"].as_str());
    Ok(ids.next().with_context(|| format!("{}: no clusterid", example.display()))?.to_owned())
}

fn settings(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("settings")?;
    let apply = |manifest: String| {
        let namespace = &namespace;
        move || namespace.kubectl("create --dry-run=server", &manifest)
    };
    let web = migrated(&namespace.name, "web", "20").to_string();
    silent(&apply(web.clone())()?)?;

    // The cluster's id: each of the examples that are about it is good under another id, and refused
    // under its own.
    let mistakes = mistakes()?.into_iter();
    let about_id: Vec<Mistake> =
        mistakes.filter(|mistake| mistake.expected == Expected::NeedsClusterId).collect();
    ensure!(about_id.len() == 2, "{about_id:?}");
    let folder = workspace()?.join("deploy/examples/mistakes");
    for mistake in &about_id {
        let manifest = examples::read(&folder, &mistake.path, &namespace.name)?;
        silent(&apply(manifest.clone())()?).with_context(|| mistake.path.clone())?;
        let values = format!("--set cluster.id={}", cluster_id(&folder.join(&mistake.path))?);
        let refused = |output: &CommandOutput| examples::refused_for_one(output, &mistake.rule);
        set(&namespace, &values, apply(manifest), refused)?;
        set(&namespace, "", apply(web.clone()), silent)?;
    }

    // Modes, for all namespaces and for one.
    let bad = service(
        "bad",
        &[("id", "lb-bp1example"), ("vgroup-port", "rsp-bp1x:80"), ("weight", "101")],
    );
    let values = "--set rules.CLB001=warn";
    set(&namespace, values, apply(bad.to_string()), |output| warned(output, "CLB001"))?;
    let values =
        format!("--set rules.CLB001=warn --set namespaces.{}.rules.CLB001=deny", namespace.name);
    set(&namespace, &values, apply(bad.to_string()), |output| refused(output, "CLB001"))?;
    set(&namespace, "--set rules.CLB001=off", apply(bad.to_string()), silent)?;
    let values = format!("--set exempt.namespaces={{{}}}", namespace.name);
    set(&namespace, &values, apply(bad.to_string()), silent)?;

    // Another language, in a denial and in a warning.
    let denied = "CLB001 权重不是 0 到 100 之间的整数。修复：";
    set(&namespace, "--set lang=zh", apply(bad.to_string()), |output| refused(output, denied))?;
    let values = "--set lang=zh --set rules.CLB001=warn";
    set(&namespace, values, apply(bad.to_string()), |output| {
        let warning = "Warning: CLB001：权重不是 0 到 100 之间的整数。修复：";
        ensure!(output.code == 0 && output.stderr.contains(warning), "{}", output.stderr);
        Ok(())
    })?;

    // The seconds of hooks to come.
    namespace.apply(&migrated(&namespace.name, "web", "20"))?;
    let made = deployment("web", 0).to_string();
    let dry = || namespace.kubectl("create --dry-run=server -o json", &made);
    set(&namespace, "--set preStopSeconds=45", dry, |output| {
        ensure!(output.stdout.contains("\"seconds\": 45"), "{}", output.stdout);
        Ok(())
    })?;
    set(&namespace, "--set inject.enabled=false", dry, |output| {
        ensure!(!output.stdout.contains("\"sleep\""), "{}", output.stdout);
        Ok(())
    })?;

    // A file with a mistake, which helm would not write: what was known stays in force.
    set(&namespace, "", apply(bad.to_string()), |output| refused(output, "CLB001"))?;
    let patch = format!(
        "patch configmap clbmigrate-webhook -n {NAMESPACE} --type=merge -p {{\"data\":{{\"config.yaml\":\"rules:\\n\\u0020CLB001:\\u0020of\\n\"}}}}"
    );
    cluster.kubectl(&patch, "")?.expect_code(0)?;
    wait_until_known(cluster, apply(bad.to_string()), |output| {
        refused(output, "CLB001")?;
        let log = cluster.kubectl(
            &format!("logs -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook --tail=-1"),
            "",
        )?;
        let told =
            log.stdout.lines().filter(|line| line.contains("the configuration stays as it was"));
        ensure!(told.count() >= 2, "not every Pod has told");
        Ok(())
    })?;
    set(&namespace, "--force-conflicts", apply(bad.to_string()), |output| refused(output, "CLB001"))
}
