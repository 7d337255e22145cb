//! A bed as a test sees it.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::Context as _;

use crate::ability::can_run;
use crate::app;
use crate::binaries::{Binaries, Need};
use crate::cluster::Cluster;
use crate::connection::{Connection, locked};
use crate::enter;
use crate::environment::isolate;
use crate::fault::{Cut, cut, mend};
use crate::plan::{Plan, Size};
use crate::programs;
use crate::protocol::Start;
use crate::site::{Machine, Place, Site};
use crate::supervisor::leftovers::MARKER;

/// Real clusters, which end when this value ends, or the process that holds it.
#[derive(Debug)]
pub struct Bed {
    site: Site,
    connection: Mutex<Connection>,
    app: Option<PathBuf>,
}

impl Bed {
    /// Starts a bed and waits until all of it is Ready. Builds what it needs first, which takes
    /// minutes the first time on a machine.
    pub fn start(plan: &Plan) -> anyhow::Result<Self> {
        let supervisor = programs::build(&["bed"])?;
        let supervisor = supervisor.first().context("cargo has built no program bed")?;
        let start = prepare(plan)?;
        let (connection, site) = Connection::open(supervisor, &start)?;
        Ok(Self { site, connection: Mutex::new(connection), app: start.app })
    }

    /// Ends the bed and says what went wrong then, which dropping it does not.
    pub fn end(self) -> anyhow::Result<()> {
        locked(&self.connection).close()
    }

    /// A cluster, by its name in the plan.
    pub fn cluster(&self, name: &str) -> anyhow::Result<Cluster<'_>> {
        let found = self.site.clusters.iter().find(|cluster| cluster.name == name);
        let cluster = found.with_context(|| format!("the bed has no cluster {name}"))?;
        Ok(Cluster::new(&self.site, cluster, &self.connection))
    }

    /// A machine outside the clusters, by its name in the plan.
    pub fn machine(&self, name: &str) -> anyhow::Result<&Machine> {
        let found = self.site.machines.iter().find(|machine| machine.name == name);
        found.with_context(|| format!("the bed has no machine {name}"))
    }

    /// The addresses of all nodes and machines, by their instances.
    pub fn instances(&self) -> BTreeMap<&str, Ipv4Addr> {
        let nodes = self.site.clusters.iter().flat_map(|cluster| &cluster.nodes);
        let nodes = nodes.map(|node| (node.instance.as_str(), node.address));
        let machines = self.site.machines.iter();
        nodes.chain(machines.map(|of| (of.instance.as_str(), of.address))).collect()
    }

    /// The kubeconfig of all clusters' admins, one context a cluster, of its name.
    pub fn kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig("admin")
    }

    /// The same of an ordinary user, `developer` in the group `developers`, who may do nothing
    /// until a test allows it.
    pub fn developer_kubeconfig(&self) -> PathBuf {
        self.site.kubeconfig("developer")
    }

    /// A command for a program in the network of a place; in a bed of control planes only that is
    /// the machine's own. The program ends with the bed. Of the environment of this process
    /// the program gets what [`crate::environment`] keeps.
    pub fn inside(&self, place: Place<'_>, program: impl AsRef<OsStr>) -> anyhow::Result<Command> {
        let namespace = self.site.namespace_of(place)?;
        let mut command = enter::inside(namespace, program);
        isolate(&mut command, &self.site.home()).env(MARKER, &self.site.folder);
        Ok(command)
    }

    /// Cuts a place off from all others, until it is mended.
    pub fn cut(&self, place: Place<'_>, how: Cut) -> anyhow::Result<()> {
        cut(self.namespace(place)?, how)
    }

    /// Mends what was cut.
    pub fn mend(&self, place: Place<'_>) -> anyhow::Result<()> {
        mend(self.namespace(place)?)
    }

    fn namespace(&self, place: Place<'_>) -> anyhow::Result<&str> {
        let namespace = self.site.namespace_of(place)?;
        namespace.with_context(|| {
            format!("{place:?} has no network of its own: this bed has neither nodes nor machines")
        })
    }

    /// A static program for pods and machines, if the bed has nodes or machines: `serve [PORT]`
    /// answers HTTP requests with the name of the pod, `fetch ADDRESS:PORT` asks for that.
    pub fn app(&self) -> anyhow::Result<&Path> {
        self.app.as_deref().context("a bed of control planes only has no program for pods")
    }

    /// The number by which the bed's namespaces are called: `clbm0`, `clbm0-a`.
    pub fn number(&self) -> u8 {
        self.site.number
    }

    /// Where the bed keeps its files; `logs` is there.
    pub fn folder(&self) -> &Path {
        &self.site.folder
    }

    /// The process that owns the bed.
    pub fn supervisor(&self) -> u32 {
        self.site.supervisor
    }
}

/// Sees to it that everything is there that a plan needs.
pub(crate) fn prepare(plan: &Plan) -> anyhow::Result<Start> {
    plan.validate()?;
    let size = plan.size();
    can_run(size).map_err(anyhow::Error::msg)?;
    let nodes = size == Size::Nodes;
    let versions = plan.clusters.iter().map(|cluster| cluster.version).collect();
    let binaries = Binaries::provide(&Need { versions, nodes, helm: false })?;
    let app = if nodes { Some(app::build()?) } else { None };
    Ok(Start { plan: plan.clone(), binaries, app })
}
