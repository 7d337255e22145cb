use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiVersion, CcmRelease, Participant, Problem, RouteListener, UnknownPart};

/// What is known of CLBs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancerList {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: LoadBalancerListKind,
    /// By which release of CCM each cluster is judged; empty where no cluster is looked at.
    pub ccm: Vec<CcmRelease>,
    /// The CLBs, in the order of the command line.
    pub load_balancers: Vec<LoadBalancer>,
}

/// The kind of a `LoadBalancerList`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum LoadBalancerListKind {
    /// The answer of `status` about CLBs.
    LoadBalancerList,
}

/// A CLB with its listeners and groups.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LoadBalancer {
    /// The CLB's id.
    pub clb: String,
    /// Its name; null where that is unknown.
    pub clb_name: Option<String>,
    /// Its address; null where that is unknown.
    pub clb_address: Option<String>,
    /// `internet` or `intranet`; null where that is unknown.
    pub address_type: Option<String>,
    /// `active`, `inactive` or `locked`; null where that is unknown.
    pub status: Option<String>,
    /// Its region, for example `cn-hangzhou`; null where that is unknown.
    pub region: Option<String>,
    /// Its specification, for example `slb.s1.small`; null where it has none, and where that is
    /// unknown.
    pub spec: Option<String>,
    /// `PayBySpec` or `PayByCLCU`; null where that is unknown.
    pub charge_type: Option<String>,
    /// Its listeners, by port; null where they are unknown.
    pub listeners: Option<Vec<Listener>>,
    /// Its vServer groups that are known: those that a listener sends to first.
    pub groups: Vec<Group>,
    /// How many groups were not asked about, because there are too many; null where it is not known
    /// which groups there are.
    pub groups_left_out: Option<usize>,
    /// The servers of its default group; null where they are unknown.
    pub default_servers: Option<Vec<DefaultServer>>,
    /// What is not known of it, in words.
    pub unknown: Vec<String>,
}

/// A listener of a CLB.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// `tcp`, `udp`, `http` or `https`; null where that is unknown.
    pub protocol: Option<String>,
    /// `running` or `stopped`; for a short time also another word. Null where that is unknown.
    pub status: Option<String>,
    /// Where it sends connections.
    pub target: Target,
    /// How it chooses a backend: `wrr`, `wlc`, `rr` and others; null where that is unknown, and for one that
    /// redirects. Only the first two follow the weights.
    pub scheduler: Option<String>,
    /// Whether it checks the backends' health; null where that is unknown.
    pub health_check: Option<bool>,
    /// How long connections live on after their backend was removed; 0 where connection drain is off.
    /// Null where that is unknown, and where its protocol has none.
    pub connection_drain_seconds: Option<u64>,
    /// What keeps a client at its backend, for example `persistence for 60 s`; null where nothing does.
    pub persistence: Option<String>,
    /// Its description; empty where it has none.
    pub description: String,
}

/// Where a listener sends connections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    /// What it is.
    pub kind: TargetKind,
    /// The group's id; null for the default group and for a redirection.
    pub group: Option<String>,
    /// The port of the default group's servers, or that of the listener which it redirects to; null
    /// for other groups, and where it is unknown.
    pub port: Option<u16>,
}

/// What a listener sends to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum TargetKind {
    /// A vServer group.
    VServerGroup,
    /// The servers of the CLB's default group.
    DefaultServerGroup,
    /// A group of a primary and a secondary server.
    MasterSlaveServerGroup,
    /// Another listener of the CLB, by telling clients to go there.
    Redirect,
}

/// A vServer group of a CLB.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Group {
    /// Its id.
    pub vserver_group: String,
    /// Its name; null where it has none, and where that is unknown.
    pub vserver_group_name: Option<String>,
    /// The running listeners that send to it; null where they are unknown.
    pub listeners: Option<Vec<RouteListener>>,
    /// Whether all that holds weight in it is known, and a listener sends to it, as far as that is
    /// known.
    pub complete: bool,
    /// What is not known of it, in words. That no listener sends to it is told by `listeners`.
    pub unknown: Vec<String>,
    /// The same in parts, with what has to be given so that it is known.
    pub unknown_parts: Vec<UnknownPart>,
    /// The number of its backends; null where they are unknown.
    pub backends: Option<usize>,
    /// How many of them the CLB's health checks call healthy; null where that is unknown.
    pub healthy: Option<usize>,
    /// How many of them the CLB's health checks do not call healthy; null where that is unknown.
    pub abnormal: Option<usize>,
    /// The sum of their weights; null where they are unknown.
    pub weight_sum: Option<u64>,
    /// Who holds weight in it.
    pub participants: Vec<Participant>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

/// A server of a CLB's default group.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefaultServer {
    /// The id of the instance or network interface.
    pub server: String,
    /// Its weight.
    pub weight: u32,
    /// Its part of the group's traffic, 0 to 1.
    pub share: f64,
    /// Whether the health checks of all listeners that send to it call it healthy; null where that is
    /// unknown.
    pub healthy: Option<bool>,
}

impl TargetKind {
    /// Whether what it is has no weights.
    pub fn is_redirect(self) -> bool {
        self == Self::Redirect
    }
}
