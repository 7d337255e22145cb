//! What a weight comes to, and what becomes of a group whose Service CCM cannot write.

use rstest::rstest;

use super::{Case, GROUP, backends, case, participant, share};

fn cleaned() -> Case {
    case("frozen-round-cleans-nothing")
}

fn unweighted() -> Case {
    case("weight-removed-in-local-mode")
}

fn second_entry() -> Case {
    case("ignore-weight-update-second-entry")
}

const LOCAL: &str = "  externalTrafficPolicy: Local\n";

#[rstest]
#[case::a_threshold_with_a_unit(cleaned())]
#[case::keys_of_the_old_prefix(cleaned().under_the_old_prefix())]
#[case::a_bandwidth_with_a_unit(
    cleaned().with("new.yaml", "healthy-threshold: \"3s\"", "bandwidth: \"5M\"")
)]
#[case::a_label_without_value(
    cleaned().with("new.yaml", "healthy-threshold: \"3s\"", "backend-label: \"pool\"")
)]
fn frozen_round_cleans_nothing(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!(report.outcome(), "frozen");
    let route = report.route(GROUP);
    assert_eq!(route["before"]["backends"], route["after"]["backends"]);
    assert_eq!(backends(&route["after"]).len(), 4);
    assert_eq!(backends(report.after("rsp-bp1next")), Vec::<String>::new());
    assert_eq!(report.code, 3);
}

#[test]
fn a_round_that_is_not_frozen_cleans_the_group_that_the_service_leaves() {
    let report = cleaned().with("new.yaml", "\"3s\"", "\"3\"").preview("");
    assert_eq!(report.outcome(), "applied");
    assert_eq!(backends(report.after(GROUP)), ["i-bp1outside 70"]);
    assert_eq!(backends(report.after("rsp-bp1next")).len(), 3);
}

#[rstest]
#[case::beside_a_default(unweighted())]
#[case::keys_of_the_old_prefix(unweighted().under_the_old_prefix())]
#[case::without_any_default(unweighted().with_all("default-weight: \"5\"", "spec: \"slb.s1.small\""))]
fn weight_removed_in_local_mode(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!(share(report.after(GROUP), "web"), "4.1");
    assert_eq!(report.introduced(), Vec::<String>::new());
    assert_eq!(report.outcome(), "applied");
}

#[test]
fn a_default_weight_of_five_for_each_node_is_no_surge() {
    let report = unweighted().with_all(LOCAL, "").preview("");
    assert_eq!(participant(report.after(GROUP), "web")["weightSum"], 15);
    assert_eq!(report.introduced(), Vec::<String>::new());
}

#[rstest]
#[case::nothing_says_less(unweighted().with_all("default-weight: \"5\"", "spec: \"slb.s1.small\""), "", 300)]
#[case::the_default_is_more(unweighted().with_all("default-weight: \"5\"", "default-weight: \"50\""), "", 150)]
#[case::ccm_does_not_read_the_default(unweighted(), "--ccm-version 2.13", 300)]
fn a_weight_that_goes_where_nodes_count_is_a_surge(
    #[case] case: Case,
    #[case] flags: &str,
    #[case] sum: u64,
) {
    let report = case.with_all(LOCAL, "").preview(flags);
    assert_eq!(participant(report.after(GROUP), "web")["weightSum"], sum);
    assert_eq!(report.introduced(), ["CLB403 error"]);
}

#[rstest]
#[case::of_another_port(second_entry())]
#[case::keys_of_the_old_prefix(second_entry().under_the_old_prefix())]
#[case::in_capitals(second_entry().with_all("\"on\"", "\"ON\""))]
#[case::of_another_service(second_entry().with(
    "group.json",
    "shop-by-hand",
    "k8s/31080/api/shop/c0a00000000000000000000000000aa1"
))]
fn ignore_weight_update_second_entry(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!(report.outcome(), "applied");
    let after = report.after(GROUP);
    let expected = ["i-bp1node0001 30", "i-bp1node0001 5", "i-bp1node0002 10", "i-bp1node0003 10"];
    assert_eq!(backends(after), expected);
    assert_eq!(share(after, "web"), "90.9");
}

#[test]
fn ignore_weight_update_leaves_servers_with_one_entry_alone() {
    let case = second_entry().with(
        "group.json",
        "i-bp1node0001\", \"Port\": 31080",
        "i-bp1outside\", \"Port\": 31080",
    );
    assert!(case.verdict().starts_with("shop/web: stays at 85.7 % of the traffic of "));
    assert!(case.verdict().contains(", noEffect: CCM takes no notice of"), "{}", case.verdict());
    let report = case.preview("");
    assert_eq!(report.outcome(), "noEffect");
    assert_eq!(share(report.after(GROUP), "web"), "85.7");
}

#[test]
fn a_release_that_does_not_know_ignore_weight_update_writes_every_weight() {
    let report = second_entry().preview("--ccm-version 2.10");
    assert_eq!(report.outcome(), "applied");
    assert_eq!(participant(report.after(GROUP), "web")["weightSum"], 90);
}
