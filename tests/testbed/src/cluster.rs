//! A cluster of a testbed, as tests use it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Context as _;

use crate::audit::{self, AuditEntry};
use crate::connection::{Connection, locked};
use crate::environment::environment;
use crate::kubeconfig::{KubeconfigContext, kubeconfig};
use crate::layout::{ClusterLayout, Layout, Node};
use crate::netns;
use crate::pki::{CertificateAuthority, Identity, Validity};
use crate::protocol::{Request, StopMode};
use crate::supervisor::leftovers::MARKER;
use crate::supervisor::run;
use crate::version::Version;
use crate::wait::try_wait_for;

/// How long an API server may take to write down what it has answered.
const AUDITED: Duration = Duration::from_secs(30);

/// One cluster of a testbed.
#[derive(Clone, Debug)]
pub struct Cluster<'a> {
    testbed: &'a Layout,
    layout: &'a ClusterLayout,
    connection: &'a Mutex<Connection>,
}

impl<'a> Cluster<'a> {
    pub(crate) fn new(
        testbed: &'a Layout,
        layout: &'a ClusterLayout,
        connection: &'a Mutex<Connection>,
    ) -> Self {
        Self { testbed, layout, connection }
    }

    /// The cluster's name, which is also that of its context in kubeconfigs.
    pub fn name(&self) -> &'a str {
        &self.layout.name
    }

    /// The version of Kubernetes.
    pub fn version(&self) -> Version {
        self.layout.version
    }

    /// The nodes; empty if the cluster consists of a control plane only.
    pub fn nodes(&self) -> &'a [Node] {
        &self.layout.nodes
    }

    /// The URL of the API server, `https://ADDRESS:6443`.
    pub fn api_server_url(&self) -> String {
        self.layout.api_server_url()
    }

    /// The path of the admin's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig("admin")
    }

    /// The path of the kubeconfig of the user `developer` in the group `developers`, who has no rights
    /// until a test grants some.
    pub fn developer_kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig("developer")
    }

    /// Writes a kubeconfig for a user of any name with a new client certificate, and returns its path.
    /// More than two groups are an error.
    pub fn kubeconfig_for(
        &self,
        user: &str,
        groups: &[&str],
        validity: Validity,
    ) -> anyhow::Result<PathBuf> {
        let authority = CertificateAuthority::open(&self.layout.pki())?;
        self.kubeconfig_with(user, &authority.client_certificate(user, groups, validity)?)
    }

    /// Writes a kubeconfig with this client certificate, and returns its path. `user` is only the name
    /// of the user in the file; the API server reads the user from the certificate.
    pub fn kubeconfig_with(&self, user: &str, identity: &Identity) -> anyhow::Result<PathBuf> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let text = kubeconfig(&[KubeconfigContext {
            cluster: self.name(),
            server: &self.api_server_url(),
            authority: Some(&self.ca_pem()?),
            user,
            identity,
        }]);
        // Names of users may contain what names of files may not.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = self.layout.folder.join(format!("user-{}-{number}", std::process::id()));
        fs::write(&file, text).with_context(|| format!("{}", file.display()))?;
        Ok(file)
    }

    /// The certificate of the authority that signs all certificates of the cluster, as PEM.
    pub fn ca_pem(&self) -> anyhow::Result<String> {
        Ok(CertificateAuthority::open(&self.layout.pki())?.certificate)
    }

    /// The certificate of the authority that signs what the API server shows to admission webhooks that
    /// ask for a client certificate, as PEM. The common name there is `kube-apiserver-admission`.
    pub fn webhook_client_ca(&self) -> anyhow::Result<String> {
        Ok(CertificateAuthority::open(&self.layout.webhook_client_pki())?.certificate)
    }

    /// The admin's certificate and key.
    pub fn client_certificate(&self) -> anyhow::Result<Identity> {
        Identity::read(&self.layout.pki(), "admin")
    }

    /// A new certificate, valid for these names and addresses, for a server that clients of this
    /// cluster trust, such as a webhook.
    pub fn server_certificate(&self, names: &[&str]) -> anyhow::Result<Identity> {
        let name = names.first().copied().unwrap_or("server");
        CertificateAuthority::open(&self.layout.pki())?.server_certificate(
            name,
            names,
            Validity::Valid,
        )
    }

    /// The path of a program of this cluster's version: `kubectl`, `kube-apiserver` and so on.
    pub fn program(&self, name: &str) -> PathBuf {
        self.testbed.binaries.kubernetes(self.layout.version).join(name)
    }

    /// kubectl of the cluster's version as its admin, at home in an empty folder, in the testbed's
    /// network. It ends with the testbed.
    pub fn kubectl(&self) -> Command {
        self.command(self.program("kubectl"))
    }

    /// Another program that is to find the cluster as [`Self::kubectl`] does.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = netns::command_in(self.testbed.namespace.as_deref(), program);
        command.env_clear().envs(self.environment());
        command
    }

    /// The whole environment of such a program, for those who start it themselves: what
    /// [`environment`] keeps, an empty folder as its home, and the admin's kubeconfig.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let mut variables = environment(&self.testbed.home());
        variables.push(("KUBECONFIG", self.kubeconfig().display().to_string()));
        variables.push((MARKER, self.testbed.folder.display().to_string()));
        variables
    }

    /// Runs kubectl as the admin and returns its standard output. If it fails, the error contains its
    /// standard error.
    pub fn run_kubectl(&self, arguments: &[&str]) -> anyhow::Result<String> {
        run(self.kubectl().args(arguments))
    }

    /// Applies manifests, YAML or JSON, as the admin.
    pub fn apply(&self, manifests: &str) -> anyhow::Result<()> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = self.layout.folder.join(format!("apply-{}-{number}.yaml", std::process::id()));
        fs::write(&file, manifests).with_context(|| format!("{}", file.display()))?;
        let applied = run(self.kubectl().arg("apply").arg("-f").arg(&file));
        fs::remove_file(&file).with_context(|| format!("{}", file.display()))?;
        applied.map(drop)
    }

    /// All requests that the API server has answered so far, in the order of the answers. An error if
    /// the server does not answer: this asks it once, and waits until that request is in the log.
    pub fn audit(&self) -> anyhow::Result<Vec<AuditEntry>> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Entries are written in the order of answers, but a moment after them: the last one is
        // there when one that came after it is there.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mark = format!("/version?mark={}-{number}", std::process::id());
        self.run_kubectl(&["get", "--raw", &mark])?;
        try_wait_for("the audit log to be complete", AUDITED, || {
            let entries = self.audit_as_written()?;
            let complete = entries.iter().any(|entry| entry.request_uri == mark);
            Ok(complete.then(|| {
                entries.into_iter().filter(|entry| !entry.request_uri.contains("?mark=")).collect()
            }))
        })
    }

    /// The requests that are in the audit log now, whether the API server runs or not. The last
    /// answers may be missing.
    pub fn audit_as_written(&self) -> anyhow::Result<Vec<AuditEntry>> {
        audit::read(&self.layout.audit_log())
    }

    /// Stops the API server; one that does not run is an error.
    pub fn stop_api_server(&self, how: StopMode) -> anyhow::Result<()> {
        let cluster = self.name().to_owned();
        self.request(&Request::StopApiServer { cluster, how })
    }

    /// Starts the API server at the same address, or lets a hanging one go on, and waits until it
    /// is ready. One that runs with another certificate is restarted.
    pub fn start_api_server(&self, certificate: Validity) -> anyhow::Result<()> {
        let cluster = self.name().to_owned();
        self.request(&Request::StartApiServer { cluster, certificate })
    }

    /// Imports the images of an archive, such as [`crate::image::write`] makes, on all nodes. A cluster
    /// without nodes is an error.
    pub fn import_image(&self, archive: &Path) -> anyhow::Result<()> {
        let (cluster, archive) = (self.name().to_owned(), archive.canonicalize()?);
        self.request(&Request::ImportImage { cluster, archive })
    }

    fn request(&self, request: &Request) -> anyhow::Result<()> {
        locked(self.connection).request(request)
    }
}
