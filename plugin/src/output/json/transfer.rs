use schemars::JsonSchema;
use serde::Serialize;

use super::{ApiVersion, ParticipantKind, Standing};

/// The answer of `shift`, and of `undo` for what `shift` did.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferReport {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: TransferKind,
    /// The command.
    pub verb: String,
    /// The change's id, the same on every side; null where nothing was written.
    pub change: Option<String>,
    /// The id of the change that this one takes back.
    pub undoes: Option<String>,
    /// The sides, in the order in which they are written.
    pub parts: Vec<TransferPart>,
    /// The routes that it concerns, with the shares in them.
    pub routes: Vec<TransferRoute>,
    /// How far it came.
    pub state: TransferState,
    /// Whether the weights of all sides were seen at the CLB itself.
    pub verified: bool,
    /// The state in words.
    pub message: String,
    /// How to go on where it is half done.
    pub next: Vec<NextStep>,
}

/// A command that goes on from a half-done change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NextStep {
    /// What it does.
    pub does: Next,
    /// The whole command.
    pub command: String,
}

/// What can be done about a half-done change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Next {
    /// Write what is missing.
    Finish,
    /// Take back what is written.
    Undo,
}

/// The kind of a `TransferReport`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum TransferKind {
    /// The answer about a change of several sides.
    Transfer,
}

/// One side.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferPart {
    /// A Service, or servers outside of clusters.
    pub kind: ParticipantKind,
    /// The Service's context.
    pub context: Option<String>,
    /// The Service's namespace.
    pub namespace: Option<String>,
    /// The Service's name.
    pub name: Option<String>,
    /// The group of the servers.
    pub vserver_group: Option<String>,
    /// The weights: one of a Service, one for each server.
    pub weights: Vec<WeightChange>,
    /// How far it came.
    pub state: PartState,
}

/// A weight that changes.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeightChange {
    /// The server's id; null for a Service.
    pub server: Option<String>,
    /// The server's port.
    pub port: Option<u16>,
    /// Before; null where a Service has no weight annotation.
    pub old: Option<String>,
    /// After.
    pub new: Option<String>,
}

/// How far a side came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PartState {
    /// Nothing was written.
    Untouched,
    /// Written, not seen in effect.
    Written,
    /// Written, and seen in effect at the CLB.
    Done,
    /// Written, and CCM reports success; nobody has seen what the group holds.
    Unverified,
    /// Written, and taken back.
    RolledBack,
    /// Written and taken back, which was not seen in effect.
    Unconfirmed,
    /// Written, and could not be taken back.
    Left,
    /// Somebody else wrote something else.
    Taken,
}

/// How far the whole change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum TransferState {
    /// It is so already.
    Unchanged,
    /// Tried only; nothing was written.
    DryRun,
    /// All sides are written, and seen in effect at the CLB.
    Done,
    /// All sides are written, and CCM reports success; nobody has seen what the groups hold.
    Unverified,
    /// It ended between two sides.
    HalfDone,
    /// What was written is taken back.
    RolledBack,
}

/// A route that it concerns.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TransferRoute {
    /// The CLB's id.
    pub clb: String,
    /// The vServer group's id.
    pub vserver_group: String,
    /// The port.
    pub port: Option<u16>,
    /// Who carries how much.
    pub shares: Vec<ShareChange>,
}

/// A participant's share around the change.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ShareChange {
    /// What it is.
    pub kind: ParticipantKind,
    /// How the Service stands to the clusters at hand; null for a server, and where it is unknown
    /// whose the backends are.
    pub standing: Option<Standing>,
    /// The context; null for servers and for clusters that are not at hand.
    pub context: Option<String>,
    /// The Service's namespace.
    pub namespace: Option<String>,
    /// The Service's name, or the server's id.
    pub name: String,
    /// Its share before, 0 to 1; null where it is not known.
    pub before: Option<f64>,
    /// Its share when all sides are written.
    pub after: Option<f64>,
}
