use schemars::JsonSchema;
use serde::Serialize;

use super::{AnnotationChange, ApiVersion, Object, Outcome, TransferRoute};

/// The answer of the commands that write: `set`, `undo`, `attach`.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: ChangeKind,
    /// The command; `none` where there was nothing to do.
    pub verb: String,
    /// The Service.
    pub object: Object,
    /// The annotations that change, without the record.
    pub annotations: Vec<AnnotationChange>,
    /// The Service's type, where it changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_type: Option<TypeChange>,
    /// The `aliyun` commands that make at the CLB what the change needs there. They are not run.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<String>,
    /// The change's id, once it is written.
    pub change: Option<String>,
    /// The id of the change that this one takes back.
    pub undoes: Option<String>,
    /// What a round of CCM makes of the Service after the change.
    pub outcome: Outcome,
    /// The routes that it concerns, with the shares in them before the change and as the change means
    /// them.
    pub routes: Vec<TransferRoute>,
    /// How far the change came.
    pub state: ChangeState,
    /// Whether the backends' weights were seen at the CLB itself.
    pub verified: bool,
    /// The state in words.
    pub message: String,
}

/// A change of a Service's type.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct TypeChange {
    /// The type before; null where the Service is made by the change.
    pub old: Option<String>,
    /// The type after.
    pub new: String,
}

/// The kind of a change's document.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum ChangeKind {
    /// The answer of a command that writes one Service.
    Change,
}

/// How far a change came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum ChangeState {
    /// It was so already; nothing was written, and CCM was not waited for.
    Unchanged,
    /// Tried only; nothing was written.
    DryRun,
    /// Written; CCM was not waited for.
    Written,
    /// Written, now or before; CCM reports success, and the CLB's groups carry the weights.
    Done,
    /// Written, now or before, and CCM reports success; nobody has seen what the groups hold.
    Unverified,
    /// Written, and CCM reports failure.
    Failed,
    /// Written, and CCM was not done in time.
    TimedOut,
    /// Written, and CCM reports success, but the CLB's groups hold something else, or it calls backends
    /// abnormal.
    Differs,
    /// Written, and taken back, because the CLB's groups held something else, or backends were abnormal.
    RolledBack,
    /// Written, and put back by somebody else.
    PutBack,
    /// Written, and the Service is gone since.
    Gone,
}
