//! Writes that the webhook has admitted and that are never carried out.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use clbmigrate_testkit::manifests::with;
use serde_json::json;
use tokio::time::sleep;

use crate::{
    Case,
    ClusterUse::Parallel,
    bindings::Group,
    clients::{Clients, Outcome, Write, write_patiently, write_with_retry},
    test_cluster::{TestCluster, TestNamespace},
};

pub const CASES: &[Case] = &[(
    "a creation that fails after its claim blocks its group for at most two minutes",
    Parallel,
    fails_after_claim,
)];

/// The most that a claim outlives its write, and what a busy machine may add.
pub const BLOCKED: Duration = Duration::from_secs(120 + 30);

fn fails_after_claim(cluster: &TestCluster<'_>) -> Result<()> {
    let full = cluster.namespace("unfinished-full")?;
    let free = cluster.namespace("unfinished-free")?;
    // API servers look at quotas after all webhooks.
    let quota = json!({
        "apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"},
        "spec": {"hard": {"services": "0"}},
    });
    cluster.kubectl_ok(&format!("apply -n {}", full.name), &quota.to_string())?;
    let create =
        |namespace: &TestNamespace<'_>, name: &str, group: &Group, port: u16, more: &str| {
            let service = group.service(name, &group.binding(port));
            cluster.kubectl(&format!("create -n {} {more}", namespace.name), &service.to_string())
        };

    // What is only tried claims nothing.
    let tried = Group::new("tried", 0);
    create(&free, "tried", &tried, 80, "--dry-run=server")?.expect_code(0)?;
    create(&free, "done", &tried, 90, "")?.expect_code(0)?;

    let group = Group::new("unfinished", 0);
    let fails = create(&full, "fails", &group, 80, "")?.expect_code(1)?;
    let begin = Instant::now();
    ensure!(fails.stderr.contains("exceeded quota"), "{}", fails.stderr);
    let refused = create(&free, "waits", &group, 90, "")?.expect_code(1)?.stderr;
    for words in ["CLB102", "unfinished-full/fails", "is not in the cluster yet"] {
        ensure!(refused.contains(words), "no {words:?} in {refused}");
    }
    // Who wants the same is not in the way.
    create(&free, "agrees", &group, 80, "--dry-run=server")?.expect_code(0)?;

    let created = Clients::run(cluster, |clients| async move {
        until_admitted(&clients, &free.name, &group, 90).await
    })?;
    println!(
        "a creation that failed after its claim: the group was free {:.1} s later; {created} Services of other groups were created meanwhile",
        begin.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Tries to create a Service each second until it is admitted. Services of other groups must be admitted
/// all the while; returns how many were.
pub async fn until_admitted(
    clients: &Clients,
    namespace: &str,
    group: &Group,
    port: u16,
) -> Result<usize> {
    let services = clients.services(namespace, 0);
    let begin = Instant::now();
    let service = group.service("waits", &group.binding(port));
    for number in 0.. {
        let name = format!("other-{number}");
        let other = Group::new(&format!("{namespace}other").replace('-', ""), number);
        let other = with(other.service(&name, &other.binding(80)), "/spec/selector", json!({}));
        let other = write_patiently(&services, &Write::Create(other)).await?;
        ensure!(other.outcome == Outcome::Stored, "{name}: {:?}", other.outcome);
        match write_with_retry(&services, &Write::Create(service.clone())).await?.outcome {
            Outcome::Stored => return Ok(number + 1),
            Outcome::Refused(words) => ensure!(words.contains("CLB102"), "{words}"),
            Outcome::NotSettled(_) => {}
        }
        ensure!(begin.elapsed() < BLOCKED, "the group is not free after {BLOCKED:?}");
        sleep(Duration::from_secs(1)).await;
    }
    unreachable!("there is no last number")
}
