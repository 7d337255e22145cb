//! The health of backends.

use serde::{Deserialize, Deserializer};

use super::{ListenerName, RegisteredBackend, listener::lower_case};
use crate::object::nullable;

/// `DescribeHealthStatus`: the health of the backends behind listeners of one CLB.
#[derive(Debug, Clone, Deserialize)]
pub struct HealthAnswer {
    /// The CLB that was asked about; `None` where nothing tells it.
    #[serde(skip)]
    pub clb: Option<String>,
    /// One entry a backend and listener.
    #[serde(rename = "BackendServers", deserialize_with = "health")]
    pub servers: Vec<ServerHealth>,
}

/// The health of a backend as one listener sees it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ServerHealth {
    /// The id of the ECS instance or network interface.
    pub server_id: String,
    /// The pod's address.
    #[serde(default, deserialize_with = "nullable")]
    pub server_ip: String,
    /// The backend's port.
    #[serde(default, deserialize_with = "nullable")]
    pub port: u16,
    /// The listener's port; `None` where the answer does not tell it.
    #[serde(default)]
    pub listener_port: Option<u16>,
    /// The listener's protocol; empty where the answer does not tell it.
    #[serde(rename = "Protocol", default, deserialize_with = "lower_case")]
    pub protocol: String,
    /// What the health check says; `None` where it is not known.
    #[serde(rename = "ServerHealthStatus", default, deserialize_with = "status")]
    pub health: Option<Health>,
}

/// What a listener's health check says of a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// It gets connections, if it has weight.
    Normal,
    /// The listener sends it no new connections.
    Abnormal,
    /// It is not checked, or not yet: health checks are off, or do not apply to it.
    Unavailable,
}

impl HealthAnswer {
    /// The answer to a question about one listener of a CLB. Entries that name no listener are about
    /// this one.
    #[must_use]
    pub fn about(mut self, clb: &str, port: u16, protocol: &str) -> Self {
        self.clb = Some(clb.to_owned());
        for server in &mut self.servers {
            server.listener_port.get_or_insert(port);
            if server.protocol.is_empty() {
                server.protocol = protocol.to_lowercase();
            }
        }
        self
    }
}

impl ServerHealth {
    /// Whether both are about the same listener of one CLB.
    pub(super) fn is_same_listener(&self, other: &Self) -> bool {
        self.listener_port == other.listener_port && self.protocol == other.protocol
    }

    /// Whether it may be about that listener: it is where it does not tell another port or protocol.
    pub fn is_at(&self, listener: &ListenerName<'_>) -> bool {
        self.listener_port.is_none_or(|port| port == listener.port)
            && [listener.protocol, ""].contains(&self.protocol.as_str())
    }

    /// Whether it is about that backend.
    pub fn is_of(&self, backend: &RegisteredBackend) -> bool {
        self.server_id == backend.server_id
            && self.port == backend.port
            && (self.server_ip.is_empty()
                || backend.server_ip.is_empty()
                || self.server_ip == backend.server_ip)
    }

    /// The listener's name, as far as the answer tells it.
    pub fn listener(&self) -> Option<ListenerName<'_>> {
        let port = self.listener_port?;
        Some(ListenerName { port, protocol: &self.protocol })
    }
}

fn status<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Health>, D::Error> {
    let status = Option::<String>::deserialize(deserializer)?;
    Ok(status.and_then(|status| match status.to_lowercase().as_str() {
        "normal" => Some(Health::Normal),
        "abnormal" => Some(Health::Abnormal),
        "unavailable" => Some(Health::Unavailable),
        _ => None,
    }))
}

fn health<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ServerHealth>, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Wrapped {
        #[serde(default, deserialize_with = "nullable")]
        backend_server: Vec<ServerHealth>,
    }
    Wrapped::deserialize(deserializer).map(|wrapped| wrapped.backend_server)
}
