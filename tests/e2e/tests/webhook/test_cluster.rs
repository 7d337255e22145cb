//! Clusters with the webhook in them, and what tests do there.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError, RwLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::{Helm, NAMESPACE, Ran, Release, Tools, ran};
use clbmigrate_testbed::{Bed, Cluster, Version};
use serde_json::{Value, json};

use crate::{Share, brownfield};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// What CCM calls both clusters' id, as ACK tells it.
pub const CLUSTER_ID: &str = "c0a0000000000000000000000000000a1";

/// The clusters of all tests.
pub struct Cast {
    roles: BTreeMap<&'static str, Role>,
    /// The error is why there are none.
    props: Mutex<Option<Result<Props, String>>>,
}

struct Role {
    version: Version,
    /// Held to write by those who need the cluster alone.
    alone: RwLock<()>,
    /// Whether the webhook is there; the error is why it cannot be.
    ready: Mutex<Option<Result<(), String>>>,
}

/// The number of the next manifest.
static NEXT: AtomicU32 = AtomicU32::new(0);

/// Programs for all clusters.
#[derive(Clone)]
struct Props {
    tools: Tools,
    helm: Helm,
    webhook: PathBuf,
}

impl Cast {
    pub fn new(clusters: &[(&'static str, Version)]) -> Self {
        let role = |version| Role { version, alone: RwLock::new(()), ready: Mutex::new(None) };
        let roles = clusters.iter().map(|(name, version)| (*name, role(*version))).collect();
        Self { roles, props: Mutex::new(None) }
    }

    pub fn version(&self, cluster: &str) -> Version {
        self.roles[cluster].version
    }

    /// Runs a test in a cluster where the webhook is.
    pub fn play(
        &self,
        bed: &Bed,
        cluster: &str,
        share: Share,
        test: fn(&Stage<'_>) -> Result<()>,
    ) -> Result<()> {
        let Props { tools, helm, webhook } = once(&self.props, || {
            Ok(Props {
                tools: Tools::build()?,
                helm: Helm::provide()?,
                webhook: Release::program()?,
            })
        })?;
        let role = &self.roles[cluster];
        let cluster = bed.cluster(cluster)?;
        let release = Release::of(cluster.clone(), helm.clone());
        once(&role.ready, || install(&cluster, &release, &webhook))?;
        let stage = Stage { bed, cluster, release, tools, helm };
        match share {
            Share::Beside => {
                let _beside = role.alone.read().unwrap_or_else(PoisonError::into_inner);
                test(&stage)
            }
            Share::Alone => {
                let _alone = role.alone.write().unwrap_or_else(PoisonError::into_inner);
                test(&stage)
            }
        }
    }
}

/// What the first one makes for all; a failure is not tried again, because it would only take long
/// again.
fn once<T: Clone>(
    cell: &Mutex<Option<Result<T, String>>>,
    make: impl FnOnce() -> Result<T>,
) -> Result<T> {
    let mut cell = cell.lock().unwrap_or_else(PoisonError::into_inner);
    let done = cell.get_or_insert_with(|| make().map_err(|error| format!("{error:#}")));
    done.clone().map_err(anyhow::Error::msg)
}

/// Installs the webhook, where Services with mistakes are already.
fn install(cluster: &Cluster<'_>, release: &Release<'_>, webhook: &Path) -> Result<()> {
    let id = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "ack-cluster-profile", "namespace": "kube-system"},
        "data": {"clusterid": CLUSTER_ID},
    });
    cluster.apply(&id.to_string())?;
    brownfield::prepare(cluster)?;
    release.prepare(webhook)?;
    release.upgrade("").context("the webhook is not installed")
}

/// A cluster with the webhook in it.
pub struct Stage<'b> {
    pub bed: &'b Bed,
    pub cluster: Cluster<'b>,
    pub release: Release<'b>,
    pub tools: Tools,
    pub helm: Helm,
}

impl<'b> Stage<'b> {
    /// Runs kubectl with these arguments, separated by spaces, and with a manifest if there is one.
    pub fn kubectl(&self, arguments: &str, manifest: &str) -> Result<Ran> {
        let mut command = self.cluster.kubectl();
        command.args(arguments.split_whitespace());
        if manifest.is_empty() {
            return ran(&mut command);
        }
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let file = self.cluster.kubeconfig().with_file_name(format!("manifest-{number}.yaml"));
        fs::write(&file, manifest)?;
        let ran = ran(command.arg("-f").arg(&file));
        fs::remove_file(&file)?;
        ran
    }

    /// A new namespace.
    pub fn place(&self, name: &str) -> Result<Place<'_, 'b>> {
        self.labelled_place(name, &json!({}))
    }

    /// A new namespace with labels.
    pub fn labelled_place(&self, name: &str, labels: &Value) -> Result<Place<'_, 'b>> {
        let metadata = json!({"name": name, "labels": labels});
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata});
        self.cluster.apply(&namespace.to_string())?;
        Ok(self.known_place(name))
    }

    /// The names of the webhook's Pods.
    pub fn pods(&self) -> Result<Vec<String>> {
        let arguments =
            format!("get pods -n {NAMESPACE} -l app.kubernetes.io/name=clbmigrate-webhook -o name");
        let listed = self.kubectl(&arguments, "")?.ends_with(0)?.out;
        Ok(listed.lines().filter_map(|line| line.strip_prefix("pod/")).map(str::to_owned).collect())
    }

    /// A namespace that is there already.
    pub fn known_place(&self, name: &str) -> Place<'_, 'b> {
        Place { stage: self, name: name.to_owned() }
    }
}

/// A namespace of a test's own, which goes when the test ends.
pub struct Place<'s, 'b> {
    pub stage: &'s Stage<'b>,
    pub name: String,
}

impl Place<'_, '_> {
    /// kubectl in this namespace.
    pub fn kubectl(&self, arguments: &str, manifest: &str) -> Result<Ran> {
        self.stage.kubectl(&format!("{arguments} -n {}", self.name), manifest)
    }

    /// kubectl, which must succeed.
    pub fn done(&self, arguments: &str) -> Result<Ran> {
        self.kubectl(arguments, "")?.ends_with(0).with_context(|| arguments.to_owned())
    }

    /// Applies an object, which must succeed without a word of warning.
    pub fn apply(&self, object: &Value) -> Result<()> {
        let ran = self.kubectl("apply", &object.to_string())?.ends_with(0)?;
        ensure!(ran.err.is_empty(), "{}", ran.err);
        Ok(())
    }

    /// An object, as the API server has it.
    pub fn get(&self, object: &str) -> Result<Value> {
        self.done(&format!("get {object} -o json"))?.json()
    }

    /// The items of a list.
    pub fn list(&self, what: &str) -> Result<Vec<Value>> {
        let list = self.get(what)?;
        list["items"].as_array().cloned().context("no list")
    }

    /// Whether there is such an object.
    pub fn has(&self, object: &str) -> Result<bool> {
        let found = self.done(&format!("get {object} --ignore-not-found -o name"))?;
        Ok(!found.out.trim().is_empty())
    }
}

impl Drop for Place<'_, '_> {
    fn drop(&mut self) {
        // What stays only costs time: the bed ends after the last test.
        let _ = self.stage.kubectl(&format!("delete namespace {} --wait=false", self.name), "");
    }
}

/// Demands that something was refused for these reasons, and by the webhook.
pub fn refused(ran: &Ran, rule: &str) -> Result<()> {
    let by_us = ran.err.contains("admission webhook \"clbmigrate-validate-");
    ensure!(ran.code != 0 && by_us, "not refused by the webhook:\n{}\n{}", ran.out, ran.err);
    ensure!(ran.err.contains(rule), "refused, but not for {rule}:\n{}", ran.err);
    Ok(())
}

/// Demands that something passed, and that kubectl printed a warning with these words.
pub fn warned(ran: &Ran, rule: &str) -> Result<()> {
    ensure!(ran.code == 0, "it did not pass:\n{}\n{}", ran.out, ran.err);
    let has = ran.err.lines().any(|line| line.starts_with("Warning: ") && line.contains(rule));
    ensure!(has, "no warning with {rule}:\n{}\n{}", ran.out, ran.err);
    Ok(())
}

/// Demands that something passed without a word of warning.
pub fn silent(ran: &Ran) -> Result<()> {
    ensure!(ran.code == 0 && ran.err.is_empty(), "not in silence:\n{}\n{}", ran.out, ran.err);
    Ok(())
}
