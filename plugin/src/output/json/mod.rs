//! The documents of `-o json` and `-o yaml`. `docs/schema` is made from these types.

mod ccm;
mod change;
mod clb;
mod deregistration;
mod preview;
mod report;
mod routes;
mod transfer;
mod webhook;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Error;

pub use ccm::{CcmRelease, CcmSource};
pub use change::{ChangeKind, ChangeReport, ChangeState, TypeChange};
pub use clb::{
    DefaultServer, Group, Listener, LoadBalancer, LoadBalancerList, LoadBalancerListKind, Target,
    TargetKind,
};
pub use deregistration::Deregistration;
pub use preview::{
    AnnotationChange, Change, ChangeFindings, ChangedRoute, FieldChange, GroupBackend,
    OutcomeCause, Preview, PreviewKind, RoundEvent, RouteState,
};
pub use report::{CheckKind, CheckReport, Finding, NotLooked, Object, Summary};
pub use routes::{
    Mode, NotJudged, Participant, ParticipantKind, Problem, Route, RouteList, RouteListKind,
    RouteListener, Standing, UnknownPart, Unrouted,
};
pub use transfer::{
    Next, NextStep, PartState, ShareChange, TransferKind, TransferPart, TransferReport,
    TransferRoute, TransferState, WeightChange,
};
pub use webhook::{HookStatus, Recovery, WebhookConfiguration, WebhookStatus, WebhookStatusKind};

/// The version of all documents.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum ApiVersion {
    /// The first version.
    #[serde(rename = "clbmigrate.io/v1alpha1")]
    V1Alpha1,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Traffic is lost, or would be.
    Error,
    /// Likely not what was meant.
    Warning,
    /// Worth knowing.
    Info,
}

/// What somebody has to give, where something is not known for want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Need {
    /// The cluster's id: `--cluster-id`.
    ClusterId,
    /// Whether pods or nodes are the backends of a Service that does not say so: `--backend-type`.
    BackendType,
    /// Objects of the cluster: nodes, EndpointSlices, workloads.
    ClusterObjects,
    /// Answers of the CLB API.
    ClbApi,
    /// Objects that do not contradict each other.
    ClearInput,
}

impl From<clbmigrate_core::finding::Need> for Need {
    fn from(need: clbmigrate_core::finding::Need) -> Self {
        use clbmigrate_core::finding::Need as Core;
        match need {
            Core::ClusterId => Self::ClusterId,
            Core::BackendType => Self::BackendType,
            Core::ClusterObjects => Self::ClusterObjects,
            Core::ClbApi => Self::ClbApi,
            Core::ClearInput => Self::ClearInput,
        }
    }
}

/// What CCM's next round makes of a Service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// The group carries what the annotations say.
    Applied,
    /// CCM does not read what the annotations say.
    NoEffect,
    /// CCM takes the Service's backends out of the group and reports success.
    Drained,
    /// Nothing is written.
    Frozen,
    /// CCM reports failure each round, and has written a part before.
    Failing,
    /// CCM makes a group of its own, to which no listener points.
    Misrouted,
}

impl From<clbmigrate_core::finding::Severity> for Severity {
    fn from(severity: clbmigrate_core::finding::Severity) -> Self {
        use clbmigrate_core::finding::Severity as Core;
        match severity {
            Core::Error => Self::Error,
            Core::Warning => Self::Warning,
            Core::Info => Self::Info,
        }
    }
}

impl From<Severity> for clbmigrate_core::finding::Severity {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }
}

impl From<clbmigrate_core::outcome::Outcome> for Outcome {
    fn from(outcome: clbmigrate_core::outcome::Outcome) -> Self {
        use clbmigrate_core::outcome::Outcome as Core;
        match outcome {
            Core::Applied => Self::Applied,
            Core::Drained => Self::Drained,
            Core::NoEffect => Self::NoEffect,
            Core::Failing => Self::Failing,
            Core::Frozen => Self::Frozen,
            Core::Misrouted => Self::Misrouted,
        }
    }
}

impl From<Outcome> for clbmigrate_core::outcome::Outcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Applied => Self::Applied,
            Outcome::Drained => Self::Drained,
            Outcome::NoEffect => Self::NoEffect,
            Outcome::Failing => Self::Failing,
            Outcome::Frozen => Self::Frozen,
            Outcome::Misrouted => Self::Misrouted,
        }
    }
}

/// Writes a document as indented JSON with an end of line.
///
/// # Errors
/// Where `out` cannot be written.
pub fn write(document: &impl Serialize, out: &mut dyn std::io::Write) -> Result<(), Error> {
    // serde_json's error hides the kind of an I/O error unless it is turned back into one.
    serde_json::to_writer_pretty(&mut *out, document).map_err(std::io::Error::from)?;
    writeln!(out)?;
    Ok(())
}
