//! What the data plane did, for tests.

use std::net::SocketAddr;

use serde::Serialize;

use crate::state::BackendKey;

use super::front::Front;

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

pub(super) fn of(front: &Front, error: Option<&String>) -> ListenerReport {
    let ledger = front.ledger();
    let backends = ledger
        .lanes
        .iter()
        .map(|(key, lane)| BackendReport {
            key: key.clone(),
            open: lane.open,
            total: lane.total,
            failed: lane.failed,
            cut: lane.cut_off,
        })
        .collect();
    ListenerReport {
        load_balancer_id: front.key.load_balancer.clone(),
        address: front.key.address(),
        forwards: error.is_none(),
        error: error.cloned(),
        refused: ledger.refused,
        backends,
    }
}
