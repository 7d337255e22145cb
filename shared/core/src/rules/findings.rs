//! What a rule writes to while it runs: its findings, and what it could not look at.

use std::collections::{BTreeMap, BTreeSet};

use super::Rule;
use crate::{
    annotation,
    finding::{Finding, Need, NotLooked, Report, Severity},
    object::{ObjectMeta, ObjectRef},
    patch::PatchOp,
};

/// Where one rule writes to while it runs.
pub struct Findings<'r> {
    rule: &'static Rule,
    into: &'r mut Vec<Finding>,
    missing: &'r mut MissingEvidence,
}

/// Evidence that rules needed and that is not at hand.
enum MissingEvidence {
    /// What is missing, why, and what has to be given, with the rules that needed it.
    InWords(BTreeMap<(String, String, Option<Need>), BTreeSet<&'static str>>),
    /// The rules alone.
    RulesOnly(Vec<&'static str>),
}

impl Findings<'_> {
    /// Begins a finding of the rule about an object, with the rule's own severity and fix.
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
            fix: self.rule.en.fix.to_owned(),
            patch: Vec::new(),
            source: meta.source(""),
            allowed: false,
        };
        FindingBuilder { into: self.into, meta, finding }
    }

    /// Notes that the rule needs evidence that is not at hand: what is missing, and why. `what` is
    /// not called where the report names the rules alone.
    pub fn missing(&mut self, need: Need, what: impl FnOnce() -> String, why: &str) {
        match self.missing {
            MissingEvidence::InWords(notes) => {
                let key = (what(), why.to_owned(), Some(need));
                notes.entry(key).or_default().insert(self.rule.id);
            }
            // Rules run one after the other, and each notes what it misses while it runs.
            MissingEvidence::RulesOnly(rules) if rules.last() == Some(&self.rule.id) => {}
            MissingEvidence::RulesOnly(rules) => rules.push(self.rule.id),
        }
    }

    /// Whether the report names the rules alone that miss evidence.
    pub(super) fn is_terse(&self) -> bool {
        matches!(self.missing, MissingEvidence::RulesOnly(_))
    }
}

/// A report that is being written.
pub(super) struct ReportBuilder {
    findings: Vec<Finding>,
    hidden: Vec<Finding>,
    missing: MissingEvidence,
}

impl ReportBuilder {
    /// An empty report. If `is_terse`, it names the rules alone that miss evidence.
    pub(super) fn new(is_terse: bool) -> Self {
        let missing = if is_terse {
            MissingEvidence::RulesOnly(Vec::new())
        } else {
            MissingEvidence::InWords(BTreeMap::new())
        };
        Self { findings: Vec::new(), hidden: Vec::new(), missing }
    }

    /// Where `rule` writes to: findings to `findings`, missing evidence to this report.
    pub(super) fn findings_of<'r>(
        &'r mut self,
        rule: &'static Rule,
        findings: &'r mut Vec<Finding>,
    ) -> Findings<'r> {
        Findings { rule, into: findings, missing: &mut self.missing }
    }

    /// Notes that no rule judges an object, and why.
    pub(super) fn not_judged(&mut self, what: String, why: String) {
        if let MissingEvidence::InWords(notes) = &mut self.missing {
            notes.entry((what, why, None)).or_default();
        }
    }

    /// Adds findings to the report.
    pub(super) fn add(&mut self, findings: impl IntoIterator<Item = Finding>) {
        self.findings.extend(findings);
    }

    /// Adds a finding that follows from another one.
    pub(super) fn hide(&mut self, finding: Finding) {
        self.hidden.push(finding);
    }

    /// Whether the report names the rules alone that miss evidence.
    pub(super) fn is_terse(&self) -> bool {
        matches!(self.missing, MissingEvidence::RulesOnly(_))
    }

    /// The report.
    pub(super) fn finish(self) -> Report {
        let not_looked = match self.missing {
            MissingEvidence::InWords(notes) => notes
                .into_iter()
                .map(|((what, why, need), rules)| NotLooked {
                    what,
                    why,
                    need,
                    rules: rules.into_iter().collect(),
                })
                .collect(),
            MissingEvidence::RulesOnly(rules) if rules.is_empty() => Vec::new(),
            MissingEvidence::RulesOnly(rules) => {
                vec![NotLooked { what: String::new(), why: String::new(), need: None, rules }]
            }
        };
        Report { findings: self.findings, hidden: self.hidden, not_looked }
    }
}

/// A finding that is being written.
#[must_use = "a finding is reported by `emit`"]
pub struct FindingBuilder<'f> {
    into: &'f mut Vec<Finding>,
    meta: &'f ObjectMeta,
    finding: Finding,
}

impl FindingBuilder<'_> {
    /// The field that the finding is about.
    pub fn at(mut self, path: impl Into<String>) -> Self {
        self.finding.path = path.into();
        self.finding.source = self.meta.source(&self.finding.path);
        self
    }

    /// The annotation that the finding is about, by its full key, with its value.
    pub fn annotation(self, key: &str, value: &str) -> Self {
        self.at(annotation::field_path(key)).value(value)
    }

    /// The field's value.
    pub fn value(mut self, value: impl Into<String>) -> Self {
        self.finding.value = Some(value.into());
        self
    }

    /// The parts of the value that are wrong, where the rest of it is not.
    pub fn parts<S: Into<String>>(mut self, parts: impl IntoIterator<Item = S>) -> Self {
        self.finding.parts = parts.into_iter().map(Into::into).collect();
        self
    }

    /// The severity here, where it is not the rule's own.
    pub fn severity(mut self, severity: Severity) -> Self {
        self.finding.severity = severity;
        self
    }

    /// What to do, where that is more exact than the rule's own advice.
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.finding.fix = fix.into();
        self
    }

    /// The fix as a JSON Patch on the object.
    pub fn patch(mut self, patch: impl IntoIterator<Item = PatchOp>) -> Self {
        self.finding.patch = patch.into_iter().collect();
        self
    }

    /// Adds the finding, with its message, to the rule's findings.
    pub fn emit(mut self, message: impl Into<String>) {
        self.finding.message = message.into();
        self.into.push(self.finding);
    }
}
