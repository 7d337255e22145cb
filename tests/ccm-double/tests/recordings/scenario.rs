//! A scenario as a file: a cloud, clusters with objects, and steps. Every round among the steps says what the
//! real CCM asked and left behind.

use std::collections::BTreeMap;

use clbmigrate_clb_double::state::{Backend, BackendType};
use serde::Deserialize;
use serde_json::{Map, Value};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What the recording calls it.
    #[serde(rename = "about")]
    pub _about: String,
    pub cloud: Cloud,
    pub clusters: Vec<Cluster>,
    pub steps: Vec<Step>,
}

/// The one CLB `lb-1` at 10.0.0.1.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Cloud {
    pub groups: BTreeMap<String, Group>,
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    #[serde(default)]
    pub missing_interfaces: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    pub name: String,
    pub backends: Vec<ConsoleBackend>,
}

/// A backend that a person adds, as the API writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConsoleBackend {
    server_id: String,
    server_ip: String,
    port: u16,
    weight: u8,
    description: String,
    #[serde(rename = "Type")]
    kind: BackendType,
}

impl From<&ConsoleBackend> for Backend {
    fn from(backend: &ConsoleBackend) -> Self {
        Self {
            server_id: backend.server_id.clone(),
            server_ip: backend.server_ip.clone(),
            port: backend.port,
            weight: backend.weight,
            kind: backend.kind,
            description: backend.description.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cluster {
    pub id: String,
    pub objects: Vec<Value>,
}

/// What happens; in the first cluster, but for rounds that name another.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Step {
    /// CCM looks at a Service.
    Round(Round),
    /// Somebody changes an object.
    Patch { kind: String, name: String, with: Value },
    /// Somebody creates or replaces an object.
    Put(Value),
    /// An object goes.
    Remove { kind: String, name: String },
    /// Somebody deletes a Service.
    End(String),
    /// The cloud refuses calls from now on.
    Refuse { action: String, skip: u32, count: u32, code: String, message: String },
    /// Somebody changes a backend in the console.
    Console { group: String, backend: ConsoleBackend },
}

/// A round, and everything that is known of it. What is absent was not recorded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Round {
    pub service: String,
    #[serde(default)]
    pub cluster: usize,
    /// The beginning of the error with which it ended.
    pub error: Option<String>,
    /// `version action parameters`, with ` !code` where the cloud refused.
    pub calls: Option<Vec<String>>,
    pub events: Option<Vec<String>>,
    /// Groups afterwards: `type|id|address|port w=weight [description]`, sorted.
    #[serde(default)]
    pub groups: BTreeMap<String, Vec<String>>,
    /// Backends in each call that adds some.
    pub batches: Option<Vec<usize>>,
    #[serde(default)]
    pub leaves: ServiceMarks,
    /// Conditions of Pods afterwards: type, status and reason.
    #[serde(default)]
    pub conditions: BTreeMap<String, Vec<[String; 3]>>,
}

/// A Service afterwards.
#[derive(Debug, Default, Deserialize)]
#[serde(from = "Option<Map<String, Value>>")]
pub enum ServiceMarks {
    /// Not recorded.
    #[default]
    NotRecorded,
    /// `null`: gone.
    Gone,
    /// With these marks of CCM, as far as they are known: `hash`, `clb`, `finalizer`, `address`.
    Present(Map<String, Value>),
}

impl From<Option<Map<String, Value>>> for ServiceMarks {
    fn from(marks: Option<Map<String, Value>>) -> Self {
        marks.map_or(Self::Gone, Self::Present)
    }
}
