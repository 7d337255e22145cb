//! The names, addresses and folders of a testbed, all derived from its plan, its number and its folder.
//! The supervisor builds what the layout says, and tests find everything by it.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use crate::binaries::Binaries;
use crate::plan::{Plan, Size};
use crate::version::Version;

/// The layout of a testbed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub number: u8,
    pub folder: PathBuf,
    pub supervisor: u32,
    /// Whether it lasts until `bed down`, and not as long as a test.
    pub kept: bool,
    pub binaries: Binaries,
    /// Of the network that joins all networks; none for a testbed of control planes only.
    pub namespace: Option<String>,
    pub clusters: Vec<ClusterLayout>,
    pub machines: Vec<Machine>,
}

/// The layout of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ClusterLayout {
    pub name: String,
    pub version: Version,
    pub folder: PathBuf,
    pub address: Ipv4Addr,
    /// Where etcd and the controllers listen: reached by the control plane only.
    pub local: Ipv4Addr,
    pub namespace: Option<String>,
    pub services: String,
    pub pods: String,
    /// The first address of `services`: the API server's own Service.
    pub service: Ipv4Addr,
    pub nodes: Vec<Node>,
}

/// A node of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Node {
    /// The name in Kubernetes, such as `a-1`.
    pub name: String,
    /// The address, at which node ports answer.
    pub address: Ipv4Addr,
    /// The instance id in its providerID, `cn-bed.i-a1`.
    pub instance: String,
    pub(crate) pods: String,
    pub(crate) folder: PathBuf,
    pub(crate) namespace: String,
}

/// A machine outside the clusters.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Machine {
    /// The name in the plan.
    pub name: String,
    /// The address on the network of the testbed.
    pub address: Ipv4Addr,
    /// An instance id as the cloud would give it, such as `i-ecs1`.
    pub instance: String,
    pub(crate) namespace: String,
}

/// A network of a testbed with nodes or machines. Each is a network namespace of Linux; all are joined
/// by a bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// The network outside of all clusters, where clients are.
    Internet,
    /// The network of a cluster's control plane, by the cluster's name.
    ControlPlane(&'a str),
    /// The network of a node, by its name.
    Node(&'a str),
    /// The network of a machine outside the clusters, by its name.
    Machine(&'a str),
}

/// The region of all instances.
pub(crate) const REGION: &str = "cn-bed";
/// Of the network that joins all networks.
pub(crate) const GATEWAY: Ipv4Addr = Ipv4Addr::new(10, 89, 0, 1);

/// The name of a testbed's namespace, the beginning of its others and the name of its cgroup.
pub(crate) fn base(number: u8) -> String {
    format!("clbm{number}")
}

impl Layout {
    pub fn new(plan: &Plan, binaries: Binaries, number: u8, folder: &Path) -> Self {
        let base = base(number);
        let namespaces = plan.size() == Size::Nodes;
        let clusters = (1..).zip(&plan.clusters).map(|(position, cluster)| {
            let name = &cluster.name;
            let home = folder.join("clusters").join(name);
            let nodes = (1..=cluster.nodes).map(|node| Node {
                name: format!("{name}-{node}"),
                address: Ipv4Addr::new(10, 89, position, 10 + node),
                instance: format!("i-{}{node}", name.replace('-', "")),
                pods: format!("10.{}.{node}.0/24", 100 + position),
                folder: home.join(format!("{name}-{node}")),
                namespace: format!("{base}-{name}-{node}"),
            });
            let loopback = loopback(number, position);
            ClusterLayout {
                name: name.clone(),
                version: cluster.version,
                address: if namespaces { Ipv4Addr::new(10, 89, position, 1) } else { loopback },
                local: if namespaces { Ipv4Addr::LOCALHOST } else { loopback },
                namespace: namespaces.then(|| format!("{base}-{name}")),
                services: format!("10.{}.0.0/16", 150 + position),
                pods: format!("10.{}.0.0/16", 100 + position),
                service: Ipv4Addr::new(10, 150 + position, 0, 1),
                nodes: nodes.collect(),
                folder: home,
            }
        });
        let machines = (10..).zip(&plan.machines).map(|(position, name)| Machine {
            name: name.clone(),
            address: Ipv4Addr::new(10, 89, 0, position),
            instance: format!("i-{}", name.replace('-', "")),
            namespace: format!("{base}-{name}"),
        });
        Self {
            number,
            folder: folder.to_owned(),
            supervisor: std::process::id(),
            kept: false,
            binaries,
            namespace: namespaces.then(|| base.clone()),
            clusters: clusters.collect(),
            machines: machines.collect(),
        }
    }

    /// The namespace of a network; `None` in a testbed without namespaces.
    pub fn namespace_of(&self, network: Network<'_>) -> anyhow::Result<Option<&str>> {
        let unknown = || format!("the testbed has no {network:?}");
        Ok(match network {
            Network::Internet => self.namespace.as_deref(),
            Network::ControlPlane(name) => {
                let found = self.clusters.iter().find(|cluster| cluster.name == name);
                found.with_context(unknown)?.namespace.as_deref()
            }
            Network::Node(name) => {
                let mut nodes = self.clusters.iter().flat_map(|cluster| &cluster.nodes);
                let found = nodes.find(|node| node.name == name).with_context(unknown)?;
                Some(&found.namespace)
            }
            Network::Machine(name) => {
                let found = self.machines.iter().find(|machine| machine.name == name);
                Some(&found.with_context(unknown)?.namespace)
            }
        })
    }

    /// The file from which other processes read the layout.
    pub fn file(folder: &Path) -> PathBuf {
        folder.join("bed.json")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// A home without any settings, for programs whose behaviour must not depend on the user's.
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    /// The kubeconfig of a user with one context a cluster.
    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.join(format!("{user}.kubeconfig"))
    }
}

impl ClusterLayout {
    pub fn api_server_url(&self) -> String {
        format!("https://{}:6443", self.address)
    }

    pub fn pki(&self) -> PathBuf {
        self.folder.join("pki")
    }

    /// The folder with the authority by which webhooks know the API server.
    pub fn webhook_client_pki(&self) -> PathBuf {
        self.pki().join("webhook-client")
    }

    pub fn kubeconfig(&self, user: &str) -> PathBuf {
        self.folder.join(format!("{user}.kubeconfig"))
    }

    pub fn audit_log(&self) -> PathBuf {
        self.folder.join("audit.log")
    }
}

/// An address of its own for every cluster of every testbed, so that standard ports never clash; the
/// second byte keeps users of one machine apart.
pub(crate) fn loopback(number: u8, position: u8) -> Ipv4Addr {
    let user = rustix::process::getuid().as_raw() % 200;
    Ipv4Addr::new(127, u8::try_from(user).unwrap_or(0) + 20, number, position)
}

impl Node {
    /// As CCM reads it: region and instance.
    pub fn provider_id(&self) -> String {
        format!("{REGION}.{}", self.instance)
    }
}
