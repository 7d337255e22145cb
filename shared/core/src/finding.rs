//! What rules emit: findings, and what could not be looked at.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    object::{ObjectMeta, ObjectRef},
    patch::PatchOp,
    rules::Rule,
};

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
    /// Whether both emit the same of the same place: what a change did not change.
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

/// Collects what rules emit while they run one after the other.
pub struct Findings {
    rule: &'static Rule,
    said: Vec<Finding>,
    hidden: Vec<Finding>,
    missing: Missing,
}

/// What could not be looked at.
enum Missing {
    /// What and why, with the rules that needed it.
    InWords(BTreeMap<(String, String), BTreeSet<&'static str>>),
    /// The rules alone.
    Terse(Vec<&'static str>),
}

impl Findings {
    pub(crate) fn new(first: &'static Rule, is_terse: bool) -> Self {
        let missing =
            if is_terse { Missing::Terse(Vec::new()) } else { Missing::InWords(BTreeMap::new()) };
        Self { rule: first, said: Vec::new(), hidden: Vec::new(), missing }
    }

    /// Everything said from here on is said by `rule`.
    pub(crate) fn begin(&mut self, rule: &'static Rule) {
        self.rule = rule;
    }

    /// Begins a finding on an object.
    pub fn finding<'f>(
        &'f mut self,
        meta: &'f ObjectMeta,
        object: ObjectRef,
    ) -> FindingBuilder<'f> {
        let finding = Finding {
            rule: self.rule.id,
            severity: self.rule.severity,
            object,
            path: String::new(),
            value: None,
            parts: Vec::new(),
            message: String::new(),
            fix: self.rule.fix.to_owned(),
            patch: Vec::new(),
            source: meta.source(""),
            allowed: false,
        };
        FindingBuilder { into: &mut self.said, meta, finding }
    }

    /// Notes that the rule could not look at something it needs.
    pub fn missing(&mut self, what: impl FnOnce() -> String, why: &str) {
        match &mut self.missing {
            Missing::InWords(notes) => {
                notes.entry((what(), why.to_owned())).or_default().insert(self.rule.id);
            }
            // A rule notes what it misses while it runs: one after the other.
            Missing::Terse(rules) if rules.last() == Some(&self.rule.id) => {}
            Missing::Terse(rules) => rules.push(self.rule.id),
        }
    }

    /// Whether it is of no interest what could not be looked at.
    pub(crate) fn is_terse(&self) -> bool {
        matches!(self.missing, Missing::Terse(_))
    }

    pub(crate) fn since(&mut self, start: usize) -> Vec<Finding> {
        self.said.split_off(start)
    }

    pub(crate) fn len(&self) -> usize {
        self.said.len()
    }

    pub(crate) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.said.extend(findings);
    }

    pub(crate) fn hide(&mut self, finding: Finding) {
        self.hidden.push(finding);
    }

    pub(crate) fn finish(self) -> Report {
        let not_looked = match self.missing {
            Missing::InWords(notes) => notes
                .into_iter()
                .map(|((what, why), rules)| NotLooked {
                    what,
                    why,
                    rules: rules.into_iter().collect(),
                })
                .collect(),
            Missing::Terse(rules) if rules.is_empty() => Vec::new(),
            Missing::Terse(rules) => {
                vec![NotLooked { what: String::new(), why: String::new(), rules }]
            }
        };
        Report { findings: self.said, hidden: self.hidden, not_looked }
    }
}

/// A finding being written.
#[must_use = "a draft says nothing until `say`"]
pub struct FindingBuilder<'f> {
    into: &'f mut Vec<Finding>,
    meta: &'f ObjectMeta,
    finding: Finding,
}

impl FindingBuilder<'_> {
    /// The field it is about.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.finding.path = path.into();
        self.finding.source = self.meta.source(&self.finding.path);
        self
    }

    /// The annotation it is about, with its value.
    pub fn annotation(self, key: &str, value: &str) -> Self {
        self.at(crate::annotation::field_path(key)).value(value)
    }

    /// The value found there.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.finding.value = Some(value.into());
        self
    }

    /// The parts of the value that are wrong, where the rest of it is not.
    pub fn parts<S: Into<String>>(mut self, parts: impl IntoIterator<Item = S>) -> Self {
        self.finding.parts = parts.into_iter().map(Into::into).collect();
        self
    }

    /// How bad it is here, where that is not the rule's own severity.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// What to type instead, where that is more than the rule's own advice.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.finding.fix = fix.into();
        self
    }

    /// The fix as a JSON Patch.
    pub fn patch(mut self, patch: impl IntoIterator<Item = PatchOp>) -> Self {
        self.finding.patch = patch.into_iter().collect();
        self
    }

    /// Says it.
    pub fn emit(mut self, message: impl Into<String>) {
        self.finding.message = message.into();
        self.into.push(self.finding);
    }
}
