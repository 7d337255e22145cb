//! Who may ask: the webhook takes reviews only from API servers that show a certificate.

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::{Network, try_wait_for};
use clbmigrate_testkit::{manifests::migrated, run};
use serde_json::{Value, json};

use crate::{
    BOTH, Case,
    ClusterUse::Exclusive,
    manifests::service,
    test_cluster::{DEADLINE, TestCluster, refused, silent},
};

pub const CASES: &[Case] = &[(
    "with an authority of client certificates API servers are answered and nobody else is",
    BOTH,
    Exclusive,
    callers,
)];

/// The name in the certificate that API servers of the testbed show.
const API_SERVER: &str = "kube-apiserver-admission";

/// Status and body of the answer to a review from a node, whose client shows no certificate.
fn ask_without_certificate(cluster: &TestCluster<'_>, address: &str) -> Result<(String, String)> {
    let node = cluster.nodes().first().context("no node")?;
    let mut curl = cluster.testbed.command_in(Network::Node(&node.name), "curl")?;
    curl.args(["--silent", "--insecure", "--max-time", "20", "--write-out", "\n%{http_code}"]);
    curl.args(["--header", "content-type: application/json", "--data", "{}"]);
    curl.arg(format!("https://{address}:8443/validate-services"));
    let told = run(&mut curl)?.expect_code(0)?.stdout;
    let (body, status) = told.rsplit_once('\n').context("no answer")?;
    Ok((status.to_owned(), body.to_owned()))
}

/// The addresses of the webhook's Pods that are not about to end.
fn addresses(cluster: &TestCluster<'_>) -> Result<Vec<String>> {
    let selector = "-l app.kubernetes.io/name=clbmigrate-webhook";
    let list = cluster.kubectl(&format!("get pods -n {NAMESPACE} {selector} -o json"), "")?;
    let list: Value = list.expect_code(0)?.json()?;
    let pods = list["items"].as_array().context("no list")?.iter();
    let staying = pods.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
    let addresses = staying.map(|pod| pod["status"]["podIP"].as_str().map(str::to_owned));
    addresses.collect::<Option<_>>().context("a Pod without an address")
}

fn callers(cluster: &TestCluster<'_>) -> Result<()> {
    let namespace = cluster.namespace("callers")?;
    for address in addresses(cluster)? {
        // Not JSON of a review, but it was looked at.
        ensure!(ask_without_certificate(cluster, &address)?.0 == "400");
    }
    let authority = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "api-servers", "namespace": NAMESPACE},
        "data": {"ca.crt": cluster.webhook_client_ca()?},
    });
    cluster.apply(&authority.to_string())?;
    let guarded = |name: &str| {
        format!("--set tls.clientCA.configMapName=api-servers,tls.clientCA.names={{{name}}}")
    };

    cluster.release.upgrade(&guarded(API_SERVER))?;
    let bad = service(
        "bad",
        &[("id", "lb-bp1example"), ("vgroup-port", "rsp-bp1x:80"), ("weight", "101")],
    );
    refused(&namespace.kubectl("create", &bad.to_string())?, "CLB001")?;
    silent(&namespace.kubectl("create", &migrated(&namespace.name, "web", "20").to_string())?)?;
    for address in addresses(cluster)? {
        let (status, body) = ask_without_certificate(cluster, &address)?;
        ensure!(status == "403" && body.contains("this connection has none"), "{status}: {body}");
    }

    // Nobody has a certificate of this name. The Pods are Ready all the same, and the reason reaches
    // those who wonder.
    let arguments = cluster.release.arguments();
    cluster.release.helm(&format!("upgrade {arguments} {} --wait", guarded("nobody")))?;
    try_wait_for("API servers to be refused", DEADLINE, || {
        let output = namespace.kubectl("create --dry-run=server", &bad.to_string())?;
        let reason = format!("the client certificate is for {API_SERVER}");
        Ok((output.code != 0 && output.stderr.contains(&reason)).then_some(()))
    })?;
    cluster.release.upgrade("")
}
