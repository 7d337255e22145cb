use schemars::JsonSchema;
use serde::Serialize;

use super::Recovery;

/// How long clients are still sent to a Pod whose end has begun: from then to CCM's next success. It is
/// measured at Pods that have ended and whose Events are still there.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deregistration {
    /// How many migrated Services are in Local or ENI mode, where CCM takes a backend away when a Pod ends.
    /// Null where Services could not be read.
    pub services: Option<usize>,
    /// How many migrated Services are in Cluster mode, where CCM does nothing then.
    pub in_cluster_mode: usize,
    /// How many may be in either, because nothing tells what CCM takes for backends by default.
    pub of_unknown_mode: usize,
    /// How many Pods were measured.
    pub measured: usize,
    /// The time in the middle, in seconds; null where none was measured.
    pub median_seconds: Option<u32>,
    /// The longest time, in seconds.
    pub slowest_seconds: Option<u32>,
    /// The Service of that Pod, as `namespace/name`.
    pub slowest_service: Option<String>,
    /// How many Pods were not measured because another one came, went or changed within a minute before.
    pub overlapping: usize,
    /// How many were not measured because CCM's Event was counted up since, and keeps no other time than
    /// its first and its last.
    pub overwritten: usize,
    /// How many were not measured because CCM has reported no success since.
    pub unanswered: usize,
    /// How long the preStop hook has to sleep: the longest time and a margin, in seconds.
    pub needed_seconds: Option<u32>,
    /// Whether the configured hook is as long as that; null where either is not known.
    pub hook_is_long_enough: Option<bool>,
    /// What could not be read, with the reason.
    pub unread: Vec<String>,
    /// Commands: how to measure where nothing was measured, or how to set what is needed.
    pub commands: Vec<Recovery>,
}
