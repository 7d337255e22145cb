//! Clusters with the webhook in them, and the namespaces of tests there.

use std::{
    collections::BTreeMap,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::{Helm, NAMESPACE, Release, Tools};
use clbmigrate_testbed::{Cluster, Testbed, Version};
use clbmigrate_testkit::{CommandOutput, Kubectl, Prepared};
use serde_json::{Value, json};

use crate::{ClusterUse, brownfield, manifests};

/// Long enough for everything that is waited for.
pub const DEADLINE: Duration = Duration::from_secs(180);
/// The id of both clusters, as ACK tells it.
pub const CLUSTER_ID: &str = "c0a0000000000000000000000000000a1";

/// The clusters of all tests.
pub struct TestClusters {
    states: BTreeMap<&'static str, ClusterState>,
    programs: Prepared<BuiltPrograms>,
}

struct ClusterState {
    version: Version,
    /// Held to write by tests that need the cluster for themselves.
    exclusive: RwLock<()>,
    /// Whether the webhook is installed.
    installed: Prepared<()>,
}

/// Programs for all clusters.
#[derive(Clone)]
struct BuiltPrograms {
    tools: Tools,
    helm: Helm,
    webhook: PathBuf,
}

impl TestClusters {
    pub fn new(clusters: &[(&'static str, Version)]) -> Self {
        let state = |version| ClusterState {
            version,
            exclusive: RwLock::new(()),
            installed: Prepared::default(),
        };
        let states = clusters.iter().map(|(name, version)| (*name, state(*version))).collect();
        Self { states, programs: Prepared::default() }
    }

    pub fn version(&self, cluster: &str) -> Version {
        self.states[cluster].version
    }

    /// Runs a test in a cluster, after the webhook was installed there.
    pub fn run_case(
        &self,
        testbed: &Testbed,
        cluster: &str,
        cluster_use: ClusterUse,
        test: fn(&TestCluster<'_>) -> Result<()>,
    ) -> Result<()> {
        let BuiltPrograms { tools, helm, webhook } = self.programs.get(|| {
            Ok(BuiltPrograms {
                tools: Tools::build()?,
                helm: Helm::provide()?,
                webhook: Release::program()?,
            })
        })?;
        let state = &self.states[cluster];
        let cluster = testbed.cluster(cluster)?;
        let release = Release::of(cluster.clone(), helm.clone());
        state.installed.get(|| install(&cluster, &release, &webhook))?;
        let kubectl = Kubectl::new(cluster, &[tools.folder(), helm.folder()?])?;
        let cluster = TestCluster { testbed, release, tools, kubectl };
        match cluster_use {
            ClusterUse::Parallel => {
                let _parallel = state.exclusive.read().unwrap_or_else(PoisonError::into_inner);
                test(&cluster)
            }
            ClusterUse::Exclusive => {
                let _exclusive = state.exclusive.write().unwrap_or_else(PoisonError::into_inner);
                test(&cluster)
            }
        }
    }
}

/// Installs the webhook, where Services with mistakes are already.
fn install(cluster: &Cluster<'_>, release: &Release<'_>, webhook: &Path) -> Result<()> {
    cluster.apply(&manifests::cluster_profile(CLUSTER_ID).to_string())?;
    brownfield::prepare(cluster)?;
    release.prepare(webhook)?;
    release.upgrade("").context("the webhook is not installed")
}

/// A cluster with the webhook in it.
pub struct TestCluster<'b> {
    pub testbed: &'b Testbed,
    pub release: Release<'b>,
    pub tools: Tools,
    kubectl: Kubectl<'b>,
}

impl<'b> Deref for TestCluster<'b> {
    type Target = Cluster<'b>;

    fn deref(&self) -> &Cluster<'b> {
        &self.kubectl.cluster
    }
}

impl<'b> TestCluster<'b> {
    /// Runs kubectl with these arguments, separated by spaces, and with a manifest unless it is empty,
    /// until claims are settled.
    pub fn kubectl(&self, arguments: &str, manifest: &str) -> Result<CommandOutput> {
        self.kubectl.run_until_settled(arguments, manifest, DEADLINE)
    }

    /// Runs a script in a shell with kubectl, the plugin and helm on PATH.
    pub fn shell(&self, script: &str) -> Result<CommandOutput> {
        self.kubectl.shell(script)
    }

    /// Makes a namespace.
    pub fn namespace(&self, name: &str) -> Result<TestNamespace<'_, 'b>> {
        self.namespace_with_labels(name, &json!({}))
    }

    /// Makes a namespace with labels.
    pub fn namespace_with_labels(
        &self,
        name: &str,
        labels: &Value,
    ) -> Result<TestNamespace<'_, 'b>> {
        self.apply(&manifests::namespace(name, labels).to_string())?;
        Ok(self.existing_namespace(name))
    }

    /// The names of the webhook's Pods.
    pub fn pods(&self) -> Result<Vec<String>> {
        let arguments =
            format!("get pods -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook -o name");
        let listed = self.kubectl(&arguments, "")?.expect_code(0)?.stdout;
        Ok(listed.lines().filter_map(|line| line.strip_prefix("pod/")).map(str::to_owned).collect())
    }

    /// A namespace that is there already.
    pub fn existing_namespace(&self, name: &str) -> TestNamespace<'_, 'b> {
        TestNamespace { cluster: self, name: name.to_owned() }
    }
}

/// A namespace of a test's own, which is deleted when the test ends.
pub struct TestNamespace<'s, 'b> {
    pub cluster: &'s TestCluster<'b>,
    pub name: String,
}

impl TestNamespace<'_, '_> {
    /// Runs kubectl in this namespace.
    pub fn kubectl(&self, arguments: &str, manifest: &str) -> Result<CommandOutput> {
        self.cluster.kubectl(&format!("{arguments} -n {}", self.name), manifest)
    }

    /// The same without a manifest; it must succeed.
    pub fn kubectl_ok(&self, arguments: &str) -> Result<CommandOutput> {
        self.kubectl(arguments, "")?.expect_code(0).with_context(|| arguments.to_owned())
    }

    /// Applies an object, which must succeed without a warning.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let output = self.kubectl("apply", &object.to_string())?.expect_code(0)?;
        ensure!(output.stderr.is_empty(), "{}", output.stderr);
        Ok(())
    }

    /// An object, as the API server has it.
    pub fn get(&self, object: &str) -> Result<Value> {
        self.kubectl_ok(&format!("get {object} -o json"))?.json()
    }

    /// The items of a list.
    pub fn list(&self, what: &str) -> Result<Vec<Value>> {
        let list = self.get(what)?;
        list["items"].as_array().cloned().context("no list")
    }

    /// Whether there is such an object.
    pub fn has(&self, object: &str) -> Result<bool> {
        let found = self.kubectl_ok(&format!("get {object} --ignore-not-found -o name"))?;
        Ok(!found.stdout.trim().is_empty())
    }

    /// CCM's weight of a Service, empty if it has none.
    pub fn weight(&self, name: &str) -> Result<String> {
        let service = self.get(&format!("service/{name}"))?;
        let weight = &service["metadata"]["annotations"][manifests::key("weight")];
        Ok(weight.as_str().unwrap_or_default().to_owned())
    }
}

impl Drop for TestNamespace<'_, '_> {
    fn drop(&mut self) {
        // What stays only costs time: the testbed ends after the last test.
        let _ = self.cluster.kubectl(&format!("delete namespace {} --wait=false", self.name), "");
    }
}

/// Demands that something was refused for these reasons, and by the webhook.
pub fn refused(output: &CommandOutput, rule: &str) -> Result<()> {
    let by_us = output.stderr.contains("admission webhook \"clbmigrate-validate-");
    ensure!(
        output.code != 0 && by_us,
        "not refused by the webhook:\n{}\n{}",
        output.stdout,
        output.stderr
    );
    ensure!(output.stderr.contains(rule), "refused, but not for {rule}:\n{}", output.stderr);
    Ok(())
}

/// Demands that something passed, and that kubectl printed a warning with these words.
pub fn warned(output: &CommandOutput, rule: &str) -> Result<()> {
    ensure!(output.code == 0, "it did not pass:\n{}\n{}", output.stdout, output.stderr);
    let has =
        output.stderr.lines().any(|line| line.starts_with("Warning: ") && line.contains(rule));
    ensure!(has, "no warning with {rule}:\n{}\n{}", output.stdout, output.stderr);
    Ok(())
}

/// Demands that something passed without a word of warning.
pub fn silent(output: &CommandOutput) -> Result<()> {
    ensure!(
        output.code == 0 && output.stderr.is_empty(),
        "not in silence:\n{}\n{}",
        output.stdout,
        output.stderr
    );
    Ok(())
}
