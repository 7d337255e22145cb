//! From findings to an answer: modes, excuses, and the words people read.

use std::fmt::Write as _;

use clbmigrate_core::{
    finding::{Finding, Severity},
    object::ObjectRef,
    rules,
};

use super::Response;
use crate::{
    config::{Config, Mode},
    metrics::{Metrics, Outcome},
};

/// A finding with what becomes of it.
#[derive(Debug)]
pub(super) struct Ruling {
    pub finding: Finding,
    /// What the configuration says.
    pub mode: Mode,
    /// What it comes to.
    pub outcome: Outcome,
    /// What is said in front of the message, where it is not held against the request.
    pub remark: &'static str,
}

/// The rulings on one request.
#[derive(Debug, Default)]
pub(super) struct Rulings {
    all: Vec<Ruling>,
}

impl Rulings {
    /// Rules on findings by mode alone; those in mode `off` are dropped. Findings on other objects
    /// than the one under review never refuse it.
    pub fn new(
        findings: Vec<Finding>,
        config: &Config,
        namespace: &str,
        is_reviewed: impl Fn(&ObjectRef) -> bool,
    ) -> Self {
        let rule = |finding: Finding| {
            let rule = rules::find(finding.rule)?;
            let mode = config.mode(rule, finding.severity, namespace);
            let can_deny = super::ratchet::may_deny(finding.rule)
                && !finding.allowed
                && is_reviewed(&finding.object);
            let (outcome, remark) = match mode {
                Mode::Off => return None,
                Mode::Audit => (Outcome::Audited, ""),
                Mode::Deny if can_deny => (Outcome::Denied, ""),
                Mode::Deny if finding.allowed => (Outcome::Warned, "allowed here: "),
                Mode::Deny | Mode::Warn => (Outcome::Warned, ""),
            };
            Some(Ruling { finding, mode, outcome, remark })
        };
        Self { all: findings.into_iter().filter_map(rule).collect() }
    }

    /// Whether the request is refused as it stands.
    pub fn denies(&self) -> bool {
        self.all.iter().any(|ruling| ruling.outcome == Outcome::Denied)
    }

    /// Turns denials into warnings wherever there is an excuse.
    pub fn excuse(&mut self, excuse: impl Fn(&Finding) -> Option<&'static str>) {
        for ruling in self.all.iter_mut().filter(|ruling| ruling.outcome == Outcome::Denied) {
            if let Some(remark) = excuse(&ruling.finding) {
                ruling.outcome = Outcome::Warned;
                ruling.remark = remark;
            }
        }
    }

    /// Counts them and writes the answer.
    pub fn answer(&self, metrics: &Metrics, of: &dyn Fn() -> String) -> Response {
        for ruling in &self.all {
            metrics.found(ruling.finding.rule, ruling.mode, ruling.outcome);
        }
        let of_outcome = |outcome| self.all.iter().filter(move |r| r.outcome == outcome);
        let denials: Vec<&Ruling> = of_outcome(Outcome::Denied).collect();
        let mut response = if denials.is_empty() {
            Response::allow()
        } else {
            Response::deny(denial(&of(), &denials))
        };
        for ruling in of_outcome(Outcome::Warned) {
            response = response.warn(warning(ruling));
        }
        if !self.all.is_empty() {
            response = response.audit("findings", self.listed());
        }
        response
    }

    /// `CLB001=denied,CLB401=audited`, each once.
    fn listed(&self) -> String {
        let mut listed = String::new();
        let mut known: Vec<(&str, Outcome)> = Vec::new();
        for Ruling { finding, outcome, .. } in &self.all {
            if known.contains(&(finding.rule, *outcome)) {
                continue;
            }
            known.push((finding.rule, *outcome));
            let comma = if listed.is_empty() { "" } else { "," };
            let outcome = match outcome {
                Outcome::Denied => "denied",
                Outcome::Warned => "warned",
                Outcome::Audited => "audited",
            };
            let _ = write!(listed, "{comma}{}={outcome}", finding.rule);
        }
        listed
    }

    /// The rules that refuse, for the log.
    pub fn refusing(&self) -> Vec<&'static str> {
        let denied = self.all.iter().filter(|ruling| ruling.outcome == Outcome::Denied);
        denied.map(|ruling| ruling.finding.rule).collect()
    }
}

/// What one problem takes in words, in bytes.
const USUAL: usize = 512;

/// All that is wrong, at once: one problem in a line, several below each other. kubectl prints both as
/// they are.
fn denial(object: &str, denials: &[&Ruling]) -> String {
    let mut text = String::with_capacity(object.len() + denials.len() * USUAL);
    text.push_str(object);
    let separator = match denials.len() {
        1 => ": ",
        n => {
            let _ = write!(text, " has {n} problems:");
            "\n  "
        }
    };
    for Ruling { finding, .. } in denials {
        let Finding { rule, path, message, fix, .. } = finding;
        let space = if path.is_empty() { "" } else { " " };
        text.extend([separator, rule, space, path, ": ", message, ". Fix: ", fix, "."]);
    }
    if denials.len() > 1 {
        text.push_str("\nkubectl clbmigrate explain CLBnnn says more of each.");
    }
    text
}

fn warning(ruling: &Ruling) -> String {
    let Ruling { finding: Finding { rule, severity, object, message, fix, .. }, remark, .. } =
        ruling;
    let mut text = String::with_capacity(USUAL);
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
