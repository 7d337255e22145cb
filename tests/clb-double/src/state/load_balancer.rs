//! A CLB with its groups and backends.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::{Listener, parse};

/// A CLB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LoadBalancer {
    /// Such as `lb-bp1example`.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The address that clients connect to, and at which the data plane listens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// Whether it has an internet or an intranet address.
    #[serde(default)]
    pub address_type: AddressType,
    /// Whether it is in a VPC.
    #[serde(default)]
    pub network_type: NetworkType,
    /// The version of its address.
    #[serde(default)]
    pub ip_version: IpVersion,
    /// Its specification, such as `slb.s1.small`.
    #[serde(default = "default_spec")]
    pub spec: String,
    /// `PayBySpec` or `PayByCLCU`.
    #[serde(default = "default_instance_charge_type")]
    pub instance_charge_type: String,
    /// Its primary zone; absent: the zone of the metadata.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub master_zone_id: Option<String>,
    /// Its backup zone.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub slave_zone_id: String,
    /// Its resource group.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub resource_group_id: String,
    /// `paybytraffic` or `paybybandwidth`.
    #[serde(default = "default_charge_type")]
    pub internet_charge_type: String,
    /// Mbit/s; -1 is no limit.
    #[serde(default = "default_bandwidth")]
    pub bandwidth: i64,
    /// Whether `DeleteLoadBalancer` is refused.
    #[serde(default)]
    pub delete_protection: bool,
    /// Whether the console refuses to change it, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modification_protection: Option<ModificationProtection>,
    /// The `ClientToken` of the call that created it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_token: Option<String>,
    /// Its tags, value by key.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The servers of its default group, to which listeners without a vServer group forward. Stored and described only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_servers: Vec<DefaultServer>,
    /// Its vServer groups.
    #[serde(default)]
    pub groups: Vec<Group>,
    /// Its listeners.
    #[serde(default)]
    pub listeners: Vec<Listener>,
}

/// Why the console refuses to change a CLB.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ModificationProtection {
    /// The reason that was given with the protection.
    pub reason: String,
}

/// The type of a CLB's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AddressType {
    /// Reachable from its VPC only.
    #[default]
    Intranet,
    /// Reachable from the internet.
    Internet,
}

/// The network that a CLB is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkType {
    /// A VPC.
    #[default]
    Vpc,
    /// The classic network. Every CLB with an internet address is in it.
    Classic,
}

/// Version of a CLB's address.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum IpVersion {
    /// 4.
    #[default]
    Ipv4,
    /// 6.
    Ipv6,
}

/// A vServer group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Group {
    /// Such as `rsp-bp1example`.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// The servers that take its connections.
    #[serde(default)]
    pub backends: Vec<Backend>,
}

/// An instance in a CLB's default group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DefaultServer {
    /// The id of the instance.
    pub server_id: String,
    /// 0 to 100; 0 takes no new connection.
    #[serde(default = "default_weight", deserialize_with = "parse::weight")]
    pub weight: u8,
    /// Any text.
    #[serde(default)]
    pub description: String,
}

/// A server in a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Backend {
    /// The id of an instance, a network interface or a container instance.
    pub server_id: String,
    /// The address of a network interface or container instance; empty for an instance.
    #[serde(default)]
    pub server_ip: String,
    /// The port that it listens on, 1 to 65535.
    #[serde(deserialize_with = "parse::port")]
    pub port: u16,
    /// 0 to 100; 0 takes no new connection.
    #[serde(default = "default_weight", deserialize_with = "parse::weight")]
    pub weight: u8,
    /// What `server_id` names.
    #[serde(default, rename = "type")]
    pub kind: BackendType,
    /// The key that CCM writes (`k8s/…`), or any other text.
    #[serde(default)]
    pub description: String,
}

/// What identifies a backend in its group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendKey {
    /// The id of an instance, a network interface or a container instance.
    pub server_id: String,
    /// Its address; empty for an instance.
    pub server_ip: String,
    /// The port that it listens on.
    pub port: u16,
}

/// What the id of a backend names.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BackendType {
    /// An ECS instance.
    #[default]
    Ecs,
    /// An elastic network interface.
    Eni,
    /// An elastic container instance.
    Eci,
}

impl LoadBalancer {
    /// A CLB without groups and listeners; everything else has the default of the state's JSON.
    pub fn new(id: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            name: name.into(),
            address: None,
            address_type: AddressType::default(),
            network_type: NetworkType::default(),
            ip_version: IpVersion::default(),
            spec: default_spec(),
            instance_charge_type: default_instance_charge_type(),
            master_zone_id: None,
            slave_zone_id: String::new(),
            resource_group_id: String::new(),
            internet_charge_type: default_charge_type(),
            bandwidth: default_bandwidth(),
            delete_protection: false,
            modification_protection: None,
            client_token: None,
            tags: BTreeMap::new(),
            default_servers: Vec::new(),
            groups: Vec::new(),
            listeners: Vec::new(),
        }
    }
}

impl Backend {
    /// What identifies it in its group.
    pub fn key(&self) -> BackendKey {
        BackendKey {
            server_id: self.server_id.clone(),
            server_ip: self.server_ip.clone(),
            port: self.port,
        }
    }
}

fn default_spec() -> String {
    "slb.s1.small".to_owned()
}

fn default_instance_charge_type() -> String {
    "PayBySpec".to_owned()
}

fn default_charge_type() -> String {
    "paybytraffic".to_owned()
}

fn default_bandwidth() -> i64 {
    -1
}

fn default_weight() -> u8 {
    100
}
