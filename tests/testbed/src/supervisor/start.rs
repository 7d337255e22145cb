//! Starting everything in an order in which nothing waits longer than it must, and what a running
//! testbed can do.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::Signal;

use super::leftovers::MARKER;
use super::process::{Process, ProcessSpec, run};
use super::reservation::Reservation;
use super::{control_plane, network, node, proxy};
use crate::environment::clean_environment;
use crate::image;
use crate::kubeconfig::{KubeconfigContext, kubeconfig};
use crate::layout::{ClusterLayout, Layout, Node};
use crate::netns::command_in;
use crate::pki::{CertificateAuthority, Identity, Validity};
use crate::protocol::{Request, StartRequest, StopMode};
use crate::wait::try_wait_for;

/// A testbed and its processes.
pub(super) struct RunningTestbed<'a> {
    layout: Layout,
    processes: BTreeMap<String, Process>,
    /// Of API servers that do not show a good certificate.
    expired: Vec<String>,
    end: Instant,
    deadline: Duration,
    /// Whether going on is of any use.
    wanted: &'a dyn Fn() -> anyhow::Result<()>,
}

impl<'a> RunningTestbed<'a> {
    /// Starts a testbed; returns when all of it is Ready.
    pub fn start(
        start: &StartRequest,
        reservation: &Reservation,
        kept: bool,
        wanted: &'a dyn Fn() -> anyhow::Result<()>,
    ) -> anyhow::Result<Self> {
        start.plan.validate()?;
        let mut layout = Layout::new(
            &start.plan,
            start.binaries.clone(),
            reservation.number,
            &reservation.folder,
        );
        layout.kept = kept;
        let deadline = start.plan.deadline;
        let end = Instant::now() + deadline;
        let processes = BTreeMap::new();
        let mut running = Self { layout, processes, expired: Vec::new(), end, deadline, wanted };
        running.bring_up(start.app.as_deref())?;
        Ok(running)
    }

    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    fn bring_up(&mut self, app: Option<&Path>) -> anyhow::Result<()> {
        let layout = self.layout.clone();
        for folder in [layout.logs(), layout.home()] {
            fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
        }
        network::build(&layout)?;
        for cluster in &layout.clusters {
            control_plane::write_files(cluster)?;
            self.start_process(control_plane::etcd(&layout, cluster))?;
            self.start_process(control_plane::api_server(&layout, cluster))?;
            for node in &cluster.nodes {
                node::write_files(&layout, cluster, node)?;
                self.start_process(node::containerd(&layout, node)?)?;
            }
        }
        for cluster in &layout.clusters {
            self.api_server_ready(cluster)?;
            self.start_process(control_plane::controller_manager(&layout, cluster))?;
            self.start_process(control_plane::scheduler(&layout, cluster))?;
            run(kubectl(&layout, cluster)
                .arg("apply")
                .arg("-f")
                .arg(control_plane::objects(cluster)))?;
        }
        let archive = layout.folder.join("images.tar");
        if let Some(app) = app {
            image::write_testbed_images(app, &archive)?;
        }
        for cluster in &layout.clusters {
            for node in &cluster.nodes {
                self.start_node(cluster, node, &archive)?;
            }
        }
        for cluster in &layout.clusters {
            self.ready(cluster)?;
        }
        for cluster in &layout.clusters {
            self.services_ready(cluster)?;
        }
        write_description(&layout)
    }

    fn start_process(&mut self, spec: ProcessSpec) -> anyhow::Result<()> {
        let marker = (MARKER.to_owned(), OsString::from(&self.layout.folder));
        let name = spec.name.clone();
        let process = spec.start(&self.layout.logs(), &marker)?;
        self.processes.insert(name, process);
        Ok(())
    }

    fn start_node(
        &mut self,
        cluster: &ClusterLayout,
        node: &Node,
        archive: &Path,
    ) -> anyhow::Result<()> {
        let layout = self.layout.clone();
        let containerd = format!("{}-containerd", node.name);
        self.wait(&containerd, "containerd to answer", || {
            Ok(node::containerd_answers(&layout, node))
        })?;
        let containerd = self.process(&containerd)?;
        node::import_image(&layout, node, containerd, archive)?;
        let kubelet = node::kubelet(&layout, cluster, node, containerd);
        self.start_process(kubelet)?;
        self.start_process(proxy::on_node(&layout, cluster, node)?)
    }

    fn api_server_ready(&mut self, cluster: &ClusterLayout) -> anyhow::Result<()> {
        let layout = self.layout.clone();
        self.wait(&api_server(cluster), "the API server to be ready", || {
            Ok(run(kubectl(&layout, cluster).args(["get", "--raw", "/readyz"])).is_ok())
        })
    }

    /// Waits until pods can be made, and run if there are nodes.
    fn ready(&mut self, cluster: &ClusterLayout) -> anyhow::Result<()> {
        let layout = self.layout.clone();
        let controllers = format!("{}-kube-controller-manager", cluster.name);
        self.wait(&controllers, "the service account of pods", || {
            let mut command = kubectl(&layout, cluster);
            Ok(run(command.args(["get", "serviceaccount", "default", "-n", "default"])).is_ok())
        })?;
        for node in &cluster.nodes {
            let kubelet = format!("{}-kubelet", node.name);
            self.wait(&kubelet, &format!("node {} to be Ready", node.name), || {
                let path = r#"jsonpath={.status.conditions[?(@.type=="Ready")].status}"#;
                let mut command = kubectl(&layout, cluster);
                let status = run(command.args(["get", "node", &node.name, "-o", path]));
                Ok(status.is_ok_and(|status| status == "True"))
            })?;
        }
        match (cluster.nodes.first(), cluster.namespace.as_deref()) {
            (Some(node), Some(namespace)) => {
                self.start_process(proxy::beside_api_server(&layout, cluster, node, namespace)?)
            }
            _ => Ok(()),
        }
    }

    /// Waits until Services are reachable on all nodes and for the API server.
    fn services_ready(&mut self, cluster: &ClusterLayout) -> anyhow::Result<()> {
        for (name, namespace) in proxy::networks(cluster) {
            self.wait(&proxy::name(name), &format!("Services on {name}"), || {
                Ok(proxy::has_written_rules(namespace))
            })?;
        }
        Ok(())
    }

    fn process(&self, name: &str) -> anyhow::Result<&Process> {
        self.processes.get(name).with_context(|| format!("the testbed has no process {name}"))
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

    /// Carries out a request of a test.
    pub fn handle(&mut self, request: Request) -> anyhow::Result<()> {
        self.end = Instant::now() + self.deadline;
        match request {
            Request::StopApiServer { cluster, how } => {
                let cluster = self.cluster(&cluster)?;
                let name = api_server(&cluster);
                let process = self.processes.get_mut(&name).context("no API server")?;
                process.check()?;
                match how {
                    StopMode::Kill => process.kill(),
                    StopMode::Hang => process.signal(Signal::STOP),
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
                    node::import_image(&self.layout, node, containerd, &archive)?;
                }
                Ok(())
            }
        }
    }

    fn start_api_server(
        &mut self,
        cluster: &ClusterLayout,
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
        let spec = process.spec().clone();
        if shown != certificate {
            let authority = CertificateAuthority::open(&cluster.pki())?;
            control_plane::server_certificate(&authority, cluster, certificate)?;
            self.expired.retain(|name| *name != cluster.name);
            if certificate == Validity::Expired {
                self.expired.push(cluster.name.clone());
            }
        }
        self.start_process(spec)?;
        self.api_server_ready(cluster)
    }

    fn cluster(&self, name: &str) -> anyhow::Result<ClusterLayout> {
        let found = self.layout.clusters.iter().find(|cluster| cluster.name == name);
        found.cloned().with_context(|| format!("the testbed has no cluster {name}"))
    }
}

fn api_server(cluster: &ClusterLayout) -> String {
    format!("{}-kube-apiserver", cluster.name)
}

/// kubectl as the supervisor, in the control plane's network.
fn kubectl(layout: &Layout, cluster: &ClusterLayout) -> Command {
    let program = layout.binaries.kubernetes(cluster.version).join("kubectl");
    let mut command = command_in(cluster.namespace.as_deref(), program);
    clean_environment(&mut command, &layout.home());
    command.env("KUBECONFIG", cluster.kubeconfig(control_plane::SUPERVISOR));
    command.arg("--request-timeout=5s");
    command
}

/// Writes the kubeconfigs, and the layout for other processes.
fn write_description(layout: &Layout) -> anyhow::Result<()> {
    for user in [control_plane::ADMIN, control_plane::DEVELOPER] {
        let read = |cluster: &ClusterLayout| -> anyhow::Result<_> {
            let authority = CertificateAuthority::open(&cluster.pki())?.certificate;
            Ok((cluster.api_server_url(), authority, Identity::read(&cluster.pki(), user)?))
        };
        let parts = layout.clusters.iter().map(read).collect::<anyhow::Result<Vec<_>>>()?;
        let accesses =
            layout.clusters.iter().zip(&parts).map(|(cluster, part)| KubeconfigContext {
                cluster: &cluster.name,
                server: &part.0,
                authority: Some(&part.1),
                user,
                identity: &part.2,
            });
        fs::write(layout.kubeconfig(user), kubeconfig(&accesses.collect::<Vec<_>>()))?;
    }
    fs::write(Layout::file(&layout.folder), serde_json::to_vec_pretty(layout)?)?;
    Ok(())
}
