//! A Pod that anybody may have, and what can be sent from its network to the webhook.

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result};
use base64::{Engine as _, prelude::BASE64_STANDARD};
use clbmigrate_testbed::run_in;
use clbmigrate_testkit::manifests::deployment;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    runtime,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::{pods::Pod, test_cluster::TestCluster};

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(30);

/// The network of a Pod in a namespace of its own, and what its programs need to speak to the webhook.
pub struct HostilePod {
    network: PathBuf,
    attacker: Attacker,
}

impl HostilePod {
    /// Starts the Pod. The namespace ends with the value that goes with it.
    pub fn start(cluster: &TestCluster<'_>, namespace: &str) -> Result<Self> {
        cluster
            .kubectl_ok(&format!("apply -n {namespace}"), &deployment("hostile", 1).to_string())?;
        let rollout = "rollout status deployment/hostile --timeout=90s";
        cluster.kubectl_ok(&format!("{rollout} -n {namespace}"), "")?;
        let pods = Pod::list(cluster, namespace, "app=hostile")?;
        let network = pods.first().context("a Pod")?.network()?;
        Ok(Self { network, attacker: Attacker::new(cluster)? })
    }

    /// Runs an attack in a runtime in the Pod's network.
    pub fn run<T: Send, F: Future<Output = Result<T>>>(
        &self,
        attack: impl FnOnce(Attacker) -> F + Send,
    ) -> Result<T> {
        run_in(&self.network, || in_runtime(attack(self.attacker.clone())))
    }
}

/// Runs what may be waited for.
pub fn in_runtime<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let done = runtime.block_on(work);
    // Connections that are still held end here.
    runtime.shutdown_background();
    done
}

/// What speaks to the webhook without being an API server.
#[derive(Clone)]
pub struct Attacker {
    tls: TlsConnector,
    name: ServerName<'static>,
}

/// An answer of the webhook.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl HttpAnswer {
    /// Whether a review was allowed, and the reason if it was not.
    pub fn verdict(&self) -> Result<(bool, String)> {
        let review: Value = serde_json::from_str(&self.body)
            .with_context(|| format!("{} {}", self.status, self.body))?;
        let response = &review["response"];
        let message = response["status"]["message"].as_str().unwrap_or_default();
        Ok((response["allowed"] == true, message.to_owned()))
    }
}

impl Attacker {
    /// It trusts the authority that is told to API servers, and knows no key.
    pub fn new(cluster: &TestCluster<'_>) -> Result<Self> {
        let hook = "validatingwebhookconfiguration/clbmigrate-validate-services";
        let hook = cluster.kubectl_ok(&format!("get {hook} -o json"), "")?.json()?;
        let bundle = hook["webhooks"][0]["clientConfig"]["caBundle"].as_str().context("bundle")?;
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(&BASE64_STANDARD.decode(bundle)?) {
            roots.add(certificate?)?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("clbmigrate-webhook.clbmigrate-system.svc")?;
        Ok(Self { tls: Arc::new(tls).into(), name })
    }

    /// A connection, after its handshake.
    pub async fn connect(&self, to: SocketAddr) -> Result<TlsStream<TcpStream>> {
        let connect = async {
            let stream = TcpStream::connect(to).await?;
            self.tls.connect(self.name.clone(), stream).await
        };
        Ok(timeout(LIMIT, connect).await.context("no handshake")??)
    }

    /// Posts a body as a review of a Service.
    pub async fn post(&self, to: SocketAddr, body: &[u8]) -> Result<HttpAnswer> {
        let mut stream = self.connect(to).await?;
        let answer = async {
            stream.write_all(head(body.len()).as_bytes()).await?;
            // The webhook may answer before it has all, and close.
            let _ = stream.write_all(body).await;
            let mut answer = Vec::new();
            let read = stream.read_to_end(&mut answer).await;
            if answer.is_empty() {
                read?;
            }
            anyhow::Ok(String::from_utf8_lossy(&answer).into_owned())
        };
        let answer = timeout(LIMIT, answer).await.context("no answer")??;
        let (head, body) = answer.split_once("\r\n\r\n").context("no head")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok(HttpAnswer { status, head: head.to_owned(), body: body.to_owned() })
    }
}

/// The head of a request with a review.
pub fn head(length: usize) -> String {
    format!(
        "POST /validate-services?timeout=5s HTTP/1.1\r\nHost: clbmigrate-webhook\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
    )
}

/// The review of a creation, as an API server would send it.
pub fn review(namespace: &str, service: &Value) -> Value {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let uid = || format!("00000000-0000-4000-8000-{:012}", NEXT.fetch_add(1, Ordering::Relaxed));
    let kind = json!({"group": "", "version": "v1", "kind": "Service"});
    let resource = json!({"group": "", "version": "v1", "resource": "services"});
    let mut object = service.clone();
    object["metadata"]["namespace"] = namespace.into();
    object["metadata"]["uid"] = uid().into();
    object["metadata"]["creationTimestamp"] = "2026-01-01T00:00:00Z".into();
    json!({
        "kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1",
        "request": {
            "uid": uid(), "kind": kind, "resource": resource,
            "requestKind": kind, "requestResource": resource,
            "name": service["metadata"]["name"], "namespace": namespace, "operation": "CREATE",
            "userInfo": {"username": "kubernetes-admin", "groups": ["system:authenticated"]},
            "object": object, "oldObject": null, "dryRun": false,
            "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        },
    })
}
