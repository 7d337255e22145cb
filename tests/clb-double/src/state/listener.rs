//! Listeners: the port that clients connect to, and the group that takes the connections.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::parse;

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// The port that clients connect to, 1 to 65535.
    #[serde(deserialize_with = "parse::port")]
    pub port: u16,
    /// The protocol. The data plane forwards TCP only.
    #[serde(default)]
    pub protocol: Protocol,
    /// How connections are distributed.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// The id of the group that takes its connections; absent: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v_server_group_id: Option<String>,
    /// Whether it accepts connections.
    #[serde(default)]
    pub status: Status,
    /// Any text; CCM writes `k8s/…`.
    #[serde(default)]
    pub description: String,
    /// Seconds for which a client stays with its backend, 0 to 3600; 0: it does not.
    #[serde(default)]
    pub persistence_timeout: u32,
    /// Seconds, 10 to 900. Stored and described only: the data plane never ends an idle connection.
    #[serde(default = "default_established")]
    pub established_timeout: u32,
    /// Whether established connections are cut after their backend was removed or got weight 0.
    #[serde(default)]
    pub connection_drain: bool,
    /// After how many seconds they are cut, 10 to 900.
    #[serde(default = "default_drain")]
    pub connection_drain_timeout: u32,
    /// The health check of its backends.
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

/// The protocol of a listener.
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

/// How a listener distributes connections among its backends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheduler {
    /// Weighted round robin.
    #[default]
    Wrr,
    /// Round robin among the backends whose weight is not 0.
    Rr,
    /// The backend with the fewest connections for each unit of weight.
    Wlc,
}

/// Whether a listener accepts connections.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// It accepts connections.
    #[default]
    Running,
    /// It accepts none. Every new listener begins so.
    Stopped,
}

/// The health check of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HealthCheck {
    /// Whether backends are checked at all.
    pub enabled: bool,
    /// Stored and described only: the data plane checks by connecting, whichever it is.
    #[serde(rename = "type")]
    pub kind: HealthCheckType,
    /// The port to connect to; absent: the backend's own.
    pub port: Option<u16>,
    /// Seconds between two checks, 1 to 50.
    pub interval: u32,
    /// Seconds after which a check has failed, 1 to 300.
    pub connect_timeout: u32,
    /// After how many successes in a row a backend is healthy, 2 to 10.
    pub healthy_threshold: u32,
    /// After how many failures in a row it is unhealthy, 2 to 10.
    pub unhealthy_threshold: u32,
}

/// What a health check asks of a backend.
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
