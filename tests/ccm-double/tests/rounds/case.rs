//! The format of the recorded rounds: what a round finds, and what the real CCM made of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;

/// One recorded round.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    pub name: String,
    pub cluster_id: String,
    pub before: ClusterState,
    pub after: ClusterState,
    pub cloud: CloudState,
    pub expected: Expected,
}

/// Objects in Kubernetes' JSON, without their kinds.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterState {
    pub service: Option<Value>,
    #[serde(default)]
    pub other_services: Vec<Value>,
    pub nodes: Vec<Value>,
    pub endpoint_slices: Vec<Value>,
    pub pods: Vec<Value>,
}

/// The cloud before the round.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CloudState {
    pub load_balancers: Vec<LoadBalancerState>,
    pub groups: Vec<GroupState>,
    pub listeners: Vec<ListenerState>,
    pub vpc_id: String,
    pub vpc_cidrs: Vec<String>,
    #[serde(default)]
    pub ips_without_eni: BTreeSet<String>,
    #[serde(default)]
    pub faults: Vec<RecordedFault>,
}

#[derive(Debug, Clone, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerState {
    pub id: String,
    pub name: String,
    pub address: String,
    pub address_type: String,
    pub ip_version: String,
    pub network_type: String,
    #[serde(default)]
    pub spec: String,
    #[serde(default)]
    pub instance_charge_type: String,
    #[serde(default)]
    pub internet_charge_type: String,
    #[serde(default)]
    pub bandwidth: i64,
    #[serde(default)]
    pub master_zone: String,
    #[serde(default)]
    pub slave_zone: String,
    #[serde(default)]
    pub resource_group_id: String,
    #[serde(default)]
    pub delete_protection: String,
    #[serde(default)]
    pub modification_protection: String,
    pub tags: Vec<Tag>,
}

#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    pub key: String,
    pub value: String,
}

#[derive(Deserialize)]
pub struct GroupState {
    pub id: String,
    pub name: String,
    pub lb: String,
    pub backends: Vec<RecordedBackend>,
}

#[derive(Debug, Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase")]
pub struct RecordedBackend {
    #[serde(rename = "type")]
    pub kind: String,
    pub server_id: String,
    pub server_ip: String,
    pub port: i32,
    pub weight: u32,
    pub description: String,
}

#[derive(Debug, Deserialize)]
pub struct ListenerState {
    pub lb: String,
    pub port: u16,
    pub protocol: String,
    pub group: String,
    pub description: String,
    pub status: String,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
}

/// Calls of an action that are throttled in the first round.
#[derive(Deserialize)]
pub struct RecordedFault {
    pub action: String,
    /// Which call of the round, counted from 1; 0 is each.
    pub call: u32,
}

/// What CCM made of it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    pub enqueued: bool,
    #[serde(default)]
    pub handler_events: Vec<RecordedEvent>,
    #[serde(flatten)]
    pub round: ExpectedRound,
    /// After the round, if they changed.
    pub load_balancers: Option<BTreeMap<String, LoadBalancerState>>,
    /// After the round, if they changed.
    pub listeners: Option<Vec<ListenerState>>,
    pub retry: Option<ExpectedRound>,
    pub again: Option<ExpectedRound>,
    #[serde(default)]
    pub others: Vec<ExpectedOther>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExpectedRound {
    pub error: Option<String>,
    pub requeue_after_seconds: Option<u64>,
    #[serde(default)]
    pub events: Vec<RecordedEvent>,
    #[serde(default)]
    pub writes: Vec<RecordedWrite>,
    pub groups: BTreeMap<String, ExpectedGroup>,
    pub service: Option<ExpectedService>,
    #[serde(default)]
    pub gates: BTreeSet<Gate>,
}

#[derive(Deserialize)]
pub struct ExpectedOther {
    /// `namespace/name`.
    pub of: String,
    #[serde(flatten)]
    pub round: ExpectedRound,
}

#[derive(Debug, Deserialize)]
pub struct RecordedEvent {
    #[serde(rename = "type")]
    pub kind: String,
    pub reason: String,
    pub message: String,
}

#[derive(Deserialize)]
pub struct RecordedWrite {
    pub action: String,
    pub lb: Option<String>,
    pub group: Option<String>,
    /// `protocol:port`.
    pub listener: Option<String>,
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    #[serde(default)]
    pub backends: Vec<RecordedBackend>,
    pub refused: Option<String>,
}

#[derive(Deserialize)]
pub struct ExpectedGroup {
    pub name: String,
    pub lb: String,
    #[serde(default)]
    pub backends: Vec<RecordedBackend>,
}

#[derive(Deserialize)]
pub struct ExpectedService {
    #[serde(default)]
    pub labels: Option<BTreeMap<String, String>>,
    #[serde(default)]
    pub finalizers: Option<Vec<String>>,
    #[serde(default)]
    pub status: Value,
}

/// A readiness gate condition of a Pod.
#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gate {
    /// `namespace/name`.
    pub pod: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub status: String,
    #[serde(default)]
    pub reason: String,
}
