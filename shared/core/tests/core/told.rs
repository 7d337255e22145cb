//! A preview's outcome comes with a finding that tells of it.

use clbmigrate_core::{
    annotation::VGROUP_PORT, finding::Severity, index::Index, outcome::Outcome, preview::preview,
    rules,
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

#[test]
fn what_a_frozen_service_leaves_in_a_group_that_nobody_asked_about_is_unknown() {
    let before =
        healthy().note("loadbalancer-healthy-threshold", "3s").unanswered("BackendServers");
    let after = before.clone().note(VGROUP_PORT, "rsp-b:80").snapshot();
    let before = before.snapshot();
    let (before, after) = (Index::new(&before), Index::new(&after));
    let preview = preview(&before, &after);
    let route = preview.routes.iter().find(|route| route.key.vgroup == "rsp-a").expect("a route");
    let orphan = route.after.participants.first().expect("the Service");
    assert_eq!((orphan.backends, orphan.weight_sum), (None, None));
    let unknown = "shop/web: what it had before is not known".to_owned();
    let told: Vec<String> = route.after.unknown.iter().map(ToString::to_string).collect();
    assert!(told.contains(&unknown), "{told:?}");
}

#[test]
fn backends_in_a_group_that_the_mapping_releases_are_removed_one_day() {
    let released = |mapping: &str| {
        let snapshot = healthy().note(VGROUP_PORT, mapping).snapshot();
        let report = rules::check(&Index::new(&snapshot), None, &|_| true);
        let orphan = report.findings.into_iter().find(|finding| finding.rule == "CLB408");
        orphan.expect("backends that are left over").message
    };
    let message = released("rsp-b:80,rsp-a:0");
    assert!(message.contains("its mapping releases the group"), "{message}");
    assert!(!message.contains("nobody will remove it"), "{message}");
    let message = released("rsp-b:80");
    assert!(message.contains("nobody will remove it"), "{message}");
}
