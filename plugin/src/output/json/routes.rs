use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiVersion, CcmRelease, Object, Outcome, Severity};

/// What traffic goes where.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteList {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: RouteListKind,
    /// By which release of CCM each cluster is judged.
    pub ccm: Vec<CcmRelease>,
    /// The routes, by CLB, group and port.
    pub routes: Vec<Route>,
    /// Services with CLB annotations that are in no route.
    pub unrouted: Vec<Unrouted>,
    /// Services with CLB annotations that another controller takes, such as those of an NLB.
    pub not_judged: Vec<NotJudged>,
}

/// A Service with CLB annotations of which nothing is said, for another controller takes it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NotJudged {
    /// The Service.
    pub object: Object,
    /// Why nothing is said of it.
    pub why: String,
}

/// The kind of a `RouteList`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum RouteListKind {
    /// The answer of `status`.
    RouteList,
}

/// One thing whose traffic is split.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Route {
    /// The CLB's id; empty where nothing names it.
    pub clb: String,
    /// The vServer group's id.
    pub vserver_group: String,
    /// The port; null for a group that nobody is mapped to and no listener names.
    pub port: Option<u16>,
    /// Whether all that holds weight in it is known, and a listener sends to its group, as far as that
    /// is known.
    pub complete: bool,
    /// What is not known, in words.
    pub unknown: Vec<String>,
    /// The sum of all known weights.
    pub weight_sum: u64,
    /// Who holds weight in it.
    pub participants: Vec<Participant>,
    /// What is wrong with the group itself.
    pub problems: Vec<Problem>,
    /// The CLB's name and address, the group's name.
    #[serde(skip)]
    pub names: RouteNames,
}

/// The names of a route's CLB and group, which tables show beside their ids.
#[derive(Debug, Clone, Default)]
pub struct RouteNames {
    /// The CLB's name.
    pub clb: String,
    /// The CLB's address.
    pub address: String,
    /// The group's name.
    pub vserver_group: String,
}

/// One holder of weight.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The cluster's context; null for files without a name, for clusters not at hand, for servers.
    pub context: Option<String>,
    /// What it is.
    pub kind: ParticipantKind,
    /// The Service's namespace; null for a server.
    pub namespace: Option<String>,
    /// The Service's name, or the server's id.
    pub name: String,
    /// How traffic gets to it; null where that is unknown.
    pub mode: Option<Mode>,
    /// What CCM's next round makes of it as it is; null for whatever is not at hand.
    pub outcome: Option<Outcome>,
    /// Why the outcome is not `applied`.
    pub reasons: Vec<String>,
    /// The nominal weight: the annotation's value, or a server's own; null where none is in effect.
    pub weight: Option<u32>,
    /// How many backends it has in the group; null where that is unknown.
    pub backends: Option<usize>,
    /// How many ready endpoints stand behind it; null where that is unknown.
    pub ready: Option<usize>,
    /// How many backends the CLB's health checks call healthy; null where that is unknown.
    pub healthy: Option<usize>,
    /// The sum of its backends' weights; null where that is unknown.
    pub weight_sum: Option<u64>,
    /// That sum as CCM would have written it; null where that is unknown.
    pub expected_weight_sum: Option<u64>,
    /// Its part of the route's traffic, 0 to 1; null while a participant of the route is unknown.
    pub share: Option<f64>,
    /// Its part of what is known of the route, 0 to 1.
    pub share_of_known: f64,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
    /// What tables show besides.
    #[serde(skip)]
    pub display: ParticipantDisplay,
}

/// What tables show of a participant besides its document.
#[derive(Debug, Clone, Default)]
pub struct ParticipantDisplay {
    /// The weight annotation as written, where it is not a weight.
    pub odd_weight: Option<String>,
    /// `namespace/name`, or a server's id.
    pub label: String,
    /// What it is where its object is not at hand, for example `orphan`.
    pub mark: Option<&'static str>,
    /// Whether its object is at hand.
    pub is_in_snapshot: bool,
    /// How many backends CCM would have registered.
    pub expected_backends: usize,
}

/// What a participant is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum ParticipantKind {
    /// A Service.
    Service,
    /// A path of an Ingress.
    Ingress,
    /// A server that no cluster put there.
    External,
}

/// How traffic gets to a participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum Mode {
    /// Every eligible node is a backend.
    Cluster,
    /// Nodes with pods are backends.
    Local,
    /// Pods are backends themselves.
    #[serde(rename = "ENI")]
    Eni,
    /// The server is the backend.
    External,
}

/// A problem, beside what it concerns.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Problem {
    /// The rule that found it; null where it is seen without a rule.
    pub rule: Option<String>,
    /// How bad it is.
    pub severity: Severity,
    /// What it is.
    pub message: String,
}

/// A Service with CLB annotations that is in no route.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Unrouted {
    /// The cluster's context; null for files without a name.
    pub context: Option<String>,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// What CCM's next round makes of it.
    pub outcome: Outcome,
    /// Why it is in no route.
    pub reasons: Vec<String>,
    /// What is wrong with it.
    pub problems: Vec<Problem>,
}

impl Mode {
    /// The mode's name in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
            Self::Eni => "ENI",
            Self::External => "External",
        }
    }
}

impl From<clbmigrate_core::backends::Mode> for Mode {
    fn from(mode: clbmigrate_core::backends::Mode) -> Self {
        use clbmigrate_core::backends::Mode as Core;
        match mode {
            Core::Cluster => Self::Cluster,
            Core::Local => Self::Local,
            Core::Eni => Self::Eni,
        }
    }
}
