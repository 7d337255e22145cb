//! From findings to an admission decision: modes, exceptions, and the words people read.

use std::fmt::Write as _;

use clbmigrate_core::{
    finding::{Finding, Severity},
    object::ObjectRef,
    rules::{self, AtReview},
};

use super::AdmissionResponse;
use crate::{
    config::{Config, Mode},
    metrics::{EnforcementAction, Metrics},
};

/// A finding, and what is done about it.
#[derive(Debug)]
struct JudgedFinding {
    finding: Finding,
    /// What the configuration says.
    mode: Mode,
    /// What is done: never more than the mode says.
    action: EnforcementAction,
    /// What stands before the message, where the finding is not held against the request.
    remark: &'static str,
}

/// All findings on one request, and what is done about each.
#[derive(Debug, Default)]
pub(super) struct AdmissionDecision {
    findings: Vec<JudgedFinding>,
}

impl AdmissionDecision {
    /// Decides by mode alone; findings in mode `off` are dropped. A finding on another object than
    /// the one under review never denies the request.
    pub fn new(
        findings: Vec<Finding>,
        config: &Config,
        namespace: &str,
        is_reviewed: impl Fn(&ObjectRef) -> bool,
    ) -> Self {
        let judge = |finding: Finding| {
            let rule = rules::find(finding.rule)?;
            let mode = config.mode(rule, finding.severity, namespace);
            let can_deny = rule.at_review == AtReview::ByMode
                && !finding.allowed
                && is_reviewed(&finding.object);
            let (action, remark) = match mode {
                Mode::Off => return None,
                Mode::Audit => (EnforcementAction::Audited, ""),
                Mode::Deny if can_deny => (EnforcementAction::Denied, ""),
                Mode::Deny if finding.allowed => (EnforcementAction::Warned, "allowed here: "),
                Mode::Deny | Mode::Warn => (EnforcementAction::Warned, ""),
            };
            Some(JudgedFinding { finding, mode, action, remark })
        };
        Self { findings: findings.into_iter().filter_map(judge).collect() }
    }

    /// Whether the request is denied as it stands.
    pub fn denies(&self) -> bool {
        self.with_action(EnforcementAction::Denied).next().is_some()
    }

    /// Turns each denial for which `exception` has a remark into a warning with that remark.
    pub fn downgrade_denials(&mut self, exception: impl Fn(&Finding) -> Option<&'static str>) {
        let denied = |judged: &&mut JudgedFinding| judged.action == EnforcementAction::Denied;
        for judged in self.findings.iter_mut().filter(denied) {
            if let Some(remark) = exception(&judged.finding) {
                judged.action = EnforcementAction::Warned;
                judged.remark = remark;
            }
        }
    }

    /// Counts the findings, and writes the response. `label` names the object; it is asked for only
    /// when the request is denied.
    pub fn respond(&self, metrics: &Metrics, label: &dyn Fn() -> String) -> AdmissionResponse {
        for judged in &self.findings {
            metrics.count_finding(judged.finding.rule, judged.mode, judged.action);
        }
        let denials: Vec<&JudgedFinding> = self.with_action(EnforcementAction::Denied).collect();
        let mut response = if denials.is_empty() {
            AdmissionResponse::allow()
        } else {
            AdmissionResponse::deny(denial_message(&label(), &denials))
        };
        for judged in self.with_action(EnforcementAction::Warned) {
            response = response.warn(warning(judged));
        }
        if !self.findings.is_empty() {
            response = response.audit("findings", self.audit_annotation());
        }
        response
    }

    /// `CLB001=denied,CLB401=audited`, each once.
    fn audit_annotation(&self) -> String {
        let mut text = String::new();
        let mut written: Vec<(&str, EnforcementAction)> = Vec::new();
        for JudgedFinding { finding, action, .. } in &self.findings {
            if written.contains(&(finding.rule, *action)) {
                continue;
            }
            written.push((finding.rule, *action));
            let comma = if text.is_empty() { "" } else { "," };
            let _ = write!(text, "{comma}{}={}", finding.rule, action.as_str());
        }
        text
    }

    /// The ids of the rules that deny the request, for the log.
    pub fn denying_rules(&self) -> Vec<&'static str> {
        self.with_action(EnforcementAction::Denied).map(|judged| judged.finding.rule).collect()
    }

    fn with_action(&self, action: EnforcementAction) -> impl Iterator<Item = &JudgedFinding> {
        self.findings.iter().filter(move |judged| judged.action == action)
    }
}

/// How long the text about one problem usually is, in bytes.
const USUAL_LENGTH: usize = 512;

/// All that is wrong, at once: one problem in a line, several below each other. kubectl prints both as
/// they are.
fn denial_message(object: &str, denials: &[&JudgedFinding]) -> String {
    let mut text = String::with_capacity(object.len() + denials.len() * USUAL_LENGTH);
    text.push_str(object);
    let separator = match denials.len() {
        1 => ": ",
        n => {
            let _ = write!(text, " has {n} problems:");
            "\n  "
        }
    };
    for JudgedFinding { finding, .. } in denials {
        let Finding { rule, path, message, fix, .. } = finding;
        let space = if path.is_empty() { "" } else { " " };
        text.extend([separator, rule, space, path, ": ", message, ". Fix: ", fix, "."]);
    }
    if denials.len() > 1 {
        text.push_str("\nkubectl clbmigrate explain CLBnnn says more of each.");
    }
    text
}

fn warning(judged: &JudgedFinding) -> String {
    let JudgedFinding {
        finding: Finding { rule, severity, object, message, fix, .. }, remark, ..
    } = judged;
    let mut text = String::with_capacity(USUAL_LENGTH);
    text.extend([rule, ": "]);
    if object.kind != "Service" {
        let _ = write!(text, "{object}: ");
    }
    text.extend([*remark, message]);
    if *severity > Severity::Info {
        text.extend([" (", fix, ")"]);
    }
    text
}
