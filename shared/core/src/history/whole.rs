//! A change of several sides, as each of its Services records the whole of it.

use serde::{Deserialize, Serialize};

/// All parts of a change, in the order in which they are written. Each Service that is a part
/// records the whole, so that the change can be finished or taken back from any of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// The parts; those that are to carry more traffic come first.
    pub parts: Vec<Part>,
}

/// One part of a change: a Service, or the servers of one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The weight of a Service.
    Service(OneService),
    /// The weights of servers outside of clusters, in one group.
    Servers(Servers),
}

/// A Service's weight annotation before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneService {
    /// The context's name in the kubeconfig of whoever made the change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The cluster's id, where it was known. For display, as the context's name is: two clusters may
    /// have one id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The UID of namespace `kube-system` of the cluster, where it could be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// The Service's own UID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The annotation's value before; `None` where there was none.
    pub from: Option<String>,
    /// The value after.
    pub to: Option<String>,
    /// Whether the sum of the Service's weights rises, where that could be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gains: Option<bool>,
}

/// A server's weight before and after a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// The CLB.
    pub clb: String,
    /// The vServer group.
    pub vgroup: String,
    /// The servers whose weights change. A record keeps them in another order: those with the same
    /// port and weights together.
    #[serde(with = "super::compact")]
    pub servers: Vec<Server>,
}

/// A server's weight around a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The instance's id.
    pub id: String,
    /// 1..=65535.
    pub port: u16,
    /// The weight before, 0..=100.
    pub from: u32,
    /// The weight after, 0..=100.
    pub to: u32,
}
