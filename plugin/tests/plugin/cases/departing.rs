//! A Service goes, or is no load balancer any more: CCM takes its backends out, whatever was wrong
//! with it before.

use rstest::rstest;

use super::{Case, GROUP, backends, case, participant};

const DEPARTURE: [&str; 1] = ["CLB404 error"];

fn frozen() -> Case {
    case("delete-while-frozen")
}

fn misplaced() -> Case {
    case("delete-while-an-endpoint-has-no-node")
}

fn at_zero() -> Case {
    case("default-weight-zero")
}

#[rstest]
#[case::the_type_becomes_cluster_ip(frozen())]
#[case::the_type_becomes_node_port(frozen().with("new.yaml", "ClusterIP", "NodePort"))]
#[case::the_type_goes(frozen().with("new.yaml", "  type: ClusterIP\n", ""))]
#[case::it_is_deleted(frozen().without("new.yaml"))]
#[case::keys_of_the_old_prefix(frozen().under_the_old_prefix())]
#[case::pods_are_the_backends(frozen().with_pods_as_backends())]
#[case::the_bandwidth_is_malformed(
    frozen().with_all("healthy-threshold: \"3s\"", "bandwidth: \"5M\"")
)]
#[case::the_backend_label_is_malformed(
    frozen().with_all("healthy-threshold: \"3s\"", "backend-label: \"pool\"")
)]
fn delete_while_frozen(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!(report.introduced(), DEPARTURE, "{:#}", report.json);
    assert_eq!(report.code, 3);
}

#[test]
fn a_deletion_that_the_clean_up_cannot_carry_out_takes_no_traffic() {
    let report = frozen()
        .with_all("healthy-threshold: \"3s\"", "cert-id: \"x\"")
        .with_all("\"rsp-bp1example:80\"", "\"rsp-bp1example:80,\"")
        .preview("");
    assert_eq!(report.outcome(), "frozen");
    assert!(!report.introduced().contains(&DEPARTURE[0].to_owned()), "{:#}", report.json);
}

#[rstest]
#[case::the_type_becomes_cluster_ip(misplaced())]
#[case::the_type_becomes_node_port(misplaced().with("new.yaml", "ClusterIP", "NodePort"))]
#[case::it_is_deleted(misplaced().without("new.yaml"))]
#[case::keys_of_the_old_prefix(misplaced().under_the_old_prefix())]
#[case::pods_are_the_backends(misplaced().with_pods_as_backends())]
#[case::local_mode(
    misplaced().with_all("selector: {app: web}", "selector: {app: web}\n  externalTrafficPolicy: Local")
)]
fn delete_while_an_endpoint_has_no_node(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!(report.introduced(), DEPARTURE, "{:#}", report.json);
    let route = report.route(GROUP);
    assert_eq!(participant(&route["before"], "web")["share"], 1.0);
    assert_eq!(backends(&route["after"]), Vec::<String>::new());
}

#[rstest]
#[case::the_type_becomes_cluster_ip(at_zero(), "")]
#[case::the_type_becomes_node_port(at_zero().with("new.yaml", "ClusterIP", "NodePort"), "")]
#[case::it_is_deleted(at_zero().without("new.yaml"), "")]
#[case::keys_of_the_old_prefix(at_zero().under_the_old_prefix(), "")]
#[case::pods_are_the_backends(at_zero(), "--backend-type eni")]
fn default_weight_zero(#[case] case: Case, #[case] flags: &str) {
    let report = case.preview(flags);
    assert_eq!((report.outcome(), report.introduced()), ("applied", Vec::new()));
    assert_eq!(participant(&report.route(GROUP)["before"], "web")["weightSum"], 0);
}

#[rstest]
#[case::it_is_one(at_zero().with_all("\"0\"", "\"1\""), "")]
#[case::it_is_empty(at_zero().with_all("\"0\"", "\"\""), "")]
#[case::ccm_does_not_read_it_yet(at_zero(), "--ccm-version 2.13")]
#[case::in_local_mode_it_counts_no_pods(
    at_zero().with_all("selector: {app: web}", "selector: {app: web}\n  externalTrafficPolicy: Local"), ""
)]
fn a_default_weight_that_is_no_zero_is_traffic(#[case] case: Case, #[case] flags: &str) {
    assert_eq!(case.preview(flags).introduced(), DEPARTURE);
}
