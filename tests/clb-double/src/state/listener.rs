//! A listener: where clients connect, and who takes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parse;

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Where clients connect.
    #[serde(deserialize_with = "parse::port")]
    pub port: u16,
    /// What they speak. The data plane forwards TCP only.
    #[serde(default)]
    pub protocol: Protocol,
    /// How backends take turns.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// The group that serves it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v_server_group_id: Option<String>,
    /// Whether it takes connections.
    #[serde(default)]
    pub status: Status,
    /// What people wrote.
    #[serde(default)]
    pub description: String,
    /// Seconds for which a client stays with its backend, 0 to 3600; 0: it does not.
    #[serde(default)]
    pub persistence_timeout: u32,
    /// Seconds, 10 to 900. Told, not kept: the data plane never ends an idle connection.
    #[serde(default = "default_established")]
    pub established_timeout: u32,
    /// Whether established connections end when their backend has gone or has weight 0.
    #[serde(default)]
    pub connection_drain: bool,
    /// Seconds until they do, 10 to 900.
    #[serde(default = "default_drain")]
    pub connection_drain_timeout: u32,
    /// How a backend is found to be well.
    #[serde(default)]
    pub health_check: HealthCheck,
    /// The port of the HTTPS listener to which an HTTP listener redirects its clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forward_port: Option<u16>,
    /// Parameters that are stored and described only, by their name in the API, such as
    /// `StickySession`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// What a listener's clients speak.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
    /// HTTP.
    Http,
    /// HTTPS.
    Https,
}

/// How backends take turns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// By weight.
    #[default]
    Wrr,
    /// All that have any weight alike.
    Rr,
    /// By connections for each unit of weight.
    Wlc,
}

/// Whether a listener takes connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It does.
    #[default]
    Running,
    /// It does not; every new listener begins so.
    Stopped,
}

/// How a backend is found to be well.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Whether it is looked after at all.
    pub enabled: bool,
    /// Told; the data plane connects, whichever it is.
    #[serde(rename = "type")]
    pub kind: HealthCheckType,
    /// Where to connect; absent: the backend's own port.
    pub port: Option<u16>,
    /// Seconds between two checks, 1 to 50.
    pub interval: u32,
    /// Seconds after which a check has failed, 1 to 300.
    pub connect_timeout: u32,
    /// Successes in a row that make it well, 2 to 10.
    pub healthy_threshold: u32,
    /// Failures in a row that make it unwell, 2 to 10.
    pub unhealthy_threshold: u32,
}

/// What is asked of a backend.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HealthCheckType {
    /// A connection.
    #[default]
    Tcp,
    /// An answer.
    Http,
}

/// What the API takes when a listener is created without saying.
impl Default for HealthCheck {
    fn default() -> Self {
        Self {
            enabled: true,
            kind: HealthCheckType::Tcp,
            port: None,
            interval: 2,
            connect_timeout: 5,
            healthy_threshold: 3,
            unhealthy_threshold: 3,
        }
    }
}

pub(crate) fn default_established() -> u32 {
    900
}

pub(crate) fn default_drain() -> u32 {
    300
}
