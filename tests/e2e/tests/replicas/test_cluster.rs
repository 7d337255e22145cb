//! The cluster with two replicas of the webhook.

use std::{
    ops::Deref,
    sync::{Mutex, PoisonError, RwLock},
    time::Duration,
};

use anyhow::{Context, Result};
use clbmigrate_e2e::{Helm, NAMESPACE, Release};
use clbmigrate_testbed::{Cluster, Testbed, try_wait_for};
use clbmigrate_testkit::{CommandOutput, Kubectl, Prepared, manifests};
use serde_json::json;

use crate::{CLUSTER, ClusterUse, clients};

/// The id of the cluster, as ACK tells it.
const CLUSTER_ID: &str = "c0a0000000000000000000000000000a1";
/// Several Services of one cluster may share a group here, so that those who want the same port of the
/// same CLB are no rivals.
const VALUES: &str = "--set rules.CLB104=off";

/// The chart's default.
pub const REPLICAS: usize = 2;
/// How long Pods may take to go.
const DEADLINE: Duration = Duration::from_secs(90);

/// What tests share.
#[derive(Default)]
pub struct InstalledCluster {
    /// Helm, once the webhook is installed.
    helm: Prepared<Helm>,
    /// Held to write by tests that need the cluster for themselves.
    exclusive: RwLock<()>,
    /// Held by the test that loads the API server.
    load: Mutex<()>,
}

impl InstalledCluster {
    /// Runs a test after the webhook was installed.
    pub fn run_case(
        &self,
        testbed: &Testbed,
        cluster_use: ClusterUse,
        test: fn(&TestCluster<'_>) -> Result<()>,
    ) -> Result<()> {
        let cluster = testbed.cluster(CLUSTER)?;
        let helm = self.helm.get(|| install(&cluster))?;
        let release = Release::of(cluster.clone(), helm);
        let cluster = TestCluster { testbed, release, kubectl: Kubectl::new(cluster, &[])? };
        if cluster_use == ClusterUse::Exclusive {
            let _exclusive = self.exclusive.write().unwrap_or_else(PoisonError::into_inner);
            return test(&cluster);
        }
        let _parallel = self.exclusive.read().unwrap_or_else(PoisonError::into_inner);
        let _load = (cluster_use == ClusterUse::Load)
            .then(|| self.load.lock().unwrap_or_else(PoisonError::into_inner));
        test(&cluster)
    }
}

/// Installs the webhook and makes the users.
fn install(cluster: &Cluster<'_>) -> Result<Helm> {
    let helm = Helm::provide()?;
    cluster.apply(&manifests::cluster_profile(CLUSTER_ID).to_string())?;
    clients::make_users(cluster)?;
    let release = Release::of(cluster.clone(), helm.clone());
    release.prepare(&Release::program()?)?;
    release.upgrade(VALUES).context("the webhook is not installed")?;
    Ok(helm)
}

/// The cluster with the webhook in it.
pub struct TestCluster<'b> {
    pub testbed: &'b Testbed,
    release: Release<'b>,
    kubectl: Kubectl<'b>,
}

impl<'b> Deref for TestCluster<'b> {
    type Target = Cluster<'b>;

    fn deref(&self) -> &Cluster<'b> {
        &self.kubectl.cluster
    }
}

impl TestCluster<'_> {
    /// Runs kubectl with these arguments, separated by spaces, and with a manifest unless it is empty,
    /// until claims are settled.
    pub fn kubectl(&self, arguments: &str, manifest: &str) -> Result<CommandOutput> {
        self.kubectl.run_until_settled(arguments, manifest, DEADLINE)
    }

    /// The same; it must succeed.
    pub fn kubectl_ok(&self, arguments: &str, manifest: &str) -> Result<CommandOutput> {
        self.kubectl(arguments, manifest)?.expect_code(0).with_context(|| arguments.to_owned())
    }

    /// Runs kubectl once, whatever the webhook answers.
    pub fn run_once(&self, arguments: &str, manifest: &str) -> Result<CommandOutput> {
        self.kubectl.run(arguments, manifest)
    }

    /// Helm with these arguments, which must succeed.
    pub fn helm(&self, arguments: &str) -> Result<CommandOutput> {
        self.release.helm(arguments)
    }

    /// The number of the release's revision that is in force.
    pub fn revision(&self) -> Result<u64> {
        let history = self.helm(&format!("history clbmigrate -n {NAMESPACE} --max 1 -o json"))?;
        history.json()?[0]["revision"].as_u64().context("a revision")
    }

    /// Changes the installation by more of helm's arguments, and waits until it answers. What tests have
    /// changed with kubectl is helm's again.
    pub fn upgrade(&self, more: &str) -> Result<()> {
        self.release.upgrade(&format!("{VALUES} --force-conflicts {more}"))?;
        self.wait()
    }

    /// Waits until the webhook answers, and none of its former Pods does any more.
    pub fn wait(&self) -> Result<()> {
        self.release.wait()?;
        let all =
            format!("get pods -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook -o name");
        try_wait_for("the former Pods to go", DEADLINE, || {
            let pods = self.kubectl_ok(&all, "")?.stdout;
            Ok((pods.lines().count() == REPLICAS).then_some(()))
        })
    }

    /// Makes a namespace that is deleted when the value is dropped.
    pub fn namespace(&self, name: &str) -> Result<TestNamespace<'_>> {
        self.apply(&manifests::namespace(name, &json!({})).to_string())?;
        Ok(TestNamespace { cluster: self, name: name.to_owned() })
    }
}

/// A namespace of a test's own.
pub struct TestNamespace<'s> {
    cluster: &'s TestCluster<'s>,
    pub name: String,
}

impl Drop for TestNamespace<'_> {
    fn drop(&mut self) {
        // What stays only costs time: the testbed ends after the last test.
        let _ = self.cluster.kubectl(&format!("delete namespace {} --wait=false", self.name), "");
    }
}
