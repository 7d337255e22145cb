//! `helm test` of the chart: it says that the webhook does what it is set to do.

use anyhow::{Result, ensure};
use clbmigrate_e2e::NAMESPACE;

use crate::{BOTH, Case, ClusterUse::Exclusive, test_cluster::TestCluster};

pub const CASES: &[Case] = &[(
    "helm test passes as long as the webhook does what its values say",
    BOTH,
    Exclusive,
    helm_test,
)];

/// Has helm test the release, whose Pod must write these words.
fn passes(cluster: &TestCluster<'_>, words: &[&str]) -> Result<()> {
    let output = cluster.shell(&format!("helm test clbmigrate -n {NAMESPACE} --timeout 120s"))?;
    let logs = format!("logs clbmigrate-webhook-self-test -n {NAMESPACE}");
    let log = cluster.kubectl(&logs, "")?.stdout;
    ensure!(output.code == 0, "{}{}{log}", output.stdout, output.stderr);
    for words in words {
        ensure!(log.contains(words), "no {words:?} in {log}");
    }
    Ok(())
}

fn helm_test(cluster: &TestCluster<'_>) -> Result<()> {
    passes(cluster, &["weight 101", "the webhook must refuse it", "CLB001", "weight 20"])?;
    // Nothing of it is stored, and no Service of the webhook leads to its Pod.
    let services = format!("get services -n {NAMESPACE} -o name");
    let services = cluster.kubectl(&services, "")?.expect_code(0)?.stdout;
    ensure!(services.trim() == "service/clbmigrate-webhook", "{services}");

    let softer = "--set rules.CLB001=warn";
    cluster.release.helm(&format!("upgrade {} {softer}", cluster.release.arguments()))?;
    passes(cluster, &["it must pass with a warning in mode warn", "CLB001"])?;

    cluster.release.upgrade("")
}
