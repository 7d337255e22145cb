//! What rules report: findings, and what could not be looked at.

use serde::Serialize;

use crate::{object::ObjectRef, patch::PatchOp, rules};

/// How bad a finding is, the worse the greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Likely not what was meant.
    Warning,
    /// Traffic is lost, or would be.
    Error,
}

impl Severity {
    /// All of them, the worst first.
    pub const ALL: [Self; 3] = [Self::Error, Self::Warning, Self::Info];

    /// The severity's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// A mistake, or something worth knowing, at one place of one object.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule's id, for example `CLB001`.
    pub rule: &'static str,
    /// How bad it is here.
    pub severity: Severity,
    /// The object.
    pub object: ObjectRef,
    /// The field, for example `metadata.annotations[clbmigrate.io/allow]`; empty for the whole
    /// object.
    pub path: String,
    /// The field's value, where it has one.
    pub value: Option<String>,
    /// The parts of the value that are wrong, where the rest is right.
    pub parts: Vec<String>,
    /// What is wrong, and what CCM makes of it.
    pub message: String,
    /// What to type instead.
    pub fix: String,
    /// The fix as a JSON Patch on the object; empty where the fix is not mechanical.
    pub patch: Vec<PatchOp>,
    /// `file:line` of the field, for objects that were read from files.
    pub source: Option<String>,
    /// Whether the annotation `clbmigrate.io/allow` exempts the object from the rule.
    pub allowed: bool,
}

impl Finding {
    /// Whether both are of the same rule and severity and about the same field with the same value.
    /// A change that leaves the field alone does not bring such a finding.
    pub fn is_same(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.severity == other.severity
            && self.object == other.object
            && self.path == other.path
            && self.value == other.value
    }

    /// Whether `older` says as much already: of the same rule and field, no less bad, and with
    /// every part wrong that is wrong here. A change that leaves or only partly repairs a mistake
    /// does not bring it.
    pub fn is_carried_over(&self, older: &Self) -> bool {
        let is_known = |part| older.parts.contains(part);
        self.rule == older.rule
            && self.object == older.object
            && self.path == older.path
            && (self.severity <= older.severity || older.allowed)
            && (self.value == older.value
                || (!self.parts.is_empty() && self.parts.iter().all(is_known)))
    }

    /// Whether `error` may have stood behind this error all along, so that this one's fix brings it to
    /// light and makes nothing worse.
    pub fn may_reveal(&self, error: &Self) -> bool {
        self.severity == Severity::Error
            && self.object == error.object
            && rules::find(self.rule).is_some_and(|rule| rule.reveals.contains(&error.rule))
    }
}

/// What somebody has to give, where something is not known for want of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Need {
    /// The id of the cluster.
    ClusterId,
    /// Whether pods or nodes are the backends of a Service that does not say so.
    BackendType,
    /// Objects of the cluster: nodes, EndpointSlices, workloads.
    ClusterObjects,
    /// Answers of the CLB API.
    ClbApi,
    /// Objects that do not contradict each other.
    ClearInput,
}

/// Evidence that is not at hand, and the rules that stay silent for want of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLooked {
    /// What is not at hand; empty where the report names the rules alone.
    pub what: String,
    /// Why it is not; empty where the report names the rules alone.
    pub why: String,
    /// What has to be given for it; `None` for an object that no rule judges, and where the report
    /// names the rules alone.
    pub need: Option<Need>,
    /// The rules that needed it; empty for an object that no rule judges.
    pub rules: Vec<&'static str>,
}

/// The result of running the rules.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The findings, by object, then in the order of the rules.
    pub findings: Vec<Finding>,
    /// Findings that follow from other ones and are not reported.
    pub hidden: Vec<Finding>,
    /// What could not be looked at.
    pub not_looked: Vec<NotLooked>,
}

impl Report {
    /// How many findings have that severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}
