//! What rules report: findings, and what could not be looked at.

use serde::Serialize;

use crate::{object::ObjectRef, patch::PatchOp};

/// How bad a finding is.
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

/// One mistake, or thing worth knowing, at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The rule's id.
    pub rule: &'static str,
    /// How bad it is here.
    pub severity: Severity,
    /// The object.
    pub object: ObjectRef,
    /// The field, for example `metadata.annotations[clbmigrate.io/allow]`; empty for the object.
    pub path: String,
    /// The field's value, as far as it is one.
    pub value: Option<String>,
    /// Which parts of the value are wrong, where the rest of it is not.
    pub parts: Vec<String>,
    /// What is wrong, and what CCM makes of it.
    pub message: String,
    /// What to type instead.
    pub fix: String,
    /// The fix as a JSON Patch on the object, where it is mechanical.
    pub patch: Vec<PatchOp>,
    /// `file:line`, for objects from files.
    pub source: Option<String>,
    /// Whether the object is exempt from the rule by its annotation `clbmigrate.io/allow`.
    pub allowed: bool,
}

impl Finding {
    /// Whether both say the same of the same place: what a change did not change.
    pub fn is_same(&self, other: &Self) -> bool {
        self.rule == other.rule
            && self.severity == other.severity
            && self.object == other.object
            && self.path == other.path
            && self.value == other.value
    }

    /// Whether an older finding says as much already: of the same place, no less bad, and with every
    /// part wrong that is wrong here. What a change leaves, or repairs in part, is carried over.
    pub fn is_carried_over(&self, older: &Self) -> bool {
        let is_known = |part| older.parts.contains(part);
        self.rule == older.rule
            && self.object == older.object
            && self.path == older.path
            && (self.severity <= older.severity || older.allowed)
            && (self.value == older.value
                || (!self.parts.is_empty() && self.parts.iter().all(is_known)))
    }
}

/// Something that could not be looked at, and the rules that stay silent for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotLooked {
    /// What was not at hand.
    pub what: String,
    /// Why.
    pub why: String,
    /// The rules that needed it.
    pub rules: Vec<&'static str>,
}

/// What all rules said.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The findings, by object, then in the order of the catalogue.
    pub findings: Vec<Finding>,
    /// What follows from other findings and is therefore not said.
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
