//! A certificate from elsewhere, in the form in which cert-manager keeps it, that is replaced while it is
//! mounted.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context, Result, ensure};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_load::certificates;
use clbmigrate_testbed::{Network, try_wait_for};
use rustls::pki_types::ServerName;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

use crate::{
    Case, ClusterUse::Exclusive, constant_reviews::ConstantReviews, hostile::in_runtime, pods::Pod,
    test_cluster::TestCluster,
};

pub const CASES: &[Case] = &[(
    "a mounted certificate of another authority replaces the old one, and no call fails",
    Exclusive,
    replaced,
)];

const NAME: &str = "webhook-tls";
const SERVER_NAME: &str = "clbmigrate-webhook.clbmigrate-system.svc";
/// How long kubelet may take to write what it mounts anew, and the webhook to take it.
const DEADLINE: Duration = Duration::from_secs(180);
/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
const ENOUGH: usize = 60;

fn replaced(cluster: &TestCluster<'_>) -> Result<()> {
    cluster.wait()?;
    let folder = cluster.kubeconfig().with_file_name("mounted");
    let (first, second) = (folder.join("first"), folder.join("second"));
    certificates::make(&first, &[SERVER_NAME])?;
    certificates::make(&second, &[SERVER_NAME])?;
    cluster.apply(&secret(&first)?.to_string())?;
    cluster.upgrade(&format!("--set tls.mode=secret,tls.secretName={NAME}"))?;
    let told = ConstantReviews::during(cluster, "mounted", |reviews| {
        wait_until_served(cluster, &first)?;
        cluster.apply(&secret(&second)?.to_string())?;
        // kubelet looks at what it mounts when it looks at the Pod.
        cluster.kubectl_ok(
            &format!("annotate pods -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook --overwrite example.com/looked-at=now"),
            "",
        )?;
        wait_until_served(cluster, &second)?;
        reviews.wait_for_more(ENOUGH)
    });
    cluster.upgrade("")?;
    cluster.kubectl_ok(&format!("delete secret {NAME} -n {NAMESPACE}"), "")?;
    let (reviews, ()) = told?;
    reviews.ensure_all_judged("a mounted certificate was replaced by one of another authority")
}

/// A Secret as cert-manager writes it.
fn secret(folder: &Path) -> Result<Value> {
    let file = |name: &str| -> Result<String> {
        let file = folder.join(name);
        let text = fs::read(&file).with_context(|| format!("{}", file.display()))?;
        Ok(BASE64_STANDARD.encode(text))
    };
    Ok(json!({
        "apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls",
        "metadata": {
            "name": NAME, "namespace": NAMESPACE,
            "annotations": {
                "cert-manager.io/certificate-name": NAME,
                "cert-manager.io/issuer-kind": "Issuer",
            },
        },
        "data": {
            "tls.crt": file("tls.crt")?, "tls.key": file("tls.key")?, "ca.crt": file("ca.crt")?,
        },
    }))
}

/// Waits until every replica shows a certificate of this folder's authority.
fn wait_until_served(cluster: &TestCluster<'_>, folder: &Path) -> Result<()> {
    let tls = TlsConnector::from(certificates::client_config(folder)?);
    let replicas = Pod::replicas(cluster)?;
    try_wait_for("all replicas to show it", DEADLINE, || {
        let shown = replicas.iter().map(|replica| shows(cluster, replica, &tls));
        let shown = shown.collect::<Result<Vec<bool>>>()?;
        ensure!(!shown.is_empty(), "no replica");
        Ok(shown.into_iter().all(|it| it).then_some(()))
    })
}

fn shows(cluster: &TestCluster<'_>, replica: &Pod, tls: &TlsConnector) -> Result<bool> {
    let address = replica.reviews();
    let tls = tls.clone();
    cluster.testbed.run_in(Network::Internet, || {
        in_runtime(async move {
            let handshake = async {
                let stream = TcpStream::connect(address).await?;
                tls.connect(ServerName::try_from(SERVER_NAME)?, stream).await?;
                anyhow::Ok(())
            };
            Ok(matches!(timeout(HANDSHAKE, handshake).await, Ok(Ok(()))))
        })
    })
}
