//! Filling clusters with many objects.

use std::fmt::Debug;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::api::{Patch, PatchParams, PostParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Requests at once while objects are created.
const AT_ONCE: usize = 32;

/// A client for the current context of a kubeconfig.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

/// Creates objects, 32 at a time. The first failure is returned.
pub async fn create<K>(api: &Api<K>, objects: impl Iterator<Item = Value>) -> Result<()>
where
    K: Clone + DeserializeOwned + Serialize + Debug,
{
    let post = &PostParams::default();
    let create = |object| async move {
        let object: K = serde_json::from_value(object)?;
        api.create(post, &object).await.map(drop).context("create an object")
    };
    stream::iter(objects.map(create)).buffer_unordered(AT_ONCE).try_collect().await
}

/// A Node object without a kubelet, named `node-NUMBER` with three digits.
pub fn node(number: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{number:03}")},
        "spec": {"providerID": format!("cn-example.i-bp1node{number:03}")},
    })
}

/// The same with the status of one that is Ready.
pub fn ready_node(number: u32) -> Value {
    let mut node = node(number);
    json_patch::merge(&mut node, &ready());
    node
}

fn ready() -> Value {
    json!({"status": {
        "conditions": [{"type": "Ready", "status": "True"}],
        "nodeInfo": {"kubeletVersion": "v1.33.1"},
    }})
}

/// Makes these nodes Ready.
pub async fn make_ready<K>(nodes: &Api<K>, numbers: impl Iterator<Item = u32>) -> Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let status = &Patch::Merge(ready());
    let patch = |number| async move {
        let name = format!("node-{number:03}");
        let params = PatchParams::default();
        nodes.patch_status(&name, &params, status).await.map(drop).context(name)
    };
    stream::iter(numbers.map(patch)).buffer_unordered(AT_ONCE).try_collect().await
}

/// Reports the status of a node again, as its kubelet does every few minutes: nothing but a time is new.
pub async fn heartbeat<K>(nodes: &Api<K>, number: u32, time: &str) -> Result<()>
where
    K: Clone + DeserializeOwned + Debug,
{
    let status = json!({"status": {
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": time}],
    }});
    let (name, params) = (format!("node-{number:03}"), PatchParams::default());
    nodes.patch_status(&name, &params, &Patch::Merge(status)).await.map(drop).context(name)
}

/// Stops the controllers and schedulers of a testbed's clusters, which would write objects of their own
/// for minutes, on the cores that are measured. They end with the testbed all the same.
pub fn stop_controllers(folder: &Path, clusters: usize) -> Result<()> {
    let folder = folder.to_str().context("folders of testbeds are ASCII")?;
    let mut stopped = 0;
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else { continue };
        // It may have ended since.
        let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command).replace('\0', " ");
        let program = command.split(' ').next().unwrap_or_default();
        let is_controller = ["/kube-controller-manager", "/kube-scheduler"]
            .iter()
            .any(|name| program.ends_with(name));
        if is_controller && command.contains(&format!("{folder}/")) {
            let pid = Pid::from_raw(pid).context("a process has a number")?;
            kill_process(pid, Signal::STOP).with_context(|| format!("stop {program}"))?;
            stopped += 1;
        }
    }
    let all = 2 * clusters;
    ensure!(stopped == all, "{stopped} of {all} controllers were found");
    Ok(())
}
