//! What the data plane has forwarded, for tests.

use std::net::SocketAddr;

use serde::Serialize;

use crate::state::BackendKey;

use super::listener::ListenerForwarder;

/// What one listener has forwarded since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerReport {
    /// The id of its CLB.
    pub load_balancer_id: String,
    /// The address that its clients connect to.
    pub address: SocketAddr,
    /// Whether it accepts connections now.
    pub forwards: bool,
    /// Why it does not accept connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Connections that were reset because no backend could take them.
    pub refused: u64,
    /// Every backend that a connection was ever assigned to.
    pub backends: Vec<BackendReport>,
}

/// The connections that one backend was assigned since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendReport {
    /// The backend.
    #[serde(flatten)]
    pub key: BackendKey,
    /// Open now.
    pub open: u64,
    /// All.
    pub total: u64,
    /// Those that the backend did not accept.
    pub failed: u64,
    /// Those that were cut after the backend was removed, got weight 0 under connection drain, or the listener
    /// stopped.
    pub cut: u64,
}

pub(super) fn listener_report(
    forwarder: &ListenerForwarder,
    error: Option<&String>,
) -> ListenerReport {
    let forwarding = forwarder.forwarding();
    let backends = forwarding
        .connections
        .iter()
        .map(|(key, connections)| BackendReport {
            key: key.clone(),
            open: connections.open,
            total: connections.total,
            failed: connections.failed,
            cut: connections.cut_count,
        })
        .collect();
    ListenerReport {
        load_balancer_id: forwarder.key.load_balancer.clone(),
        address: forwarder.key.address(),
        forwards: error.is_none(),
        error: error.cloned(),
        refused: forwarding.refused,
        backends,
    }
}
