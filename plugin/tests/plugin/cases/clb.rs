//! Whether CCM takes the CLB that a Service names, and what of the Service reaches it.

use rstest::rstest;

use super::{Case, GROUP, Report, case, participant};

fn none() -> Case {
    case("clb-id-that-is-none")
}

fn named(id: &str) -> Case {
    none().with("service.yaml", "\"${YOUR_LOADBALANCER_ID}\"", id)
}

fn adopted() -> Case {
    case("adopt-service-with-another-clb")
        .without("new.yaml")
        .without("old.yaml")
        .with("live.yaml", "203.0.113.9", "198.51.100.7")
        .with("live.yaml", "lb-bp1made", "lb-bp1example")
}

fn without_node_ports() -> Case {
    case("no-node-ports")
}

fn without_effect() -> Case {
    case("annotation-without-effect")
}

fn forwarding() -> Case {
    case("forward-port-and-domain-extensions")
}

/// The same with another annotation.
fn noted(case: Case, file: &str, note: &str) -> Case {
    let id = "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id:";
    let both = format!("    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-{note}\n{id}");
    case.with(file, id, &both)
}

/// What becomes of the Service, as `status` says.
fn outcome(case: &Case) -> String {
    let status = case.status("");
    let route = &status.json["routes"][0];
    participant(route, "web")["outcome"].as_str().expect("an outcome").to_owned()
}

/// The finding of a rule, as path and fix.
fn finding(report: &Report, rule: &str) -> [String; 2] {
    let findings = report.json["findings"].as_array().expect("findings");
    let found = findings.iter().find(|one| one["rule"] == rule).expect("a finding of the rule");
    ["path", "fix"].map(|field| found[field].as_str().unwrap_or_default().to_owned())
}

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

fn path(suffix: &str) -> String {
    format!("metadata.annotations[{PREFIX}{suffix}]")
}

#[rstest]
#[case::a_placeholder(none())]
#[case::keys_of_the_old_prefix(none().under_the_old_prefix())]
#[case::an_address(named("203.0.113.7"))]
#[case::an_address_of_ipv6(named("\"2001:db8::7\""))]
#[case::a_host(named("slb.example.com"))]
#[case::a_group(named("rsp-bp1example"))]
#[case::a_group_of_another_kind(named("sgp-bp1example"))]
#[case::blank(named("\"  \""))]
#[case::white_space_after_it(named("\"lb-bp1example \""))]
#[case::a_line_end_after_it(named("\"lb-bp1example\\n\""))]
#[case::quotes_inside_quotes(named("\"'lb-bp1example'\""))]
#[case::words_in_brackets(named("<your-lb-id>"))]
#[case::words(named("your-lb-id"))]
#[case::words_in_capitals(named("LB_ID"))]
#[case::chinese_words(named("你的CLB实例ID"))]
#[case::crosses(named("lb-xxxxxxxx"))]
#[case::an_ellipsis(named("lb-…"))]
#[case::pods_are_the_backends(none().with_pods_as_backends())]
fn clb_id_that_is_none(#[case] case: Case) {
    let report = case.check("");
    assert_eq!((report.code, report.errors()), (3, vec!["CLB028 error".to_owned()]));
    assert_eq!(outcome(&case), "frozen");
    let not_looked = report.json["notLooked"].to_string();
    assert!(!not_looked.contains("of CLB"), "{not_looked}");
}

#[rstest]
#[case::an_id(named("lb-bp1example"))]
#[case::an_old_id(named("14ba0b5e4c8-cn-example-dg-a01"))]
fn what_may_be_an_id_is_not_refused(#[case] case: Case) {
    assert_eq!(case.check("").errors(), Vec::<String>::new());
    assert_eq!(outcome(&case), "applied");
}

#[test]
fn an_empty_id_is_none_at_all() {
    let report = named("\"\"").check("");
    assert_eq!(report.errors(), ["CLB008 error"]);
}

#[rstest]
#[case::the_address_type("internet", "address-type: \"intranet\"", "address-type")]
#[case::the_version_of_ip("ipv4", "ip-version: \"ipv6\"", "ip-version")]
#[case::the_resource_group("rg-example", "resource-group-id: \"rg-other\"", "resource-group-id")]
#[case::the_network("classic", "network-type: \"vpc\"", "network-type")]
#[case::the_first_zone("zone-a", "master-zoneid: \"zone-c\"", "master-zoneid")]
#[case::the_second_zone("zone-b", "slave-zoneid: \"zone-c\"", "slave-zoneid")]
fn an_attribute_that_the_clb_has_not_is_put_right(
    #[case] has: &str,
    #[case] wish: &str,
    #[case] suffix: &str,
) {
    let attributes = r#""AddressType": "internet", "AddressIPVersion": "ipv4", "ResourceGroupId": "rg-example", "NetworkType": "classic", "MasterZoneId": "zone-a", "SlaveZoneId": "zone-b", "Address""#;
    let case = adopted().with("balancer.json", ", \"AddressType\": \"internet\"", "").with(
        "balancer.json",
        "\"Address\"",
        attributes,
    );
    assert_eq!(case.check("").errors(), Vec::<String>::new());
    let case = noted(case, "live.yaml", wish);
    let report = case.check("");
    assert_eq!(report.errors(), ["CLB029 error"]);
    let [place, fix] = finding(&report, "CLB029");
    assert_eq!(place, path(suffix));
    assert_eq!(fix, format!("set {PREFIX}{suffix}: \"{has}\", or use another CLB"));
    assert_eq!(outcome(&case), "failing");
}

#[test]
fn what_no_annotation_says_is_told_of_the_clb() {
    let case = adopted().with(
        "balancer.json",
        "\"Address\"",
        "\"AddressIPVersion\": \"ipv6\", \"Address\"",
    );
    let report = case.check("");
    assert_eq!(report.errors(), ["CLB029 error"]);
    let [place, fix] = finding(&report, "CLB029");
    assert_eq!(place, path("id"));
    assert_eq!(fix, format!("set {PREFIX}ip-version: \"ipv6\", or use another CLB"));
    assert_eq!(outcome(&case), "failing");
}

const OWNER: &str = "---\napiVersion: v1\nkind: Service\nmetadata: {name: own, namespace: shop, labels: {service.k8s.alibaba/loadbalancer-id: lb-bp1example}}\nspec: {type: LoadBalancer, selector: {app: own}, ports: [{port: 80, nodePort: 30090}]}\n---\napiVersion: v1\nkind: List\n";

#[test]
fn a_clb_that_ccm_made_for_another_service_is_refused() {
    let live = case("adopt-service-with-another-clb")
        .without("new.yaml")
        .without("old.yaml")
        .without("balancer.json")
        .with("live.yaml", "status:\n  loadBalancer:\n    ingress: [{ip: 203.0.113.9}]\n", "")
        .with("live.yaml", "    service.k8s.alibaba/loadbalancer-id: lb-bp1made\n", "");
    assert_eq!(live.check("").errors(), Vec::<String>::new());
    let case = live.with("cluster.yaml", "apiVersion: v1\nkind: List\n", OWNER);
    assert_eq!(case.check("").errors(), ["CLB029 error"]);
    assert_eq!(outcome(&case), "frozen");
}

const PROFILE: &str = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ack-cluster-profile, namespace: kube-system}\ndata: {clusterid: c0123456789abcdef0123456789abcdef, vpcid: vpc-bp1example}\n---\napiVersion: v1\nkind: List\n";

#[rstest]
#[case::another_vpc("vpc-bp1other", &["CLB029 error"], "failing")]
#[case::the_clusters_vpc("vpc-bp1example", &[], "applied")]
#[case::no_vpc("", &[], "applied")]
fn a_clb_of_another_vpc_takes_no_backends(
    #[case] vpc: &str,
    #[case] errors: &[&str],
    #[case] expected: &str,
) {
    let vpc = format!("\"VpcId\": \"{vpc}\", \"Address\"");
    let case = adopted().with("balancer.json", "\"Address\"", &vpc).with(
        "cluster.yaml",
        "apiVersion: v1\nkind: List\n",
        PROFILE,
    );
    assert_eq!(case.check("").errors(), errors);
    assert_eq!(outcome(&case), expected);
}

#[test]
fn a_clb_of_another_vpc_takes_no_pods_either_and_a_preview_says_so() {
    let case = adopted()
        .with("balancer.json", "\"Address\"", "\"VpcId\": \"vpc-bp1other\", \"Address\"")
        .with("cluster.yaml", "apiVersion: v1\nkind: List\n", PROFILE)
        .with_pods_as_backends();
    assert_eq!(case.check("").errors(), ["CLB029 error"]);
    let folder = case.folder();
    let preview = Report::of(&format!("preview svc/web 40 -n shop -f {} -o json", folder.path("")));
    assert_eq!(preview.outcome(), "failing");
}

const ONE_OF_TWO: &str = "  - {name: http, port: 80, targetPort: 8080, nodePort: 30080}\n  - {name: https, port: 443, targetPort: 8443}\n";

#[rstest]
#[case::cluster_mode(without_node_ports(), "port 80 has")]
#[case::keys_of_the_old_prefix(without_node_ports().under_the_old_prefix(), "port 80 has")]
#[case::local_mode(
    without_node_ports().with("service.yaml", "  selector", "  externalTrafficPolicy: Local\n  selector"),
    "port 80 has"
)]
#[case::one_port_of_two(
    without_node_ports()
        .with("service.yaml", "  - {name: http, port: 80, targetPort: 8080}\n", ONE_OF_TWO)
        .with("service.yaml", "rsp-bp1example:80", "rsp-bp1other:80,rsp-bp1example:443"),
    "port 443 has"
)]
fn no_node_ports(#[case] case: Case, #[case] words: &str) {
    let report = case.check("");
    assert_eq!((report.code, report.errors()), (3, vec!["CLB030 error".to_owned()]));
    let message = report.json["findings"][0]["message"].as_str().expect("a message");
    assert!(message.starts_with(words), "{message}");
    assert_eq!(finding(&report, "CLB030")[0], "spec.allocateLoadBalancerNodePorts");
    let folder = case.folder();
    let preview = format!("preview svc/web 40 -n shop -f {} -o json", folder.path(""));
    assert_ne!(Report::of(&preview).outcome(), "applied");
}

#[rstest]
#[case::cluster_mode(without_node_ports())]
#[case::local_mode_whose_endpoints_are_not_at_hand(
    without_node_ports().with("service.yaml", "  selector", "  externalTrafficPolicy: Local\n  selector")
)]
#[case::the_nodes_are_not_at_hand(
    without_node_ports()
        .without("nodes.yaml")
        .with("service.yaml", "  annotations:\n", "  annotations:\n    service.beta.kubernetes.io/backend-type: ecs\n")
)]
fn a_refused_node_port_fails_each_round(#[case] case: Case) {
    assert_eq!(case.check("").errors(), ["CLB030 error"]);
    assert_eq!(outcome(&case), "failing");
}

#[rstest]
#[case::pods_are_the_backends(without_node_ports().with_pods_as_backends())]
#[case::the_manifest_leaves_them_to_kubernetes(
    without_node_ports().with("service.yaml", "  allocateLoadBalancerNodePorts: false\n", "")
)]
#[case::kubernetes_is_told_to_give_them(
    without_node_ports().with("service.yaml", "NodePorts: false", "NodePorts: true")
)]
#[case::they_are_written_down(
    without_node_ports().with("service.yaml", "targetPort: 8080", "targetPort: 8080, nodePort: 30080")
)]
fn node_ports_that_are_there_or_not_needed_are_not_missed(#[case] case: Case) {
    assert_eq!(case.check("").errors(), Vec::<String>::new());
}

#[rstest]
#[case::with_a_mapping(without_effect(), 5)]
#[case::keys_of_the_old_prefix(without_effect().under_the_old_prefix(), 5)]
#[case::without_a_mapping(
    without_effect()
        .with("service.yaml", "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port: \"rsp-bp1example:80\"\n", "")
        .with("service.yaml", "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"20\"\n", ""),
    5
)]
#[case::override_off(
    noted(without_effect(), "service.yaml", "force-override-listeners: \"false\""),
    5
)]
#[case::override_in_capitals(
    noted(without_effect(), "service.yaml", "force-override-listeners: \"True\""),
    5
)]
#[case::one_that_freezes_the_round(
    without_effect().with("service.yaml", "\"60\"", "60s"), 4
)]
#[case::one_that_is_empty(without_effect().with("service.yaml", "scheduler: wrr", "scheduler: \"\""), 4)]
fn annotation_without_effect(#[case] case: Case, #[case] count: usize) {
    let found = case.check("").findings("/findings");
    assert_eq!(found.iter().filter(|one| *one == "CLB031 warning").count(), count, "{found:?}");
}

#[rstest]
#[case::override_on(noted(without_effect(), "service.yaml", "force-override-listeners: \"true\""))]
#[case::ccm_makes_the_clb(
    without_effect()
        .with("service.yaml", "    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id: lb-bp1example\n", "")
)]
fn annotations_with_an_effect_are_right(#[case] case: Case) {
    let found = case.check("").findings("/findings");
    assert!(!found.iter().any(|one| one.starts_with("CLB031")), "{found:?}");
}

#[rstest]
#[case::keys_of_today(case("keys-that-ccm-knows"))]
#[case::keys_of_the_old_prefix(case("keys-that-ccm-knows").under_the_old_prefix())]
fn keys_that_ccm_knows(#[case] case: Case) {
    let report = case.check("");
    assert_eq!(report.findings("/findings"), ["CLB018 info"]);
    let [place, _] = finding(&report, "CLB018");
    assert!(place.ends_with("loadbalancer-slb-network-type]"), "{place}");
}

#[rstest]
#[case::a_port_alone(forwarding(), "correct or remove")]
#[case::keys_of_the_old_prefix(forwarding().under_the_old_prefix(), "correct or remove")]
#[case::an_empty_entry(forwarding().with("service.yaml", "\"81\"", "\",80:443\""), "\"80:443\"")]
#[case::a_space(forwarding().with("service.yaml", "\"81\"", "\"80: 443\""), "\"80:443\"")]
#[case::a_port_by_its_name(
    forwarding().with("service.yaml", "\"81\"", "\"80:https\""), "correct or remove"
)]
#[case::override_on(
    noted(forwarding(), "service.yaml", "force-override-listeners: \"true\""),
    "correct or remove"
)]
#[case::a_certificate_with_an_equals_sign(
    forwarding().with("service.yaml", "forward-port: \"81\"", "domain-extensions: \"www.example.com=1234_cn-example\""),
    "\"www.example.com:1234_cn-example\""
)]
#[case::a_certificate_on_tcp(
    forwarding()
        .with("service.yaml", "\"http:80\"", "\"tcp:80\"")
        .with("service.yaml", "forward-port: \"81\"", "domain-extensions: \"www.example.com\""),
    "correct or remove"
)]
fn forward_port_and_domain_extensions(#[case] case: Case, #[case] fix: &str) {
    let report = case.check("");
    assert_eq!(report.code, 3);
    assert!(report.errors().contains(&"CLB014 error".to_owned()), "{:?}", report.errors());
    let [_, said] = finding(&report, "CLB014");
    assert!(said.contains(fix), "{said}");
    assert_eq!(participant(case.status("").route(GROUP), "web")["outcome"], "frozen");
}

#[rstest]
#[case::a_redirection(forwarding().with("service.yaml", "\"81\"", "\"80:443\""))]
#[case::the_port_is_not_http(forwarding().with("service.yaml", "\"http:80\"", "\"tcp:80\""))]
#[case::nothing(forwarding().with("service.yaml", "\"81\"", "\"\""))]
fn what_ccm_can_read_freezes_nothing(#[case] case: Case) {
    assert_eq!(case.check("").errors(), Vec::<String>::new());
}
