//! A preview's outcome comes with a finding that tells of it.

use clbmigrate_core::{
    annotation::VGROUP_PORT, finding::Severity, index::Index, outcome::Outcome, preview::preview,
};
use rstest::rstest;
use serde_json::json;

use crate::support::{TestSnapshot, healthy};

/// The outcome of a change, with the rules that speak after it, each with its severity.
fn told(before: &TestSnapshot, after: &TestSnapshot) -> (Outcome, Vec<(&'static str, Severity)>) {
    let (before, after) = (before.snapshot(), after.snapshot());
    let (before, after) = (Index::new(&before), Index::new(&after));
    let preview = preview(&before, &after);
    let findings = preview.introduced.iter().chain(&preview.unchanged);
    (preview.outcome, findings.map(|found| (found.rule, found.severity)).collect())
}

#[test]
fn a_service_whose_nodes_alone_change_is_judged_too() {
    let before = healthy().two_ports();
    let found = told(&before, &before.clone().without("Node"));
    assert_eq!(found, (Outcome::Misrouted, vec![("CLB019", Severity::Warning)]));
}

#[rstest]
#[case::it_is_deleted(healthy().note(VGROUP_PORT, "rsp-a:80,").without("Service"))]
#[case::the_type_changes(
    healthy().note(VGROUP_PORT, "rsp-a:80,").edit("Service", &json!({"spec": {"type": "ClusterIP"}}))
)]
fn a_malformed_mapping_keeps_ccm_from_letting_a_service_go(#[case] after: TestSnapshot) {
    let (outcome, rules) = told(&healthy().note(VGROUP_PORT, "rsp-a:80,"), &after);
    assert_eq!(outcome, Outcome::Frozen);
    assert!(rules.contains(&("CLB003", Severity::Error)), "{rules:?}");
    assert!(!rules.iter().any(|(rule, _)| *rule == "CLB404"), "{rules:?}");
}
