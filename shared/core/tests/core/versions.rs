//! What the releases of CCM make of the same mistake, and what outcomes are worse than others.

use clbmigrate_core::{
    annotation::{DEFAULT_WEIGHT, VGROUP_PORT, WEIGHT},
    finding::Severity,
    index::Index,
    outcome::{NoEffect, Outcome, unread_annotations},
    prediction::Prediction,
    rules,
    version::CcmVersion::{self, V2_9, V2_10, V2_11, V2_12, V2_13, V2_14},
};
use rstest::rstest;
use serde_json::json;

use crate::support::{
    TestSnapshot, endpoint, healthy, healthy_eni, healthy_local, merged, node, slice,
};

/// What a round makes of the only Service.
fn outcome(setup: &TestSnapshot) -> Outcome {
    let snapshot = setup.snapshot();
    let index = Index::new(&snapshot);
    let service_ref = index.services().next().expect("a Service");
    index.outcome_of(&service_ref, &Prediction::default()).outcome()
}

/// The errors, each with its message.
fn errors(setup: &TestSnapshot) -> Vec<(&'static str, String)> {
    let snapshot = setup.snapshot();
    let report = rules::check(&Index::new(&snapshot), None, &|_| true);
    let errors = report.findings.into_iter().filter(|found| found.severity == Severity::Error);
    errors.map(|found| (found.rule, found.message)).collect()
}

fn without_provider_id(setup: TestSnapshot) -> TestSnapshot {
    let bare = merged(node(1), &json!({"spec": {"providerID": null}}));
    setup.without("Node").all_nodes_listed().add(bare).add(node(2)).add(node(3))
}

fn without_node_name(setup: TestSnapshot) -> TestSnapshot {
    let bare = merged(endpoint(1, 1), &json!({"nodeName": null}));
    setup.without("EndpointSlice").add(slice("web", &[bare, endpoint(2, 2), endpoint(3, 3)]))
}

/// Releases up to 2.11 fail the round on a port that they cannot build; newer ones leave it out.
#[rstest]
fn a_port_that_cannot_be_built_freezes_old_releases_and_drains_new_ones(
    #[values(
        ("CLB001", healthy().note(WEIGHT, "101")),
        ("CLB001", healthy_local().note(WEIGHT, "-1")),
        ("CLB001", healthy_eni().note(WEIGHT, "30%")),
        ("CLB022", healthy().note(VGROUP_PORT, "rsp-x:80")),
        ("CLB022", healthy_eni().note(VGROUP_PORT, "rsp-x:80")),
        ("CLB024", without_provider_id(healthy())),
        ("CLB024", without_provider_id(healthy_local())),
        ("CLB025", without_node_name(healthy())),
        ("CLB025", without_node_name(healthy_local())),
    )]
    (rule, setup): (&str, TestSnapshot),
    #[values(
        (V2_9, Outcome::Frozen),
        (V2_10, Outcome::Frozen),
        (V2_11, Outcome::Frozen),
        (V2_12, Outcome::Drained),
        (V2_13, Outcome::Drained),
        (V2_14, Outcome::Drained),
    )]
    (version, expected): (CcmVersion, Outcome),
) {
    let setup = setup.ccm(version);
    assert_eq!(outcome(&setup), expected);
    let found = errors(&setup);
    let (_, message) = found.iter().find(|(id, _)| *id == rule).expect("the rule speaks");
    let fails = format!("CCM {version} fails each round");
    assert_eq!(message.contains(&fails), expected == Outcome::Frozen, "{message}");
    assert_eq!(
        message.contains("reports success") || message.contains("report success"),
        expected == Outcome::Drained,
        "{message}"
    );
}

#[rstest]
#[case::nodes(healthy())]
#[case::nodes_that_pods_run_on(healthy_local())]
#[case::pods(healthy_eni())]
fn a_default_weight_that_cannot_be_read_drains_from_2_14_on(#[case] setup: TestSnapshot) {
    for version in CcmVersion::ALL {
        let setup = setup.clone().note(DEFAULT_WEIGHT, "101").ccm(version);
        let is_read = version >= V2_14;
        assert_eq!(outcome(&setup), if is_read { Outcome::Drained } else { Outcome::Applied });
        let speaks = errors(&setup).iter().any(|(rule, _)| *rule == "CLB012");
        assert_eq!(speaks, is_read, "CCM {version}");
    }
}

#[test]
fn a_default_weight_that_changes_is_unread_before_2_14() {
    let (before, after) = (healthy().snapshot(), healthy().note(DEFAULT_WEIGHT, "101").snapshot());
    let (old, new) = (
        before.clusters[0].service("shop", "web").expect("the old one"),
        after.clusters[0].service("shop", "web").expect("the new one"),
    );
    for version in CcmVersion::ALL {
        let unread: Vec<NoEffect> =
            unread_annotations(Some(old), new, version).into_iter().map(|(_, why)| why).collect();
        let expected: &[NoEffect] = match version {
            V2_14 => &[],
            _ => &[NoEffect::NewerCcm(version)],
        };
        assert_eq!(unread, expected, "CCM {version}");
    }
}

#[rstest]
#[case::pods_need_no_node(without_node_name(healthy_eni()))]
#[case::pods_need_no_instance(without_provider_id(healthy_eni()))]
#[case::nothing_is_wrong(healthy())]
fn what_is_right_is_applied_by_every_release(#[case] setup: TestSnapshot) {
    for version in CcmVersion::ALL {
        let setup = setup.clone().ccm(version);
        assert_eq!((outcome(&setup), errors(&setup)), (Outcome::Applied, Vec::new()));
    }
}

#[test]
fn outcomes_are_ordered_from_good_to_bad() {
    let ordered = [
        (Outcome::Applied, "applied"),
        (Outcome::NoEffect, "noEffect"),
        (Outcome::Misrouted, "misrouted"),
        (Outcome::Drained, "drained"),
        (Outcome::Frozen, "frozen"),
        (Outcome::Failing, "failing"),
    ];
    assert!(ordered.is_sorted_by(|(better, _), (worse, _)| better < worse));
    assert!(ordered.iter().all(|(outcome, name)| outcome.as_str() == *name));
}
