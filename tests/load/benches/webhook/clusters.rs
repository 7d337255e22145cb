//! Two clusters that hold Services and otherwise rest.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_bed::{Bed, Cluster, Plan, Version};
use clbmigrate_load::review::{NAMESPACE, manifest};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::Service;
use kube::api::PostParams;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Api, Client, Config};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

/// Requests at once while Services are created.
const AT_ONCE: usize = 32;

/// The clusters `few` and `many`, whose nodes are objects only.
pub(crate) struct Clusters {
    bed: Bed,
}

impl Clusters {
    /// Starts them and creates so many Services in either.
    pub fn start(few: u32, many: u32) -> Result<Self> {
        let plan = Plan::new().cluster("few", Version::NEWEST).cluster("many", Version::NEWEST);
        let bed = Bed::start(&plan)?;
        let sizes = [("few", few), ("many", many)];
        for (cluster, _) in sizes {
            bed.cluster(cluster)?.ask(&["create", "namespace", NAMESPACE])?;
        }
        rest(bed.folder())?;
        for (cluster, _) in sizes {
            add_nodes(&bed.cluster(cluster)?)?;
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for (cluster, services) in sizes {
            let kubeconfig = bed.cluster(cluster)?.kubeconfig();
            runtime
                .block_on(create(&kubeconfig, services))
                .with_context(|| format!("create {services} Services in the cluster {cluster}"))?;
        }
        Ok(Self { bed })
    }

    /// Where their files are.
    pub fn folder(&self) -> &Path {
        self.bed.folder()
    }

    /// The kubeconfig of a cluster's admin.
    pub fn kubeconfig(&self, cluster: &str) -> Result<PathBuf> {
        Ok(self.bed.cluster(cluster)?.kubeconfig())
    }
}

/// Three nodes that are Ready, for no cluster with a CLB in front is without.
fn add_nodes(cluster: &Cluster<'_>) -> Result<()> {
    for number in 1..=3 {
        let name = format!("node-{number}");
        let node = json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "spec": {"providerID": format!("cn-example.i-bp1node{number}")},
        });
        cluster.apply(&node.to_string())?;
        let ready = json!({"status": {
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.33.1"},
        }});
        let ready = ready.to_string();
        cluster.ask(&[
            "patch",
            "node",
            &name,
            "--subresource=status",
            "--type=merge",
            "-p",
            &ready,
        ])?;
    }
    Ok(())
}

async fn create(kubeconfig: &Path, services: u32) -> Result<()> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let api = Api::<Service>::namespaced(Client::try_from(config)?, NAMESPACE);
    let (api, post) = (&api, &PostParams::default());
    let create = |number| async move {
        let service: Service = serde_json::from_value(manifest(number))?;
        let created = api.create(post, &service).await?;
        anyhow::Ok(u32::from(created.metadata.uid.is_some()))
    };
    let created = stream::iter((0..services).map(create)).buffer_unordered(AT_ONCE);
    let created = created.try_fold(0, |sum, one| std::future::ready(Ok(sum + one))).await?;
    ensure!(created == services, "{created} were created");
    Ok(())
}

/// Stops the clusters' controllers, which would write endpoints of 10,000 Services for minutes, 20
/// a second, on the cores that are measured. They end with the bed all the same.
fn rest(folder: &Path) -> Result<()> {
    let folder = folder.to_str().context("folders of beds are ASCII")?;
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
    ensure!(stopped == 4, "{stopped} controllers of two clusters were found");
    Ok(())
}
