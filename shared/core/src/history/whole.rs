//! A change of several sides, as each of its Services records the whole of it.

use serde::{Deserialize, Serialize};

/// All that a change touches, in the order in which it is written. Every entry of a history that is a
/// part of such a change holds the whole of it, so that it can be finished or taken back from any side.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whole {
    /// Who gains first.
    pub parts: Vec<Part>,
}

/// One side's part of a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// The weight of a Service.
    Service(OneService),
    /// The weights of servers outside of clusters, in one group.
    Servers(Servers),
}

/// A Service's weight around a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneService {
    /// The context, as whoever made the change calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The cluster's id, where it is known: a name of its own for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The annotation's value before; `None` where there was none.
    pub from: Option<String>,
    /// The value after.
    pub to: Option<String>,
}

/// Weights of servers around a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Servers {
    /// The CLB.
    pub clb: String,
    /// The vServer group.
    pub vgroup: String,
    /// The servers whose weights change.
    pub servers: Vec<Server>,
}

/// A server's weight around a change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Server {
    /// The instance's id.
    pub id: String,
    /// 1..=65535.
    pub port: u16,
    /// Before, 0..=100.
    pub from: u32,
    /// After, 0..=100.
    pub to: u32,
}
