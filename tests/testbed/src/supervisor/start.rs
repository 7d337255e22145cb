//! Starting everything in an order in which nothing waits longer than it must, and what a running
//! bed can do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::leftovers::MARKER;
use super::process::{Launch, Process, run};
use super::seat::Seat;
use super::{control_plane, network, node, proxy};
use crate::enter::inside;
use crate::image;
use crate::kubeconfig::{Access, kubeconfig};
use crate::pki::{Authority, Identity, Validity};
use crate::protocol::{Request, Start, Stop};
use crate::site::{ClusterSite, Node, Site};
use crate::wait::try_wait_for;

/// A bed and its processes.
pub(super) struct Running<'a> {
    site: Site,
    processes: BTreeMap<String, Process>,
    /// Of API servers that do not show a good certificate.
    expired: Vec<String>,
    end: Instant,
    deadline: Duration,
    /// Whether going on is of any use.
    wanted: &'a dyn Fn() -> anyhow::Result<()>,
}

impl<'a> Running<'a> {
    /// Starts a bed; returns when all of it is Ready.
    pub fn start(
        start: &Start,
        seat: &Seat,
        kept: bool,
        wanted: &'a dyn Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        start.plan.validate()?;
        let mut site = Site::new(&start.plan, start.binaries.clone(), seat.number, &seat.folder);
        site.kept = kept;
        let deadline = start.plan.deadline;
        let end = Instant::now() + deadline;
        let processes = BTreeMap::new();
        let mut running = Self { site, processes, expired: Vec::new(), end, deadline, wanted };
        running.bring_up(start.app.as_deref())?;
        Ok(running)
    }

    pub fn site(&self) -> &Site {
        &self.site
    }

    fn bring_up(&mut self, app: Option<&Path>) -> anyhow::Result<()> {
        let site = self.site.clone();
        for folder in [site.logs(), site.home()] {
            fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        }
        network::build(&site)?;
        for cluster in &site.clusters {
            control_plane::write(cluster)?;
            self.launch(control_plane::etcd(&site, cluster))?;
            self.launch(control_plane::api_server(&site, cluster))?;
            for node in &cluster.nodes {
                node::write(&site, cluster, node)?;
                self.launch(node::containerd(&site, node)?)?;
            }
        }
        for cluster in &site.clusters {
            self.api_server_ready(cluster)?;
            self.launch(control_plane::controller_manager(&site, cluster))?;
            self.launch(control_plane::scheduler(&site, cluster))?;
            run(kubectl(&site, cluster)
                .arg("apply")
                .arg("-f")
                .arg(control_plane::objects(cluster)))?;
        }
        let archive = site.folder.join("images.tar");
        if let Some(app) = app {
            image::own(app, &archive)?;
        }
        for cluster in &site.clusters {
            for node in &cluster.nodes {
                self.start_node(cluster, node, &archive)?;
            }
        }
        for cluster in &site.clusters {
            self.ready(cluster)?;
        }
        for cluster in &site.clusters {
            self.services_ready(cluster)?;
        }
        tell(&site)
    }

    fn launch(&mut self, launch: Launch) -> anyhow::Result<()> {
        let marker = (MARKER.to_owned(), OsString::from(&self.site.folder));
        let name = launch.name.clone();
        let process = launch.start(&self.site.logs(), &marker)?;
        self.processes.insert(name, process);
        Ok(())
    }

    fn start_node(
        &mut self,
        cluster: &ClusterSite,
        node: &Node,
        archive: &Path,
    ) -> anyhow::Result<()> {
        let site = self.site.clone();
        let containerd = format!("{}-containerd", node.name);
        self.wait(&containerd, "containerd to answer", || Ok(node::answers(&site, node)))?;
        let containerd = self.process(&containerd)?;
        node::import(&site, node, containerd, archive)?;
        let kubelet = node::kubelet(&site, cluster, node, containerd);
        self.launch(kubelet)?;
        self.launch(proxy::on_node(&site, cluster, node)?)
    }

    fn api_server_ready(&mut self, cluster: &ClusterSite) -> anyhow::Result<()> {
        let site = self.site.clone();
        self.wait(&api_server(cluster), "the API server to be ready", || {
            Ok(run(kubectl(&site, cluster).args(["get", "--raw", "/readyz"])).is_ok())
        })
    }

    /// Waits until pods can be made, and run if there are nodes.
    fn ready(&mut self, cluster: &ClusterSite) -> anyhow::Result<()> {
        let site = self.site.clone();
        let controllers = format!("{}-kube-controller-manager", cluster.name);
        self.wait(&controllers, "the service account of pods", || {
            let mut command = kubectl(&site, cluster);
            Ok(run(command.args(["get", "serviceaccount", "default", "-n", "default"])).is_ok())
        })?;
        for node in &cluster.nodes {
            let kubelet = format!("{}-kubelet", node.name);
            self.wait(&kubelet, &format!("node {} to be Ready", node.name), || {
                let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
                let mut command = kubectl(&site, cluster);
                let status = run(command.args(["get", "node", &node.name, "-o", path]));
                Ok(status.is_ok_and(|status| status == "True"))
            })?;
        }
        match (cluster.nodes.first(), cluster.namespace.as_deref()) {
            (Some(node), Some(namespace)) => {
                self.launch(proxy::beside_api_server(&site, cluster, node, namespace)?)
            }
            _ => Ok(()),
        }
    }

    /// Waits until Services are reachable on all nodes and for the API server.
    fn services_ready(&mut self, cluster: &ClusterSite) -> anyhow::Result<()> {
        for (name, namespace) in proxy::places(cluster) {
            self.wait(&proxy::name(name), &format!("Services on {name}"), || {
                Ok(proxy::has_worked(namespace))
            })?;
        }
        Ok(())
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.processes.get(name).with_context(|| format!("the bed has no process {name}"))
    }

    /// Waits for what a process must do. If that ends or does not do it, its log is in the error.
    fn wait(
        &mut self,
        name: &str,
        what: &str,
        mut look: impl FnMut() -> anyhow::Result<bool>,
    ) -> anyhow::Result<()> {
        let left = self.end.saturating_duration_since(Instant::now());
        let process = self.processes.get_mut(name).with_context(|| format!("no process {name}"))?;
        let waited = try_wait_for(what, left, || {
            (self.wanted)()?;
            process.check()?;
            Ok(look()?.then_some(()))
        });
        let deadline = self.deadline.as_secs();
        waited.with_context(|| format!("{what} within {deadline} s: {name}: {}", process.tail()))
    }

    /// Does what a test asks for.
    pub fn serve(&mut self, request: Request) -> anyhow::Result<()> {
        self.end = Instant::now() + self.deadline;
        match request {
            Request::StopApiServer { cluster, how } => {
                let cluster = self.cluster(&cluster)?;
                let name = api_server(&cluster);
                let process = self.processes.get_mut(&name).context("no API server")?;
                process.check()?;
                match how {
                    Stop::Kill => process.kill(),
                    Stop::Hang => process.signal(Signal::STOP),
                }
            }
            Request::StartApiServer { cluster, certificate } => {
                let cluster = self.cluster(&cluster)?;
                self.start_api_server(&cluster, certificate)
            }
            Request::ImportImage { cluster, archive } => {
                let cluster = self.cluster(&cluster)?;
                ensure!(!cluster.nodes.is_empty(), "cluster {} has no nodes", cluster.name);
                for node in &cluster.nodes {
                    let containerd = self.process(&format!("{}-containerd", node.name))?;
                    node::import(&self.site, node, containerd, &archive)?;
                }
                Ok(())
            }
        }
    }

    fn start_api_server(
        &mut self,
        cluster: &ClusterSite,
        certificate: Validity,
    ) -> anyhow::Result<()> {
        let name = api_server(cluster);
        let expired = self.expired.contains(&cluster.name);
        let shown = if expired { Validity::Expired } else { Validity::Valid };
        let process = self.processes.get_mut(&name).context("no API server")?;
        if process.ended()?.is_none() {
            if shown == certificate {
                process.signal(Signal::CONT)?;
                return self.api_server_ready(cluster);
            }
            process.kill()?;
        }
        let launch = process.launch().clone();
        if shown != certificate {
            let authority = Authority::open(&cluster.pki())?;
            control_plane::server_certificate(&authority, cluster, certificate)?;
            self.expired.retain(|name| *name != cluster.name);
            if certificate == Validity::Expired {
                self.expired.push(cluster.name.clone());
            }
        }
        self.launch(launch)?;
        self.api_server_ready(cluster)
    }

    fn cluster(&self, name: &str) -> anyhow::Result<ClusterSite> {
        let found = self.site.clusters.iter().find(|cluster| cluster.name == name);
        found.cloned().with_context(|| format!("the bed has no cluster {name}"))
    }
}

fn api_server(cluster: &ClusterSite) -> String {
    format!("{}-kube-apiserver", cluster.name)
}

/// kubectl as the supervisor, in the control plane's network.
fn kubectl(site: &Site, cluster: &ClusterSite) -> Command {
    let program = site.binaries.kubernetes(cluster.version).join("kubectl");
    let mut command = inside(cluster.namespace.as_deref(), program);
    command.env("KUBECONFIG", cluster.kubeconfig(control_plane::SUPERVISOR));
    command.env("HOME", site.home()).arg("--request-timeout=5s");
    command
}

/// Writes what tests and other processes read about the bed.
fn tell(site: &Site) -> anyhow::Result<()> {
    for user in [control_plane::ADMIN, control_plane::DEVELOPER] {
        let read = |cluster: &ClusterSite| -> anyhow::Result<_> {
            let authority = Authority::open(&cluster.pki())?.certificate;
            Ok((cluster.server(), authority, Identity::read(&cluster.pki(), user)?))
        };
        let parts = site.clusters.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let accesses = site.clusters.iter().zip(&parts).map(|(cluster, part)| Access {
            cluster: &cluster.name,
            server: &part.0,
            authority: Some(&part.1),
            user,
            identity: &part.2,
        });
        fs::write(site.kubeconfig(user), kubeconfig(&accesses.collect::<Vec<_>>()))?;
    }
    fs::write(Site::file(&site.folder), serde_json::to_vec_pretty(site)?)?;
    Ok(())
}
