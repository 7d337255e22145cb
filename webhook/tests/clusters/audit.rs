//! The audit by real processes: one at a time scans, and each change is told once.

use std::fs;

use anyhow::{Context as _, Result, ensure};
use clbmigrate_testbed::try_wait_for;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    cache::key,
    certificates::{Installation, Test},
    process::WebhookProcess,
    test_namespace::DEADLINE,
};

pub const TESTS: &[Test] = &[
    ("one replica audits, and when it is killed the other one takes over", taken_over),
    ("a finding is told once, also after a restart, and once when it went", told_once),
];

/// What the leader shows of the Service with a wrong weight.
const FINDINGS: &str = r#"audit_findings{rule="CLB001",severity="error"}"#;

/// Processes that audit the cluster often.
struct AuditedCluster<'i, 'a> {
    installation: &'i Installation<'a>,
    folder: TempDir,
}

impl<'i, 'a> AuditedCluster<'i, 'a> {
    fn new(installation: &'i Installation<'a>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        fs::write(folder.path().join("config.yaml"), "audit: {interval: 10s}\n")?;
        Ok(Self { installation, folder })
    }

    fn start(&self) -> Result<WebhookProcess> {
        let config = self.folder.path().join("config.yaml").display().to_string();
        self.installation.start(&["--config", &config, "--shutdown-delay", "0s"])
    }

    /// Applies the Service with this weight.
    fn apply(&self, weight: &str) -> Result<()> {
        let namespace = &self.installation.namespace;
        let mut service = namespace.service("web", "rsp-bp1audit");
        service["metadata"]["annotations"][key("weight")] = json!(weight);
        namespace.cluster.apply(&service.to_string())
    }

    /// The Events about the weight of the Service: type and reason, the older first.
    fn events(&self) -> Result<Vec<String>> {
        let text = self.installation.namespace.kubectl(&[
            "get",
            "events",
            "--field-selector",
            "involvedObject.kind=Service,involvedObject.name=web",
            "--sort-by",
            ".lastTimestamp",
            "--output",
            "json",
        ])?;
        let list: Value = serde_json::from_str(&text)?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = list["items"].as_array().into_iter().flatten();
        let told = all.map(|event| format!("{} {}", text(&event["type"]), text(&event["reason"])));
        Ok(told.filter(|event| event.contains(" CLB001")).collect())
    }

    /// The process that holds the Lease; empty if none does.
    fn holder(&self) -> Result<String> {
        let path = "jsonpath={.spec.holderIdentity}";
        self.installation.namespace.kubectl(&[
            "get",
            "lease",
            "clbmigrate-webhook-audit",
            "--output",
            path,
        ])
    }
}

fn leads(process: &WebhookProcess) -> Result<bool> {
    Ok(process.metric("audit_leader")? > 0.5)
}

/// Waits until the process leads and has scanned the cluster.
fn wait_for_scan(process: &WebhookProcess) -> Result<()> {
    let waited = try_wait_for("a scan", DEADLINE, || {
        Ok(process.metric("audit_last_run_timestamp_seconds").ok())
    });
    waited.map(drop).with_context(|| process.log())
}

fn taken_over(installation: &Installation<'_>) -> Result<()> {
    let cluster = AuditedCluster::new(installation)?;
    cluster.apply("101")?;
    let processes = [cluster.start()?, cluster.start()?];
    let leader = try_wait_for("a leader", DEADLINE, || {
        let first = leads(&processes[0])?;
        Ok((first || leads(&processes[1])?).then_some(usize::from(!first)))
    })?;
    let [leader, follower] = if leader == 0 {
        processes
    } else {
        let [first, second] = processes;
        [second, first]
    };
    wait_for_scan(&leader)?;
    ensure!(leader.metric(FINDINGS)? >= 1.0, "the Service is found");
    ensure!(!leads(&follower)?, "two lead");
    let (_, shown) = follower.probe("/metrics")?;
    for name in ["audit_findings", "audit_objects", "audit_last_run", "audit_duration"] {
        ensure!(!shown.contains(&format!("clbmigrate_webhook_{name}")), "{name} in {shown}");
    }
    let holder = cluster.holder()?;
    leader.signal("KILL")?;
    wait_for_scan(&follower)?;
    ensure!(leads(&follower)? && follower.metric(FINDINGS)? >= 1.0, "it shows what it has found");
    ensure!(cluster.holder()? != holder, "the Lease is still held by {holder}");
    let events = cluster.events()?;
    ensure!(events == ["Warning CLB001Found"], "told again: {events:?}");
    Ok(())
}

fn told_once(installation: &Installation<'_>) -> Result<()> {
    let cluster = AuditedCluster::new(installation)?;
    cluster.apply("101")?;
    let mut process = cluster.start()?;
    wait_for_scan(&process)?;
    let found = "Warning CLB001Found";
    ensure!(cluster.events()? == [found], "{:?}", cluster.events()?);

    process.signal("TERM")?;
    let status = process.wait_for_exit()?;
    ensure!(status.success(), "{status}: {}", process.log());
    ensure!(cluster.holder()?.is_empty(), "the Lease is given back: {}", process.log());

    let process = cluster.start()?;
    wait_for_scan(&process)?;
    ensure!(cluster.events()? == [found], "told again after a restart: {:?}", cluster.events()?);

    cluster.apply("60")?;
    let resolved = try_wait_for("the finding to be resolved", DEADLINE, || {
        Ok(Some(cluster.events()?).filter(|events| events.len() > 1))
    })
    .with_context(|| process.log())?;
    ensure!(resolved == [found, "Normal CLB001Resolved"], "{resolved:?}");
    Ok(())
}
