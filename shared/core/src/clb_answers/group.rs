//! vServer groups, with their backends.

use serde::{Deserialize, Deserializer};

use crate::object::{SourceLocation, nullable};

/// `DescribeVServerGroupAttribute`: a vServer group and the backends registered in it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupAnswer {
    /// `rsp-…`.
    #[serde(rename = "VServerGroupId")]
    pub id: String,
    /// The group's name; one that reads `k8s/…/…/…/…` marks a group that CCM made.
    #[serde(rename = "VServerGroupName", default, deserialize_with = "nullable")]
    pub name: String,
    /// Its CLB, where the answer says.
    #[serde(rename = "LoadBalancerId", default)]
    pub clb: Option<String>,
    /// The backends.
    #[serde(rename = "BackendServers", deserialize_with = "remote_backends")]
    pub backends: Vec<RegisteredBackend>,
    /// The file that the answer was read from, if it was.
    #[serde(skip)]
    pub origin: SourceLocation,
}

/// A backend as it is registered in a group.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RegisteredBackend {
    /// The ECS instance's id, or that of a pod's network interface.
    pub server_id: String,
    /// The pod's address for `eni` and `eci`; may be filled for `ecs`, too.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// 1..=65535.
    pub port: u16,
    /// 0..=100; 0 gets no new connections.
    pub weight: u32,
    /// `ecs`, `eni` or `eci`.
    #[serde(rename = "Type", default = "ecs", deserialize_with = "nullable")]
    pub kind: String,
    /// `k8s/…` on backends that CCM registered, any text on others.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
}

fn ecs() -> String {
    "ecs".to_owned()
}

impl RegisteredBackend {
    /// What names the backend in reports: a pod's address, an instance's id.
    pub fn id(&self) -> &str {
        if self.is_pod() { &self.server_ip } else { &self.server_id }
    }

    /// Whether the backend is this port of the instance `id`. Never true of a pod.
    pub fn is_server(&self, id: &str, port: u16) -> bool {
        !self.is_pod() && self.server_id == id && self.port == port
    }

    /// Whether the backend is a pod.
    pub fn is_pod(&self) -> bool {
        !self.server_ip.is_empty() && self.kind != "ecs"
    }
}

fn remote_backends<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<RegisteredBackend>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<RegisteredBackend>,
    }
    Wrapped::deserialize(d).map(|wrapped| wrapped.backend_server)
}

/// `DescribeVServerGroups`: the groups of one CLB.
#[derive(Debug, Clone, Deserialize)]
pub struct GroupList {
    /// The CLB, where the answer or its file's name says.
    #[serde(rename = "LoadBalancerId", default)]
    pub clb: Option<String>,
    /// The groups.
    #[serde(rename = "VServerGroups", deserialize_with = "listed_groups")]
    pub groups: Vec<ListedGroup>,
}

/// A group in a list.
#[derive(Debug, Clone, Deserialize)]
pub struct ListedGroup {
    /// Its id.
    #[serde(rename = "VServerGroupId")]
    pub id: String,
    /// Its name.
    #[serde(rename = "VServerGroupName", default, deserialize_with = "nullable")]
    pub name: String,
}

fn listed_groups<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<ListedGroup>, D::Error> {
    #[derive(Deserialize)]
    struct Wrapped {
        #[serde(rename = "VServerGroup", default, deserialize_with = "nullable")]
        groups: Vec<ListedGroup>,
    }
    Wrapped::deserialize(d).map(|wrapped| wrapped.groups)
}
