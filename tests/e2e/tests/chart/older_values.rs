//! Values that an older release of the chart has left, which `helm upgrade --reuse-values` takes as they
//! are. `values-0.1.0.yaml` is values.yaml as 0.1.0 had it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Helm, IMAGE, NAMESPACE};
use serde_json::Value;

use crate::{ClusterCase, FileCase, TestCluster, files::objects, release::copy};

pub const FILE_CASES: &[FileCase] =
    &[("with the values of 0.1.0 alone the chart renders what it renders by default", same)];

pub const CASES: &[ClusterCase] =
    &[("a release of 0.1.0 is upgraded with --reuse-values, rolled back and removed", upgrade)];

/// A copy of the chart that has the values of 0.1.0, and its version.
fn older_chart(helm: &Helm, folder: &Path) -> anyhow::Result<PathBuf> {
    let older = folder.join("older-chart");
    copy(&helm.chart, &older)?;
    fs::write(older.join("values.yaml"), include_str!("values-0.1.0.yaml"))?;
    let about = older.join("Chart.yaml");
    let text = fs::read_to_string(&about)?;
    let version = text.lines().find(|line| line.starts_with("version: ")).context("no version")?;
    let text = text.replace(version, "version: 0.1.0");
    fs::write(about, text)?;
    Ok(older)
}

fn same(helm: &Helm) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let older = helm.with_chart(older_chart(helm, folder.path())?);
    let arguments = format!("-n {NAMESPACE} {IMAGE}");
    let rendered = |helm: &Helm| -> anyhow::Result<Vec<Value>> {
        let text = helm.template(&arguments)?.expect_code(0)?.stdout;
        // The chart's version, which is in each object's labels.
        let lines = text.lines().filter(|line| !line.contains("helm.sh/chart: "));
        objects(&lines.collect::<Vec<_>>().join("\n"))
    };
    let (of_older, of_newer) = (rendered(&older)?, rendered(helm)?);
    ensure!(of_older.len() == of_newer.len() && of_newer.len() > 10, "{}", of_newer.len());
    for (older, newer) in of_older.iter().zip(&of_newer) {
        ensure!(older == newer, "{older}\nis not\n{newer}");
    }
    Ok(())
}

fn upgrade(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let folder = cluster.kubeconfig().with_file_name("older");
    let older = older_chart(&cluster.helm, &folder)?;
    let flags = format!("-n {NAMESPACE}");
    let deployment = || -> anyhow::Result<Value> {
        let get = format!("get deployment clbmigrate-webhook {flags} -o json");
        Ok(serde_json::from_str(&cluster.kubectl(&get, "")?.expect_code(0)?.stdout)?)
    };
    let version = |of: &Value| of["metadata"]["labels"]["helm.sh/chart"].clone();
    let mine = "--set shutdown.delaySeconds=7";
    cluster
        .helm(&format!("install older {} --create-namespace {mine} {flags}", older.display()))?;
    let before = deployment()?;
    ensure!(version(&before) == "clbmigrate-webhook-0.1.0", "{before}");

    cluster.helm(&format!("upgrade older CHART --reuse-values {flags}"))?;
    let after = deployment()?;
    ensure!(version(&after) != version(&before), "{after}");
    ensure!(after["spec"]["selector"] == before["spec"]["selector"], "the selector is another");
    let arguments = after["spec"]["template"]["spec"]["containers"][0]["args"].to_string();
    ensure!(arguments.contains("--shutdown-delay=7s"), "{arguments}");
    ensure!(arguments.contains("--listen=[::]:8443"), "{arguments}");

    cluster.helm(&format!("rollback older 1 {flags}"))?;
    ensure!(version(&deployment()?) == version(&before));
    cluster.helm(&format!("uninstall older {flags}"))?;
    let left = format!(
        "get deployments,services,configmaps {flags} -o name -l app.kubernetes.io/part-of=clbmigrate"
    );
    let left = cluster.kubectl(&left, "")?.expect_code(0)?.stdout;
    ensure!(left.trim().is_empty(), "{left}");
    Ok(())
}
