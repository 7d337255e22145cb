use clbmigrate_core::route::Unknown;
use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiVersion, CcmRelease, Need, Object, Outcome, Severity};

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
    /// The CLB's name; null where that is unknown.
    pub clb_name: Option<String>,
    /// The CLB's address; null where that is unknown.
    pub clb_address: Option<String>,
    /// The vServer group's id.
    pub vserver_group: String,
    /// The vServer group's name; null where that is unknown.
    pub vserver_group_name: Option<String>,
    /// The port; null for a group that nobody is mapped to and no listener names.
    pub port: Option<u16>,
    /// The running listeners that send to the group; null where they are unknown.
    pub listeners: Option<Vec<RouteListener>>,
    /// Whether all that holds weight in it is known, and a listener sends to its group, as far as that
    /// is known.
    pub complete: bool,
    /// What is not known, in words.
    pub unknown: Vec<String>,
    /// The same in parts, with what has to be given so that it is known.
    pub unknown_parts: Vec<UnknownPart>,
    /// The sum of all known weights.
    pub weight_sum: u64,
    /// Who holds weight in it.
    pub participants: Vec<Participant>,
    /// What is wrong with the group itself.
    pub problems: Vec<Problem>,
}

/// Something that is not known of a route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnknownPart {
    /// What it is.
    pub what: String,
    /// Why it is not known.
    pub why: String,
    /// What has to be given for it; null where nothing would tell it.
    pub need: Option<Need>,
}

impl From<&Unknown> for UnknownPart {
    fn from(unknown: &Unknown) -> Self {
        Self {
            what: unknown.what.clone(),
            why: unknown.why.clone(),
            need: unknown.need.map(Need::from),
        }
    }
}

/// A running listener that sends to a route's group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteListener {
    /// `tcp`, `udp`, `http` or `https`; null where that is unknown.
    pub protocol: Option<String>,
    /// Its port.
    pub port: u16,
    /// How it chooses a backend: `wrr`, `wlc`, `rr` and others; null where that is unknown. Only the
    /// first two follow the weights.
    pub scheduler: Option<String>,
    /// Whether it checks the backends' health; null where that is unknown.
    pub health_check: Option<bool>,
}

/// One holder of weight.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Participant {
    /// The cluster's context; null for files without a name, for clusters not at hand, for servers.
    pub context: Option<String>,
    /// What it is.
    pub kind: ParticipantKind,
    /// How the Service stands to the clusters at hand; null for a server, and where it is unknown
    /// whose the backends are.
    pub standing: Option<Standing>,
    /// The id of the Service's cluster; null for a server, and where it is unknown.
    pub cluster_id: Option<String>,
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
    /// The weight annotation as it is written, where CCM cannot read it; null otherwise.
    pub invalid_weight: Option<String>,
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
}

/// How a Service that holds weight stands to the clusters at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Standing {
    /// A Service of a cluster at hand, mapped to the group.
    Member,
    /// A Service of a cluster that is not at hand, known by the description of its backends.
    Remote,
    /// A Service of a cluster at hand that is gone, or not mapped to the group any more. Nobody removes
    /// its backends.
    Orphan,
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

impl Participant {
    /// `namespace/name` of a Service, or the id of a server.
    pub fn label(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{namespace}/{}", self.name),
            None => self.name.clone(),
        }
    }

    /// What it is where no Service at hand stands behind it: `orphan`, for example.
    pub fn mark(&self) -> Option<&'static str> {
        match (self.kind, self.standing) {
            (ParticipantKind::External, _) | (_, Some(Standing::Member)) => None,
            (_, Some(Standing::Remote)) => Some("other cluster"),
            (_, Some(Standing::Orphan)) => Some("orphan"),
            (_, None) => Some("unknown"),
        }
    }

    /// Whether it is a Service at hand.
    pub fn is_member(&self) -> bool {
        self.standing == Some(Standing::Member)
    }
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
