//! The metrics that the chart's alerts and dashboard use, beside those that there are.

use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};

use clbmigrate_core::finding::Severity;

use super::{AuditRun, ClaimOutcome, EnforcementAction, Metrics, ReviewResult, ShedReason};
use crate::{
    Webhook,
    config::{Enforcement, Mode},
};

const ALERTS: &str = include_str!("../../../deploy/chart/templates/prometheusrule.yaml");
const DASHBOARD: &str = include_str!("../../../deploy/chart/files/dashboard.json");

/// The metrics that other parts of the program register, so that they are not in [`Metrics::default`].
const OF_OTHER_PARTS: [&str; 1] = ["clbmigrate_webhook_config_last_good"];

/// All names of metrics in a text.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("clbmigrate_webhook_")).collect()
}

/// What a webhook shows that has been used: a metric with labels shows nothing before.
fn shown() -> String {
    let metrics = Metrics::default();
    metrics.count_review(Webhook::ValidateServices, ReviewResult::Failed);
    metrics.count_finding("CLB001", Mode::Deny, EnforcementAction::Denied);
    metrics.count_injection(Webhook::MutatePods, "patched");
    metrics.count_claim(ClaimOutcome::Granted);
    metrics.count_shed(Webhook::ValidateServices, ShedReason::Busy);
    metrics.count_would_refuse(Webhook::ValidateServices, "CLB001", Enforcement::Warn);
    metrics.audit().set_leads(true);
    metrics.audit().set_last_run(AuditRun {
        findings: [(("CLB001", Severity::Error), 1)].into(),
        objects: 1,
        ended: SystemTime::UNIX_EPOCH,
        duration: Duration::ZERO,
    });
    metrics.register_cache_age("services", || Some(Duration::from_secs(1)));
    metrics.text().expect("text")
}

#[test]
fn alerts_and_the_dashboard_use_metrics_that_there_are() {
    let shown = shown();
    let known = names(&shown);
    for (what, text) in [("an alert", ALERTS), ("the dashboard", DASHBOARD)] {
        let used = names(text);
        assert!(used.len() > 5, "{used:?}");
        for name in used.iter().filter(|name| !OF_OTHER_PARTS.contains(name)) {
            assert!(known.contains(name), "{what} uses {name}, which is not in\n{shown}");
        }
    }
}

#[test]
fn what_is_said_to_be_of_other_parts_is_used_and_is_not_here() {
    let shown = shown();
    let used: BTreeSet<&str> = names(ALERTS).union(&names(DASHBOARD)).copied().collect();
    for name in OF_OTHER_PARTS {
        assert!(used.contains(name), "nothing uses {name}");
        assert!(!names(&shown).contains(name), "{name} is here: take it out of the list");
    }
}
