//! The format of the file: what a round finds, and what the real CCM made of it.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    annotation,
    clb_answers::RegisteredBackend,
    object::{EndpointSlice, Node, Pod, Service},
    round::{Balancer, Cloud, Listener, Network, ServerGroup},
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub name: String,
    pub trigger: String,
    pub cluster_id: String,
    pub hash_current: bool,
    pub before: State,
    pub after: State,
    pub cloud: CloudState,
    pub expected: Expected,
}

/// What a release other than 2.14 makes of a round.
#[derive(Deserialize)]
pub struct VersionCase {
    pub name: String,
    pub expected: Expected,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub service: Option<Value>,
    #[serde(default)]
    pub other_services: Vec<Value>,
    pub nodes: Vec<Node>,
    pub endpoint_slices: Vec<EndpointSlice>,
    pub pods: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudState {
    load_balancers: Vec<BalancerState>,
    groups: Vec<GroupState>,
    listeners: Vec<ListenerState>,
    vpc_cidrs: Vec<String>,
    #[serde(default)]
    ips_without_eni: BTreeSet<String>,
    #[serde(default)]
    faults: Vec<Value>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BalancerState {
    pub id: String,
    pub name: String,
    address: String,
    address_type: String,
    ip_version: String,
    network_type: String,
    #[serde(default)]
    master_zone: String,
    #[serde(default)]
    slave_zone: String,
    #[serde(default)]
    resource_group_id: String,
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    key: String,
    value: String,
}

#[derive(Deserialize)]
struct GroupState {
    id: String,
    name: String,
    lb: String,
    backends: Vec<Backend>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Backend {
    #[serde(rename = "type")]
    kind: String,
    server_id: String,
    server_ip: String,
    port: u16,
    weight: u32,
    description: String,
}

#[derive(Deserialize)]
struct ListenerState {
    lb: String,
    port: u16,
    protocol: String,
    group: String,
    description: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    pub enqueued: bool,
    #[serde(flatten)]
    pub result: RoundResult,
    #[serde(default)]
    pub load_balancers: BTreeMap<String, BalancerState>,
    pub retry: Option<RoundResult>,
    pub again: Option<RoundResult>,
    #[serde(default)]
    pub others: Vec<OtherResult>,
}

#[derive(Deserialize)]
pub struct RoundResult {
    pub error: Option<String>,
    pub groups: BTreeMap<String, GroupResult>,
    pub service: Option<ServiceResult>,
}

#[derive(Deserialize)]
pub struct OtherResult {
    pub of: String,
    #[serde(flatten)]
    pub result: RoundResult,
}

#[derive(Deserialize)]
pub struct GroupResult {
    pub name: String,
    pub lb: String,
    pub backends: Vec<Backend>,
}

#[derive(Deserialize)]
pub struct ServiceResult {
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
}

impl Case {
    /// Whether the round is not compared: a call fails in it, or no version of the Service names a
    /// CLB.
    pub fn is_skipped(&self) -> bool {
        let versions = [&self.before.service, &self.after.service];
        let names_clb = |service: &Value| {
            let service = typed(service);
            !service.metadata.annotations.text(annotation::ID).is_empty()
        };
        !self.cloud.faults.is_empty() || !versions.into_iter().flatten().any(names_clb)
    }
}

/// A Service as this crate reads it.
pub fn typed(service: &Value) -> Service {
    Service::deserialize(service).unwrap_or_default()
}

impl From<&Backend> for RegisteredBackend {
    fn from(backend: &Backend) -> Self {
        Self {
            server_id: backend.server_id.clone(),
            server_ip: backend.server_ip.clone(),
            port: backend.port,
            weight: backend.weight,
            kind: backend.kind.clone(),
            description: backend.description.clone(),
        }
    }
}

impl From<&CloudState> for Cloud {
    fn from(state: &CloudState) -> Self {
        let balancers = state.load_balancers.iter().map(|balancer| {
            let known = |text: &String| Some(text.clone());
            Balancer {
                id: balancer.id.clone(),
                name: balancer.name.clone(),
                address: known(&balancer.address),
                address_type: known(&balancer.address_type),
                ip_version: known(&balancer.ip_version),
                network_type: known(&balancer.network_type),
                master_zone: known(&balancer.master_zone),
                slave_zone: known(&balancer.slave_zone),
                resource_group: known(&balancer.resource_group_id),
                vpc: None,
                tags: balancer.tags.iter().map(|t| (t.key.clone(), t.value.clone())).collect(),
            }
        });
        let groups = state.groups.iter().map(|group| ServerGroup {
            id: group.id.clone(),
            name: group.name.clone(),
            clb: group.lb.clone(),
            backends: group.backends.iter().map(RegisteredBackend::from).collect(),
        });
        let listeners = state.listeners.iter().map(|listener| Listener {
            clb: listener.lb.clone(),
            port: listener.port,
            protocol: listener.protocol.clone(),
            vgroup: listener.group.clone(),
            description: listener.description.clone(),
            forward_port: listener.attributes.get("ForwardPort").and_then(|p| p.parse().ok()),
            is_stopped: false,
        });
        Self {
            balancers: balancers.collect(),
            groups: groups.collect(),
            listeners: listeners.collect(),
            network: Network {
                vpc: None,
                ranges: Some(state.vpc_cidrs.clone()),
                without_interface: state.ips_without_eni.clone(),
            },
        }
    }
}
