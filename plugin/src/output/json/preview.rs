use clbmigrate_core::route::RouteBackend;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    ApiVersion, CcmRelease, Finding, NotLooked, Object, Outcome, Participant, Summary, UnknownPart,
};

/// What a change would do.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Preview {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: PreviewKind,
    /// By which release of CCM each cluster is judged.
    pub ccm: Vec<CcmRelease>,
    /// The worst that CCM's next round makes of a changed Service.
    pub outcome: Outcome,
    /// Whether the change makes CCM look at one of the Services.
    pub queued: bool,
    /// Why the outcome is not `applied`.
    pub reasons: Vec<String>,
    /// The same reasons, each with its Service, place and outcome.
    pub causes: Vec<OutcomeCause>,
    /// The events that CCM writes in its next round over the Services; where that fails, in the round
    /// after it.
    pub events: Vec<RoundEvent>,
    /// The Services that differ; none where the change changes nothing.
    pub changes: Vec<Change>,
    /// The routes they are or were in.
    pub routes: Vec<ChangedRoute>,
    /// What the change does to findings.
    pub findings: ChangeFindings,
    /// What could not be looked at.
    pub not_looked: Vec<NotLooked>,
    /// How many findings the change introduces.
    pub summary: Summary,
}

/// The kind of a `Preview`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum PreviewKind {
    /// The answer of `preview`.
    Preview,
}

/// Why an outcome is not `applied`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct OutcomeCause {
    /// The Service.
    pub object: Object,
    /// The outcome that follows from it.
    pub outcome: Outcome,
    /// What it is about: `port 80`, the key of an annotation, or `the Service`.
    pub place: String,
    /// What is the case, in words.
    pub message: String,
}

/// An event that CCM writes about its round over a Service.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct RoundEvent {
    /// The Service.
    pub object: Object,
    /// `Normal` or `Warning`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The reason, for example `SyncLoadBalancerFailed`.
    pub reason: String,
}

/// A Service that differs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Change {
    /// The Service.
    pub object: Object,
    /// Annotations that differ.
    pub annotations: Vec<AnnotationChange>,
    /// Fields of `spec` that differ, as far as CCM reads them; `spec` itself where the Service is
    /// new or goes.
    pub fields: Vec<FieldChange>,
}

/// An annotation that differs.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AnnotationChange {
    /// The full key.
    pub key: String,
    /// How it was; null where it was not there.
    pub old: Option<String>,
    /// How it becomes; null where it goes.
    pub new: Option<String>,
}

/// A field that differs, in words.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct FieldChange {
    /// The field, for example `spec.type`.
    pub path: String,
    /// How it was; null where it was not there.
    pub old: Option<String>,
    /// How it becomes; null where it goes.
    pub new: Option<String>,
}

/// A route, before and after.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangedRoute {
    /// The CLB's id; empty where nothing names it.
    pub clb: String,
    /// The vServer group's id.
    pub vserver_group: String,
    /// The port; null for a group that nobody is mapped to.
    pub port: Option<u16>,
    /// Before the change.
    pub before: RouteState,
    /// After CCM's next round over the changed Services.
    pub after: RouteState,
}

/// A route at one time.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Side")]
pub struct RouteState {
    /// Whether all that holds weight in it is known, and a listener sends to its group, as far as that
    /// is known.
    pub complete: bool,
    /// What is not known, in words.
    pub unknown: Vec<String>,
    /// The same in parts, with what has to be given so that it is known.
    pub unknown_parts: Vec<UnknownPart>,
    /// The sum of all known weights.
    pub weight_sum: u64,
    /// The backends, participant after participant.
    pub backends: Vec<GroupBackend>,
    /// Who holds weight in it.
    pub participants: Vec<Participant>,
    /// Which of what is unknown says that no listener sends to the group.
    #[serde(skip)]
    pub unreached: Option<String>,
}

impl RouteState {
    /// What is not known of those who hold weight in it, in words.
    pub fn unknown_weights(&self) -> impl Iterator<Item = &String> {
        self.unknown.iter().filter(|what| Some(*what) != self.unreached.as_ref())
    }

    /// Whether all that holds weight in it is known.
    pub fn is_measurable(&self) -> bool {
        self.unknown_weights().next().is_none()
    }
}

/// A backend of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GroupBackend {
    /// Instance id, or a pod's address.
    pub id: String,
    /// Its port; 0 where no node port is assigned yet.
    pub port: u16,
    /// Its weight.
    pub weight: u32,
    /// Its description: `k8s/…` for CCM's.
    pub description: String,
    /// Its participant, by index.
    #[serde(skip)]
    pub participant: usize,
}

/// What a change does to findings.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct ChangeFindings {
    /// Findings the change brings.
    pub introduced: Vec<Finding>,
    /// Findings it takes away.
    pub fixed: Vec<Finding>,
    /// Findings it leaves as they are.
    pub unchanged: Vec<Finding>,
}

impl From<RouteBackend<'_>> for GroupBackend {
    fn from(backend: RouteBackend<'_>) -> Self {
        Self {
            id: backend.id.to_string(),
            port: backend.port,
            weight: backend.weight,
            description: backend.description.to_string(),
            participant: backend.participant,
        }
    }
}
