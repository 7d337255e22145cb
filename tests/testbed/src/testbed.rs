//! A testbed, as tests use it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context as _, bail};

use crate::app;
use crate::binaries::{Binaries, RequiredBinaries};
use crate::cluster::Cluster;
use crate::connection::{Connection, locked};
use crate::environment::clean_environment;
use crate::isolation::{Isolation, isolate, reconnect};
use crate::layout::{GATEWAY, Layout, Machine, Network};
use crate::netns;
use crate::plan::{Plan, Size};
use crate::programs;
use crate::protocol::StartRequest;
use crate::requirements::can_run;
use crate::supervisor::leftovers::MARKER;

/// Real Kubernetes clusters. They are stopped when this value is dropped, or when the process that holds
/// it ends, however it ends.
#[derive(Debug)]
pub struct Testbed {
    layout: Layout,
    connection: Mutex<Connection>,
    app: Option<PathBuf>,
}

impl Testbed {
    /// Starts a testbed and waits until all of it is Ready. Programs that are missing are built first,
    /// which takes minutes the first time on a machine. A start that fails leaves nothing, and its
    /// error shows the end of a log.
    pub fn start(plan: &Plan) -> anyhow::Result<Self> {
        let supervisor = programs::build(&["bed"])?;
        let supervisor = supervisor.first().context("cargo has built no program bed")?;
        let start = prepare(plan)?;
        let (connection, layout) = Connection::open(supervisor, &start)?;
        Ok(Self { layout, connection: Mutex::new(connection), app: start.app })
    }

    /// Stops the testbed, waits until nothing of it is left, and returns what went wrong meanwhile,
    /// which dropping it does not.
    pub fn stop(self) -> anyhow::Result<()> {
        locked(&self.connection).close()
    }

    /// A cluster by its name in the plan; another name is an error.
    pub fn cluster(&self, name: &str) -> anyhow::Result<Cluster<'_>> {
        let found = self.layout.clusters.iter().find(|cluster| cluster.name == name);
        let cluster = found.with_context(|| format!("the testbed has no cluster {name}"))?;
        Ok(Cluster::new(&self.layout, cluster, &self.connection))
    }

    /// A machine outside the clusters by its name in the plan; another name is an error.
    pub fn machine(&self, name: &str) -> anyhow::Result<&Machine> {
        let found = self.layout.machines.iter().find(|machine| machine.name == name);
        found.with_context(|| format!("the testbed has no machine {name}"))
    }

    /// The address of the network outside of all clusters, at which Pods and nodes reach what listens
    /// there; in a testbed of control planes only that is the machine's own.
    pub fn internet_address(&self) -> Ipv4Addr {
        if self.layout.namespace.is_some() { GATEWAY } else { Ipv4Addr::LOCALHOST }
    }

    /// The addresses of all nodes and machines by their instance ids, such as `i-a1`.
    pub fn instances(&self) -> BTreeMap<&str, Ipv4Addr> {
        let nodes = self.layout.clusters.iter().flat_map(|cluster| &cluster.nodes);
        let nodes = nodes.map(|node| (node.instance.as_str(), node.address));
        let machines = self.layout.machines.iter();
        nodes.chain(machines.map(|of| (of.instance.as_str(), of.address))).collect()
    }

    /// The path of a kubeconfig with one context a cluster, of its name, for the clusters' admins.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig("admin")
    }

    /// The path of a kubeconfig with one context a cluster for the user `developer` in the group `developers`, who has no rights until a test
    /// grants some.
    pub fn developer_kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig("developer")
    }

    /// A command for a program in a network; in a testbed of control planes only that is the
    /// machine's own. The program ends with the testbed. Of the environment of this process the
    /// program gets what [`crate::environment`] keeps.
    pub fn command_in(
        &self,
        network: Network<'_>,
        program: impl AsRef<OsStr>,
    ) -> anyhow::Result<Command> {
        let namespace = self.layout.namespace_of(network)?;
        let mut command = netns::command_in(namespace, program);
        clean_environment(&mut command, &self.layout.home()).env(MARKER, &self.layout.folder);
        Ok(command)
    }

    /// Runs `body` on a thread of its own in a network; in a testbed of control planes only that is the
    /// machine's own. Threads that it starts are in that network too.
    pub fn run_in<T: Send>(
        &self,
        network: Network<'_>,
        body: impl FnOnce() -> anyhow::Result<T> + Send,
    ) -> anyhow::Result<T> {
        match self.layout.namespace_of(network)? {
            Some(namespace) => netns::run_in(&netns::path(namespace), body),
            None => body(),
        }
    }

    /// Isolates a network from all others until [`Self::reconnect`]. A second call replaces the first.
    pub fn isolate(&self, network: Network<'_>, how: Isolation) -> anyhow::Result<()> {
        isolate(self.namespace(network)?, how)
    }

    /// Ends the isolation of a network.
    pub fn reconnect(&self, network: Network<'_>) -> anyhow::Result<()> {
        reconnect(self.namespace(network)?)
    }

    fn namespace(&self, network: Network<'_>) -> anyhow::Result<&str> {
        let namespace = self.layout.namespace_of(network)?;
        namespace.with_context(|| {
            format!(
                "{network:?} has no network of its own: this testbed has neither nodes nor machines"
            )
        })
    }

    /// The path of a static program for Pods and machines: `serve [PORT]` answers HTTP requests with
    /// the name of the Pod, `fetch ADDRESS:PORT` asks for that. An error if the testbed has neither
    /// nodes nor machines.
    pub fn app(&self) -> anyhow::Result<&Path> {
        self.app.as_deref().context("a testbed of control planes only has no program for pods")
    }

    /// What a web server such as [`crate::web_server`] answers to a program in a network: its Pod's
    /// name. The error is the kind of the failure, such as `ConnectionRefused` or `TimedOut`, the
    /// latter after a second.
    pub fn fetch(&self, from: Network<'_>, server: SocketAddr) -> anyhow::Result<String> {
        let mut command = self.command_in(from, self.app()?)?;
        let output = command.arg("fetch").arg(server.to_string()).output()?;
        if !output.status.success() {
            bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// The number in the names of the testbed's namespaces, such as `clbm0` and `clbm0-a`: 0 to 249.
    pub fn number(&self) -> u8 {
        self.layout.number
    }

    /// The folder with the testbed's files, such as `logs`.
    pub fn folder(&self) -> &Path {
        &self.layout.folder
    }

    /// The process id of the supervisor, which owns all processes of the testbed.
    pub fn supervisor(&self) -> u32 {
        self.layout.supervisor
    }
}

/// Provides all programs that a plan needs. An error if the plan is invalid or cannot run here.
pub(crate) fn prepare(plan: &Plan) -> anyhow::Result<StartRequest> {
    plan.validate()?;
    let size = plan.size();
    can_run(size).map_err(anyhow::Error::msg)?;
    let nodes = size == Size::Nodes;
    let versions = plan.clusters.iter().map(|cluster| cluster.version).collect();
    let binaries = Binaries::provide(&RequiredBinaries { versions, nodes, helm: false })?;
    let app = if nodes { Some(app::build()?) } else { None };
    Ok(StartRequest { plan: plan.clone(), binaries, app })
}
