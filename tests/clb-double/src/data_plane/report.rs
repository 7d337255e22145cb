//! What the data plane did, for tests.

use std::net::SocketAddr;

use serde::Serialize;

use crate::state::BackendKey;

use super::listener::ListenerForwarder;

/// A listener since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListenerReport {
    /// Its CLB.
    pub load_balancer_id: String,
    /// Where its clients connect.
    pub address: SocketAddr,
    /// Whether it takes connections now.
    pub forwards: bool,
    /// If not, why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Connections that no backend could take.
    pub refused: u64,
    /// Every backend that was ever given a connection.
    pub backends: Vec<BackendReport>,
}

/// A backend since the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendReport {
    /// Which one.
    #[serde(flatten)]
    pub key: BackendKey,
    /// Connections it has now.
    pub open: u64,
    /// Connections it was given.
    pub total: u64,
    /// Of them, those that it did not accept.
    pub failed: u64,
    /// Of them, those that were cut after it was taken away or out of service.
    pub cut: u64,
}

pub(super) fn of(forwarder: &ListenerForwarder, error: Option<&String>) -> ListenerReport {
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
