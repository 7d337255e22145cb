//! The program's self-test before a real API server, with and without something that refuses.

use std::process::Command;

use anyhow::{Result, ensure};
use clbmigrate_testbed::clean_environment;
use serde_json::json;

use crate::{
    process::run_to_exit,
    test_namespace::{Test, TestNamespace},
};

pub const TESTS: &[Test] = &[
    ("the self-test says what it tried, and that nobody refuses where nobody does", nobody),
    ("the self-test tells a refusal by others apart from the webhook's", others),
];

/// Runs the self-test in a namespace; its exit code, and what it wrote to stderr.
fn self_test(test: &TestNamespace<'_>, more: &[&str]) -> Result<(i32, String)> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clbmigrate-webhook"));
    clean_environment(&mut command, std::path::Path::new(clbmigrate_testbed::NO_HOME));
    command.arg("self-test").arg("--kubeconfig").arg(test.cluster.kubeconfig());
    command.args(["--namespace", &test.name, "--timeout", "100ms"]).args(more);
    run_to_exit(command)
}

fn nobody(test: &TestNamespace<'_>) -> Result<()> {
    let (code, stderr) = self_test(test, &[])?;
    ensure!(code == 1, "{code}: {stderr}");
    for words in [
        "A Service of weight 101",
        &test.name,
        "the webhook must refuse it in mode enforce",
        "it passes without a warning",
        "failurePolicy.services",
    ] {
        ensure!(stderr.contains(words), "no {words:?} in {stderr}");
    }
    let (code, stderr) = self_test(test, &["--mode", "warn"])?;
    ensure!(code == 1 && stderr.contains("it must pass with a warning"), "{code}: {stderr}");
    let (code, stderr) = self_test(test, &["--mode", "audit"])?;
    ensure!(code == 0, "{code}: {stderr}");
    let services = test.kubectl(&["get", "services", "-o", "name"])?;
    ensure!(services.is_empty(), "it has stored {services}");
    Ok(())
}

fn others(test: &TestNamespace<'_>) -> Result<()> {
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota",
        "metadata": {"name": "none", "namespace": test.name},
        "spec": {"hard": {"services": "0"}},
        "status": {"hard": {"services": "0"}, "used": {"services": "0"}},
    });
    test.cluster.apply(&quota.to_string())?;
    clbmigrate_testbed::try_wait_for("the quota to hold", crate::test_namespace::DEADLINE, || {
        let (code, stderr) = self_test(test, &["--mode", "audit"])?;
        Ok((code == 1 && stderr.contains("exceeded quota")).then_some(stderr))
    })
    .and_then(|stderr| {
        ensure!(stderr.contains("this is not the webhook's answer"), "{stderr}");
        Ok(())
    })
}
