//! A user of kubectl and the plugin.

use std::{
    fmt::Display,
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Context;
use clbmigrate_fault_proxy::{FaultProxy, Upstream};
use clbmigrate_testbed::{Cluster, Testbed};
use clbmigrate_testkit::{
    CommandOutput, Kubectl,
    manifests::{endpoint_slice, key, list, node, service_in},
    run,
};
use serde_json::{Value, json};

use crate::tools::Tools;

/// Long enough for everything that is waited for.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A user of one cluster, with kubectl and the plugin, in a namespace of its own with a migrated
/// Service `web` of weight 20 over two nodes.
#[derive(Debug, Clone)]
pub struct User<'b> {
    /// The cluster.
    pub cluster: Cluster<'b>,
    /// The namespace.
    pub namespace: String,
    kubectl: Kubectl<'b>,
}

impl<'b> User<'b> {
    /// An admin in a new namespace.
    pub fn new(
        testbed: &'b Testbed,
        tools: &Tools,
        cluster: &str,
        namespace: &str,
    ) -> anyhow::Result<Self> {
        let cluster = testbed.cluster(cluster)?;
        let kubectl = Kubectl::new(cluster.clone(), &[tools.folder()])?;
        let user = Self { cluster, namespace: namespace.to_owned(), kubectl };
        user.cluster.run_kubectl(&["create", "namespace", namespace])?;
        user.apply(service_in(namespace, "web", &[("weight", "20")]))?;
        user.apply(endpoint_slice(namespace, "web", &["n1", "n2"]))?;
        Ok(user)
    }

    /// Makes Ready nodes of these names and instances; once a cluster.
    pub fn make_nodes(cluster: &Cluster<'_>, nodes: &[(&str, &str)]) -> anyhow::Result<()> {
        let manifests = nodes.iter().map(|(name, instance)| node(name, instance));
        cluster.apply(&list(&manifests.collect::<Vec<_>>()).to_string())?;
        let ready = json!({"status": {"conditions": [{
            "type": "Ready", "status": "True", "reason": "Test", "message": "",
            "lastHeartbeatTime": "2026-01-01T00:00:00Z",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }]}});
        let ready = ready.to_string();
        for (name, _) in nodes {
            let patch = ["patch", "node", name, "--subresource=status", "--type=merge", "-p"];
            cluster.run_kubectl(&[&patch[..], &[&ready]].concat())?;
        }
        Ok(())
    }

    /// This user with another kubeconfig.
    #[must_use]
    pub fn with_kubeconfig(&self, kubeconfig: impl Into<PathBuf>) -> Self {
        Self { kubectl: self.kubectl.with_kubeconfig(kubeconfig), ..self.clone() }
    }

    /// This user behind a fault proxy, in a context of the same name.
    pub fn behind_proxy(&self) -> anyhow::Result<(Self, FaultProxy)> {
        self.behind_proxy_as(self.cluster.name())
    }

    /// This user behind a fault proxy, in a context of another name.
    pub fn behind_proxy_as(&self, context: &str) -> anyhow::Result<(Self, FaultProxy)> {
        let identity = self.cluster.client_certificate()?;
        let proxy = FaultProxy::start(&Upstream {
            url: self.cluster.api_server_url(),
            ca_pem: self.cluster.ca_pem()?,
            client_cert_pem: Some(identity.certificate),
            client_key_pem: Some(identity.key),
        })?;
        let file = self.file("proxy.kubeconfig", &proxy.kubeconfig(context))?;
        Ok((self.with_kubeconfig(file), proxy))
    }

    /// Writes a file that belongs to the test.
    pub fn file(&self, name: &str, text: &str) -> anyhow::Result<PathBuf> {
        let folder = self.cluster.kubeconfig();
        let folder = folder.parent().context("the cluster's folder")?;
        let file = folder.join(format!("{}-{name}", self.namespace));
        fs::write(&file, text)?;
        Ok(file)
    }

    /// The kubeconfig in use.
    pub fn kubeconfig(&self) -> &Path {
        self.kubectl.kubeconfig()
    }

    /// A command for kubectl with the plugin on PATH and these arguments, separated by spaces.
    pub fn kubectl(&self, arguments: &str) -> Command {
        self.kubectl.command(arguments)
    }

    /// The whole environment of this user's programs, for terminals.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        self.kubectl.environment()
    }

    /// A command for `kubectl clbmigrate` in the namespace.
    pub fn command(&self, arguments: &str) -> Command {
        self.kubectl(&format!("clbmigrate {arguments} -n {}", self.namespace))
    }

    /// Runs `kubectl clbmigrate` in the namespace.
    pub fn run(&self, arguments: &str) -> anyhow::Result<CommandOutput> {
        run(&mut self.command(arguments))
    }

    /// Applies a manifest, YAML or JSON, as admin.
    pub fn apply(&self, manifest: impl Display) -> anyhow::Result<()> {
        self.cluster.apply(&manifest.to_string())
    }

    /// Runs plain kubectl in the namespace as admin, with arguments separated by spaces. It must succeed.
    pub fn ask(&self, arguments: &str) -> anyhow::Result<String> {
        let arguments = arguments.split_whitespace().chain(["-n", &self.namespace]);
        self.cluster.run_kubectl(&arguments.collect::<Vec<_>>())
    }

    /// Somebody else sets an annotation of Service `web`, written `KEY=VALUE`.
    pub fn annotate(&self, annotation: &str) -> anyhow::Result<()> {
        self.ask(&format!("annotate --overwrite service web {annotation}")).map(drop)
    }

    /// Somebody else sets the weight of Service `web`.
    pub fn set_weight(&self, weight: &str) -> anyhow::Result<()> {
        self.annotate(&format!("{}={weight}", key("weight")))
    }

    /// An annotation of Service `web` under CCM's prefix, empty where there is none.
    pub fn annotation(&self, name: &str) -> anyhow::Result<String> {
        let service = self.service()?;
        let value = service.pointer("/metadata/annotations").and_then(|of| of.get(key(name)));
        Ok(value.and_then(Value::as_str).unwrap_or_default().to_owned())
    }

    /// Service `web`, as the API server has it.
    pub fn service(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.ask("get service web -o json")?)?)
    }

    /// Whether CCM has finished a round over Service `web`.
    pub fn is_reconciled(&self) -> anyhow::Result<bool> {
        let service = self.service()?;
        let labels = service.pointer("/metadata/labels");
        Ok(labels.is_some_and(|labels| labels.get("service.beta.kubernetes.io/hash").is_some()))
    }

    /// How many writes of Service `web` the API server has stored that this tool made.
    pub fn writes(&self) -> anyhow::Result<usize> {
        let entries = self.cluster.audit()?;
        let ours = entries.iter().filter(|entry| {
            entry.is_write()
                && entry.resource == "services"
                && entry.namespace == self.namespace
                && entry.request_uri.contains("fieldManager=kubectl-clbmigrate")
        });
        Ok(ours.count())
    }
}
