use clbmigrate_core::{finding, object::ObjectRef, patch};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::{ApiVersion, Severity};

/// What `check` found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// The version of this document.
    pub api_version: ApiVersion,
    /// The kind of this document.
    pub kind: CheckKind,
    /// The findings, by object.
    pub findings: Vec<Finding>,
    /// What could not be looked at. The rules named here say nothing, which does not mean that
    /// there is nothing to say.
    pub not_looked: Vec<NotLooked>,
    /// How many findings there are.
    pub summary: Summary,
}

/// The kind of a `CheckReport`.
#[derive(Debug, Clone, Copy, Serialize, JsonSchema)]
pub enum CheckKind {
    /// The report of `check`.
    CheckReport,
}

/// One mistake, or thing worth knowing, at one place.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The rule's id, `CLBnnn`.
    pub rule: String,
    /// How bad it is here.
    pub severity: Severity,
    /// The object.
    pub object: Object,
    /// The field, for example `metadata.annotations[…]`; empty for the object as a whole.
    pub path: String,
    /// What is wrong, and what CCM makes of it.
    pub message: String,
    /// What to do instead.
    pub fix: String,
    /// The fix as a JSON Patch on the object; empty where it is not mechanical.
    pub patch: Vec<PatchOp>,
    /// `FILE:LINE`, for objects from files.
    pub source: Option<String>,
    /// Set where the object is exempt from the rule by its annotation `clbmigrate.io/allow`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allowed: bool,
}

/// A Kubernetes object, or a vServer group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct Object {
    /// Its kind; `VServerGroup` for a group of the CLB.
    pub kind: String,
    /// Its namespace; null for what has none.
    pub namespace: Option<String>,
    /// Its name, or the group's id.
    pub name: String,
    /// Its cluster's context; null where files were given without a name.
    pub context: Option<String>,
}

/// One operation of a JSON Patch (RFC 6902).
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum PatchOp {
    /// Adds a member, or replaces it.
    Add {
        /// The member's place, a JSON Pointer (RFC 6901).
        path: String,
        /// The member's value.
        value: Value,
    },
    /// Replaces a member.
    Replace {
        /// The member's place, a JSON Pointer (RFC 6901).
        path: String,
        /// The member's value.
        value: Value,
    },
    /// Removes a member.
    Remove {
        /// The member's place, a JSON Pointer (RFC 6901).
        path: String,
    },
}

/// Something that could not be looked at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NotLooked {
    /// What was not at hand.
    pub what: String,
    /// Why.
    pub why: String,
    /// The rules that stay silent for it.
    pub rules: Vec<String>,
}

/// How many findings there are of each severity.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Summary {
    /// Errors.
    pub errors: usize,
    /// Warnings.
    pub warnings: usize,
    /// Remarks.
    pub infos: usize,
}

impl CheckReport {
    /// The report as a document.
    pub fn new(report: &finding::Report) -> Self {
        Self {
            api_version: ApiVersion::V1Alpha1,
            kind: CheckKind::CheckReport,
            findings: report.findings.iter().map(Finding::from).collect(),
            not_looked: report.not_looked.iter().map(NotLooked::from).collect(),
            summary: Summary::of(&report.findings),
        }
    }
}

impl Summary {
    /// Counts findings by severity. Allowed ones count as well.
    pub fn of(findings: &[finding::Finding]) -> Self {
        let count = |severity| findings.iter().filter(|found| found.severity == severity).count();
        Self {
            errors: count(finding::Severity::Error),
            warnings: count(finding::Severity::Warning),
            infos: count(finding::Severity::Info),
        }
    }

    /// How many findings of that severity there are.
    pub fn count(self, severity: finding::Severity) -> usize {
        match severity {
            finding::Severity::Error => self.errors,
            finding::Severity::Warning => self.warnings,
            finding::Severity::Info => self.infos,
        }
    }
}

impl From<&finding::Finding> for Finding {
    fn from(finding: &finding::Finding) -> Self {
        Self {
            rule: finding.rule.to_owned(),
            severity: finding.severity.into(),
            object: Object::from(&finding.object),
            path: finding.path.clone(),
            message: finding.message.clone(),
            fix: finding.fix.clone(),
            patch: finding.patch.iter().map(PatchOp::from).collect(),
            source: finding.source.clone(),
            allowed: finding.allowed,
        }
    }
}

impl From<&ObjectRef> for Object {
    fn from(object: &ObjectRef) -> Self {
        Self {
            kind: object.kind.clone(),
            namespace: object.namespace.clone(),
            name: object.name.clone(),
            context: object.context.as_deref().map(str::to_owned),
        }
    }
}

impl From<&patch::PatchOp> for PatchOp {
    fn from(operation: &patch::PatchOp) -> Self {
        match operation.clone() {
            patch::PatchOp::Add { path, value } => Self::Add { path, value },
            patch::PatchOp::Replace { path, value } => Self::Replace { path, value },
            patch::PatchOp::Remove { path } => Self::Remove { path },
        }
    }
}

impl From<&finding::NotLooked> for NotLooked {
    fn from(missing: &finding::NotLooked) -> Self {
        Self {
            what: missing.what.clone(),
            why: missing.why.clone(),
            rules: missing.rules.iter().map(|rule| (*rule).to_owned()).collect(),
        }
    }
}
