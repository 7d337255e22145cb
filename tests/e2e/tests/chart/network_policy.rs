//! The `NetworkPolicy`: when there is one, and whom it lets in and out. Whether it is enforced is a matter
//! of the cluster's network plugin; the testbed's enforces none.

use anyhow::{Context, ensure};
use clbmigrate_e2e::{Helm, IMAGE, NAMESPACE};
use serde_json::{Value, json};

use crate::{ClusterCase, FileCase, TestCluster};

pub const FILE_CASES: &[FileCase] = &[
    ("without the addresses of API servers nobody is kept out", without_addresses),
    ("each list of addresses limits one direction", directions),
    ("values of a release that knew no NetworkPolicy are taken", older_values),
];

pub const CASES: &[ClusterCase] =
    &[("an API server stores the NetworkPolicy as it is meant", stored)];

const POLICY: &str = "networkpolicy.yaml";

/// All three lists, for helm.
const ALL: &str = "--set-json networkPolicy.metricsFrom=[{\"namespaceSelector\":{\"matchLabels\":{\"team\":\"monitoring\"}}}] \
    --set networkPolicy.apiServers={10.1.0.0/24,fd00:1::/64} --set networkPolicy.apiServerAddresses={10.2.0.0/16}";

fn block(cidr: &str) -> Value {
    json!({"ipBlock": {"cidr": cidr}})
}

fn port(port: u16) -> Value {
    json!([{"protocol": "TCP", "port": port}])
}

/// The policy's `spec` with all three lists.
fn all() -> Value {
    json!({
        "podSelector": {"matchLabels": {"app.kubernetes.io/name": "clbmigrate-webhook"}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [
            {"from": [block("10.1.0.0/24"), block("fd00:1::/64")], "ports": port(8443)},
            {"from": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}], "ports": port(8081)},
        ],
        "egress": [{"to": [block("10.2.0.0/16")]}],
    })
}

/// The `spec` of the policy that these values make; `None` where they make none.
fn policy(helm: &Helm, values: &str) -> anyhow::Result<Option<Value>> {
    let rendered =
        helm.template(&format!("-n {NAMESPACE} {IMAGE} {values}"))?.expect_code(0)?.stdout;
    let policy = rendered.split("\n---\n").find(|text| text.contains("kind: NetworkPolicy"));
    let Some(policy) = policy else { return Ok(None) };
    ensure!(policy.contains(POLICY), "from a template of its own: {policy}");
    let policy: Value = serde_saphyr::from_str(policy)?;
    ensure!(policy["metadata"]["namespace"] == NAMESPACE, "{policy}");
    Ok(Some(policy["spec"].clone()))
}

fn without_addresses(helm: &Helm) -> anyhow::Result<()> {
    let metrics = "--set-json networkPolicy.metricsFrom=[{\"podSelector\":{}}]";
    for values in ["", metrics, &format!("{ALL} --set networkPolicy.enabled=false")] {
        let policy = policy(helm, values)?;
        ensure!(policy.is_none(), "{values}: {policy:?}");
    }
    Ok(())
}

fn directions(helm: &Helm) -> anyhow::Result<()> {
    ensure!(policy(helm, ALL)? == Some(all()), "{:?}", policy(helm, ALL)?);

    let ingress = policy(helm, "--set networkPolicy.apiServers={10.1.0.0/24}")?;
    let ingress = ingress.context("a policy")?;
    ensure!(ingress["policyTypes"] == json!(["Ingress"]), "{ingress}");
    ensure!(ingress["ingress"][0]["from"] == json!([block("10.1.0.0/24")]), "{ingress}");
    // Without a peer, everybody may.
    ensure!(ingress["ingress"][1] == json!({"ports": port(8081)}), "{ingress}");
    ensure!(ingress.get("egress").is_none(), "{ingress}");

    let egress = policy(helm, "--set networkPolicy.apiServerAddresses={10.2.0.0/16}")?;
    let egress = egress.context("a policy")?;
    ensure!(egress["policyTypes"] == json!(["Egress"]), "{egress}");
    ensure!(egress["egress"] == json!([{"to": [block("10.2.0.0/16")]}]), "{egress}");
    ensure!(egress.get("ingress").is_none(), "{egress}");
    Ok(())
}

fn older_values(helm: &Helm) -> anyhow::Result<()> {
    ensure!(policy(helm, "--set networkPolicy=null")?.is_none());
    Ok(())
}

fn stored(cluster: &TestCluster<'_>) -> anyhow::Result<()> {
    let flags = format!("-n {NAMESPACE}");
    let get = format!("get networkpolicies {flags} -o json");
    let policies = || -> anyhow::Result<Vec<Value>> {
        let list: Value = serde_json::from_str(&cluster.kubectl(&get, "")?.expect_code(0)?.stdout)?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    };
    let told = cluster.helm(&format!("install policy CHART --create-namespace {flags}"))?;
    ensure!(told.stdout.contains("networkPolicy.apiServers is empty"), "{}", told.stdout);
    ensure!(policies()?.is_empty(), "{:?}", policies()?);

    let told = cluster.helm(&format!("upgrade policy CHART {ALL} {flags}"))?;
    ensure!(!told.stdout.contains("networkPolicy"), "{}", told.stdout);
    let stored = policies()?;
    ensure!(stored.len() == 1 && stored[0]["spec"] == all(), "{stored:?}");
    ensure!(stored[0]["metadata"]["name"] == "clbmigrate-webhook", "{stored:?}");

    cluster.helm(&format!("uninstall policy {flags}"))?;
    ensure!(policies()?.is_empty(), "{:?}", policies()?);
    Ok(())
}
