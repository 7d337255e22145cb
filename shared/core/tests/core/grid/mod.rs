//! The table of rules and cases, and how a case is tried.

use std::collections::BTreeMap;

use clbmigrate_core::{
    backends::Mode,
    finding::{Finding, NotLooked, Severity},
    index::Index,
    preview::preview,
    rules::{self, Evidence},
    snapshot::{Cluster, Snapshot},
};

use crate::support::TestSnapshot;

pub mod across;
pub mod change;
pub mod clb;
pub mod failures;
pub mod identity;
pub mod joining;
pub mod keys;
pub mod mapping;
pub mod nodes;
pub mod reached;
mod replacement;
mod selected;
mod together;
pub mod traffic;
pub mod values;
pub mod workloads;

/// All rules with their cases.
pub fn all() -> Vec<Rule> {
    let families = [
        values::rules(),
        keys::rules(),
        nodes::rules(),
        mapping::rules(),
        across::rules(),
        identity::rules(),
        workloads::rules(),
        traffic::rules(),
        reached::rules(),
        change::rules(),
        failures::rules(),
        clb::rules(),
        joining::rules(),
    ];
    families.into_iter().flatten().collect()
}

/// A rule and its cases.
pub struct Rule {
    pub id: &'static str,
    pub cases: Vec<Case>,
}

/// One line of the grid.
pub struct Case {
    pub name: &'static str,
    pub input: Input,
    pub expected: Expectation,
    times: usize,
    words: Vec<&'static str>,
}

/// What is judged.
pub enum Input {
    /// A snapshot as it stands.
    State(TestSnapshot),
    /// A change, of which only what it introduces counts.
    Change { before: TestSnapshot, after: TestSnapshot, how: AfterChange },
}

/// How the snapshot after a change comes about.
#[derive(Clone, Copy)]
pub enum AfterChange {
    /// It is written down.
    Written,
    /// Its objects are applied over the snapshot before; those that are left out stay.
    Applied,
}

/// What the rule has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    Fires(Severity),
    Silent,
    /// Silent, and named under `notLooked`.
    Blind,
}

impl From<TestSnapshot> for Input {
    fn from(setup: TestSnapshot) -> Self {
        Self::State(setup)
    }
}

/// `before` becomes `after`.
pub fn change(before: TestSnapshot, after: TestSnapshot) -> Input {
    Input::Change { before, after, how: AfterChange::Written }
}

/// The objects of `newer` are applied to `before`.
pub fn applied(before: TestSnapshot, newer: TestSnapshot) -> Input {
    Input::Change { before, after: newer, how: AfterChange::Applied }
}

/// The cases of a rule.
pub fn rule(id: &'static str) -> Rule {
    Rule { id, cases: Vec::new() }
}

impl Rule {
    pub fn error(self, name: &'static str, input: impl Into<Input>) -> Self {
        self.case(name, input, Expectation::Fires(Severity::Error))
    }

    pub fn warning(self, name: &'static str, input: impl Into<Input>) -> Self {
        self.case(name, input, Expectation::Fires(Severity::Warning))
    }

    pub fn info(self, name: &'static str, input: impl Into<Input>) -> Self {
        self.case(name, input, Expectation::Fires(Severity::Info))
    }

    pub fn silent(self, name: &'static str, input: impl Into<Input>) -> Self {
        self.case(name, input, Expectation::Silent)
    }

    pub fn blind(self, name: &'static str, input: impl Into<Input>) -> Self {
        self.case(name, input, Expectation::Blind)
    }

    fn case(mut self, name: &'static str, input: impl Into<Input>, expected: Expectation) -> Self {
        let input = input.into();
        self.cases.push(Case { name, input, expected, times: 1, words: Vec::new() });
        self
    }

    /// The case above has so many findings.
    pub fn times(mut self, times: usize) -> Self {
        self.last().times = times;
        self
    }

    /// The case above has this in a finding's message, fix or patch.
    pub fn saying(mut self, words: &'static str) -> Self {
        self.last().words.push(words);
        self
    }

    fn last(&mut self) -> &mut Case {
        self.cases.last_mut().expect("a case to speak of")
    }
}

/// What all rules say.
pub struct Reported {
    pub findings: Vec<Finding>,
    pub not_looked: Vec<NotLooked>,
}

impl Input {
    /// The same without the evidence of that kind. Without the object before a change, nothing
    /// changes. What tells the mode stays.
    pub fn without_evidence(&self, evidence: Evidence) -> Self {
        let strip = |setup: &TestSnapshot| {
            let snapshot = setup.snapshot();
            let index = Index::new(&snapshot);
            let told = |(at, cluster): (usize, &Cluster)| {
                let mut services = index.services().filter(|of| of.cluster_index == at);
                let mut shown = || services.find_map(|service_ref| index.mode(&service_ref));
                cluster.pods_by_default().or_else(|| shown().map(|mode| mode == Mode::Eni))
            };
            let modes = snapshot.clusters.iter().enumerate().map(told).collect();
            setup.clone().without_evidence(evidence).with_default_backends(modes)
        };
        match self {
            Self::State(setup) => Self::State(strip(setup)),
            Self::Change { after, .. } if evidence == Evidence::OldObject => {
                Self::State(after.clone())
            }
            Self::Change { before, after, how } => {
                Self::Change { before: strip(before), after: strip(after), how: *how }
            }
        }
    }

    /// Runs all rules.
    pub fn judge(&self) -> Reported {
        match self {
            Self::State(setup) => check(&setup.snapshot()),
            Self::Change { before, after, how } => {
                let before = before.snapshot();
                let after = match how {
                    AfterChange::Written => after.snapshot(),
                    AfterChange::Applied => before.overlaid(&after.snapshot(), false),
                };
                introduced(&before, &after)
            }
        }
    }
}

/// What all rules say of a snapshot.
pub fn check(snapshot: &Snapshot) -> Reported {
    let report = rules::check(&Index::new(snapshot), None, &|_| true);
    Reported { findings: report.findings, not_looked: report.not_looked }
}

/// What all rules say of a change.
pub fn introduced(before: &Snapshot, after: &Snapshot) -> Reported {
    let (before, after) = (Index::new(before), Index::new(after));
    let preview = preview(&before, &after);
    Reported { findings: preview.introduced, not_looked: preview.not_looked }
}

impl Case {
    /// What the rule should have reported and did not.
    pub fn complaint(&self, id: &str) -> Option<String> {
        let reported = self.input.judge();
        let mine: Vec<&Finding> = reported.findings.iter().filter(|f| f.rule == id).collect();
        let is_blind = reported.not_looked.iter().any(|not| not.rules.contains(&id));
        let fits = match self.expected {
            Expectation::Fires(severity) => {
                mine.len() == self.times && mine.iter().all(|f| f.severity == severity)
            }
            Expectation::Silent => mine.is_empty() && !is_blind,
            Expectation::Blind => mine.is_empty() && is_blind,
        };
        let absent = self.words.iter().find(|words| !mine.iter().any(|f| mentions(f, words)));
        if fits && absent.is_none() {
            return None;
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        reported.findings.iter().for_each(|f| *seen.entry(f.rule).or_default() += 1);
        let absent = absent.map(|words| format!(" saying {words:?}")).unwrap_or_default();
        let mine = mine.iter().map(|f| {
            let Finding { object, path, message, fix, patch, .. } = f;
            let severity = f.severity.as_str();
            format!("\n  {severity} {object} at {path}: {message} / {fix} / {patch:?}")
        });
        Some(format!(
            "{id}: {}\n  expected: {:?} x {}{absent}\n  blind: {is_blind}; all rules: {seen:?}{}",
            self.name,
            self.expected,
            self.times,
            mine.collect::<String>()
        ))
    }
}

fn mentions(finding: &Finding, words: &str) -> bool {
    finding.message.contains(words)
        || finding.fix.contains(words)
        || finding.patch.iter().any(|op| format!("{op:?}").contains(words))
}
