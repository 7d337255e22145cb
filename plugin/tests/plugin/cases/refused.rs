//! What CCM or the cloud refuses, and what cannot be named.

use rstest::rstest;

use super::{Case, GROUP, case, participant};

fn unnamed() -> Case {
    case("local-node-without-provider-id")
}

fn adopting() -> Case {
    case("adopt-service-with-another-clb").without("live.yaml")
}

fn adopted() -> Case {
    case("adopt-service-with-another-clb").without("new.yaml").without("old.yaml")
}

fn sharing() -> Case {
    case("sharing-service-gets-a-mapping")
}

const LOCAL: &str = "  externalTrafficPolicy: Local\n";
const NO_ID: &str = "providerID: \"\"";

#[rstest]
#[case::an_empty_id(unnamed(), "", "drained")]
#[case::keys_of_the_old_prefix(unnamed().under_the_old_prefix(), "", "drained")]
#[case::an_id_without_instance(
    unnamed().with("cluster.yaml", NO_ID, "providerID: \"node-1\""), "", "drained"
)]
#[case::cluster_mode(unnamed().with("service.yaml", LOCAL, ""), "", "drained")]
#[case::a_release_that_fails_the_round(unnamed(), "--ccm-version 2.11", "frozen")]
fn local_node_without_provider_id(#[case] case: Case, #[case] flags: &str, #[case] outcome: &str) {
    let report = case.check(flags);
    assert_eq!((report.code, report.errors()), (3, vec!["CLB024 error".to_owned()]));
    let status = case.status(flags);
    assert_eq!(participant(status.route(GROUP), "web")["outcome"], outcome);
}

#[rstest]
#[case::no_pod_is_on_it(
    unnamed().with("cluster.yaml", "nodeName: node-1", "nodeName: node-2"), ""
)]
#[case::it_is_excluded(
    unnamed().with("cluster.yaml", "{name: node-1}", "{name: node-1, labels: {service.alibabacloud.com/exclude-node: \"\"}}"), ""
)]
#[case::pods_are_the_backends(unnamed(), "--backend-type eni")]
fn a_node_that_is_no_backend_needs_no_provider_id(#[case] case: Case, #[case] flags: &str) {
    assert_eq!(case.check(flags).errors(), Vec::<String>::new());
    let status = case.status(flags);
    assert_eq!(participant(status.route(GROUP), "web")["outcome"], "applied");
}

#[rstest]
#[case::the_clb_has_another_address(adopting())]
#[case::keys_of_the_old_prefix(adopting().under_the_old_prefix())]
#[case::the_label_alone_tells(adopting().without("balancer.json"))]
#[case::the_label_is_missing(
    adopting().with("old.yaml", "    service.k8s.alibaba/loadbalancer-id: lb-bp1made\n", "")
)]
#[case::ccm_made_the_clb(
    adopting()
        .with("balancer.json", "198.51.100.7", "203.0.113.9")
        .with("balancer.json", "\"Address\"", "\"Tags\": {\"Tag\": [{\"TagKey\": \"kubernetes.do.not.delete\", \"TagValue\": \"a0\"}]}, \"Address\"")
)]
fn adopt_service_with_another_clb(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!((report.code, report.outcome()), (3, "frozen"));
    assert_eq!(report.introduced(), ["CLB029 error"]);
    let fix = report.json.pointer("/findings/introduced/0/fix").expect("a fix").to_string();
    assert!(fix.contains("a new Service for"), "{fix}");
}

#[rstest]
#[case::the_clb_has_another_address(adopted())]
#[case::the_label_alone_tells(adopted().without("balancer.json"))]
#[case::pods_are_the_backends(adopted().with_pods_as_backends())]
fn a_service_with_another_clb_is_an_error_as_it_stands(#[case] case: Case) {
    let report = case.check("");
    assert_eq!((report.code, report.errors()), (3, vec!["CLB029 error".to_owned()]));
    let status = case.status("");
    assert_eq!(participant(status.route(GROUP), "web")["outcome"], "frozen");
}

#[rstest]
#[case::the_address_type("address-type: \"intranet\"")]
#[case::the_address("ip: \"198.51.100.8\"")]
fn what_a_clb_cannot_become_fails_each_round(#[case] note: &str) {
    let id = "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id:";
    let wish = format!("    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-{note}\n{id}");
    let case = adopted()
        .with("live.yaml", "203.0.113.9", "198.51.100.7")
        .with("live.yaml", "lb-bp1made", "lb-bp1example")
        .with("live.yaml", id, &wish);
    assert_eq!(case.check("").errors(), ["CLB029 error"]);
    let status = case.status("");
    assert_eq!(participant(status.route(GROUP), "web")["outcome"], "failing");
}

#[test]
fn a_service_without_address_may_take_any_clb() {
    let ingress = "status:\n  loadBalancer:\n    ingress: [{ip: 203.0.113.9}]\n";
    let report = adopting().with("old.yaml", ingress, "").preview("");
    assert_eq!((report.outcome(), report.introduced()), ("applied", Vec::new()));
}

#[rstest]
#[case::override_becomes_false(sharing())]
#[case::override_goes(sharing().with(
    "new.yaml",
    "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-force-override-listeners: \"false\"\n",
    ""
))]
#[case::keys_of_the_old_prefix(sharing().under_the_old_prefix())]
#[case::pods_are_the_backends(
    sharing().with_pods_as_backends().with("groups.json", "k8s/30080/", "k8s/8080/")
)]
fn sharing_service_gets_a_mapping(#[case] case: Case) {
    let report = case.preview("");
    assert_eq!((report.code, report.outcome()), (3, "failing"));
    assert_eq!(report.introduced(), ["CLB418 error"]);
    let fix = report.json.pointer("/findings/introduced/0/fix").expect("a fix").to_string();
    assert!(fix.contains("keep force-override-listeners"), "{fix}");
}

#[test]
fn a_round_that_fails_is_no_group_of_ccms_own() {
    let verdict = sharing().verdict();
    assert!(verdict.contains(", failing: CCM would report failure each round"), "{verdict}");
    assert!(!verdict.contains("group of its own"), "{verdict}");
}

#[test]
fn a_sharing_service_that_keeps_the_override_moves_its_listener() {
    let report = sharing().with("new.yaml", "\"false\"", "\"true\"").preview("");
    assert_eq!(report.outcome(), "applied");
    assert!(!report.introduced().contains(&"CLB418 error".to_owned()), "{:#}", report.json);
}
