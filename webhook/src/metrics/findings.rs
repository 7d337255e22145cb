//! The counters of what rules found.

use std::sync::OnceLock;

use clbmigrate_core::rules;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};

use super::EnforcementAction;
use crate::config::Mode;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct FindingLabels {
    rule: &'static str,
    mode: &'static str,
    verdict: &'static str,
}

/// The counters of one rule's findings, by mode and action. One that has counted nothing is not shown.
type RuleCounters = [[OnceLock<Counter>; 3]; 4];

/// The counters of all rules' findings, each looked up by its labels once.
pub(super) struct FindingCounters {
    family: Family<FindingLabels, Counter>,
    /// In the order of the catalogue.
    rules: Vec<(&'static str, RuleCounters)>,
}

impl Default for FindingCounters {
    fn default() -> Self {
        let rules = rules::catalogue().map(|rule| (rule.id, RuleCounters::default()));
        Self { family: Family::default(), rules: rules.collect() }
    }
}

impl FindingCounters {
    /// What is to be registered.
    pub fn family(&self) -> Family<FindingLabels, Counter> {
        self.family.clone()
    }

    /// Counts a finding of the rule with this id.
    pub fn count(&self, rule: &'static str, mode: Mode, action: EnforcementAction) {
        let labels = FindingLabels { rule, mode: mode.as_str(), verdict: action.as_str() };
        let position = self.rules.binary_search_by_key(&rule, |(id, _)| id);
        match position.ok().and_then(|position| self.rules.get(position)) {
            Some((_, counters)) => {
                let counter = of(counters, mode, action);
                counter.get_or_init(|| self.family.get_or_create_owned(&labels)).inc();
            }
            None => {
                self.family.get_or_create(&labels).inc();
            }
        }
    }
}

fn of(counters: &RuleCounters, mode: Mode, action: EnforcementAction) -> &OnceLock<Counter> {
    let [deny, warn, audit, off] = counters;
    let [denied, warned, audited] = match mode {
        Mode::Deny => deny,
        Mode::Warn => warn,
        Mode::Audit => audit,
        Mode::Off => off,
    };
    match action {
        EnforcementAction::Denied => denied,
        EnforcementAction::Warned => warned,
        EnforcementAction::Audited => audited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_finding_is_counted_under_its_own_labels() {
        let counters = FindingCounters::default();
        for (rule, mode, action, times) in [
            ("CLB001", Mode::Deny, EnforcementAction::Denied, 2),
            ("CLB001", Mode::Deny, EnforcementAction::Warned, 1),
            ("CLB002", Mode::Warn, EnforcementAction::Warned, 3),
        ] {
            (0..times).for_each(|_| counters.count(rule, mode, action));
            let labels = FindingLabels { rule, mode: mode.as_str(), verdict: action.as_str() };
            let counted = counters.family().get_or_create_owned(&labels).get();
            assert_eq!(counted, times, "{labels:?}");
        }
    }
}
