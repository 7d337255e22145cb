//! The table of rules and cases, and how a case is tried.

use std::collections::BTreeMap;

use clbmigrate_core::{
    finding::{Finding, NotLooked, Severity},
    index::Index,
    preview::preview,
    rules,
    snapshot::Snapshot,
};

use crate::support::Scene;

pub mod across;
pub mod change;
pub mod identity;
pub mod keys;
pub mod mapping;
pub mod nodes;
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
        change::rules(),
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
    pub given: Given,
    pub then: Then,
    times: usize,
    words: Vec<&'static str>,
}

/// What is judged.
pub enum Given {
    /// A snapshot as it stands.
    State(Scene),
    /// A change, of which only what it introduces counts.
    Change { before: Scene, after: Scene, how: How },
}

/// How the snapshot after a change comes about.
#[derive(Clone, Copy)]
pub enum How {
    /// It is written down.
    Written,
    /// Its objects are applied over the snapshot before; those that are left out stay.
    Applied,
}

/// What the rule has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    Says(Severity),
    Silent,
    /// Silent, and named under `notLooked`.
    Blind,
}

impl From<Scene> for Given {
    fn from(scene: Scene) -> Self {
        Self::State(scene)
    }
}

/// `before` becomes `after`.
pub fn change(before: Scene, after: Scene) -> Given {
    Given::Change { before, after, how: How::Written }
}

/// The objects of `newer` are applied to `before`.
pub fn applied(before: Scene, newer: Scene) -> Given {
    Given::Change { before, after: newer, how: How::Applied }
}

/// The cases of a rule.
pub fn rule(id: &'static str) -> Rule {
    Rule { id, cases: Vec::new() }
}

impl Rule {
    pub fn error(self, name: &'static str, given: impl Into<Given>) -> Self {
        self.case(name, given, Then::Says(Severity::Error))
    }

    pub fn warning(self, name: &'static str, given: impl Into<Given>) -> Self {
        self.case(name, given, Then::Says(Severity::Warning))
    }

    pub fn info(self, name: &'static str, given: impl Into<Given>) -> Self {
        self.case(name, given, Then::Says(Severity::Info))
    }

    pub fn silent(self, name: &'static str, given: impl Into<Given>) -> Self {
        self.case(name, given, Then::Silent)
    }

    pub fn blind(self, name: &'static str, given: impl Into<Given>) -> Self {
        self.case(name, given, Then::Blind)
    }

    fn case(mut self, name: &'static str, given: impl Into<Given>, then: Then) -> Self {
        let given = given.into();
        self.cases.push(Case { name, given, then, times: 1, words: Vec::new() });
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
pub struct Said {
    pub findings: Vec<Finding>,
    pub not_looked: Vec<NotLooked>,
}

impl Given {
    /// Runs all rules.
    pub fn judge(&self) -> Said {
        match self {
            Self::State(scene) => check(&scene.snapshot()),
            Self::Change { before, after, how } => {
                let before = before.snapshot();
                let after = match how {
                    How::Written => after.snapshot(),
                    How::Applied => before.overlaid(&after.snapshot(), false),
                };
                introduced(&before, &after)
            }
        }
    }
}

/// What all rules say of a snapshot.
pub fn check(snapshot: &Snapshot) -> Said {
    let report = rules::check(&Index::new(snapshot), None, &|_| true);
    Said { findings: report.findings, not_looked: report.not_looked }
}

/// What all rules say of a change.
pub fn introduced(before: &Snapshot, after: &Snapshot) -> Said {
    let (before, after) = (Index::new(before), Index::new(after));
    let preview = preview(&before, &after);
    Said { findings: preview.introduced, not_looked: preview.not_looked }
}

impl Case {
    /// What the rule should have said and did not.
    pub fn complaint(&self, id: &str) -> Option<String> {
        let said = self.given.judge();
        let mine: Vec<&Finding> = said.findings.iter().filter(|f| f.rule == id).collect();
        let is_blind = said.not_looked.iter().any(|not| not.rules.contains(&id));
        let fits = match self.then {
            Then::Says(severity) => {
                mine.len() == self.times && mine.iter().all(|f| f.severity == severity)
            }
            Then::Silent => mine.is_empty() && !is_blind,
            Then::Blind => mine.is_empty() && is_blind,
        };
        let unsaid = self.words.iter().find(|words| !mine.iter().any(|f| mentions(f, words)));
        if fits && unsaid.is_none() {
            return None;
        }
        let mut seen: BTreeMap<&str, usize> = BTreeMap::new();
        said.findings.iter().for_each(|f| *seen.entry(f.rule).or_default() += 1);
        let unsaid = unsaid.map(|words| format!(" saying {words:?}")).unwrap_or_default();
        let mine = mine.iter().map(|f| {
            let Finding { object, path, message, fix, patch, .. } = f;
            let severity = f.severity.as_str();
            format!("\n  {severity} {object} at {path}: {message} / {fix} / {patch:?}")
        });
        Some(format!(
            "{id}: {}\n  expected: {:?} x {}{unsaid}\n  blind: {is_blind}; all rules: {seen:?}{}",
            self.name,
            self.then,
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
