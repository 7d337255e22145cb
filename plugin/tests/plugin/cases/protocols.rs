//! Ports of one number and several protocols, which no mapping tells apart.

use rstest::rstest;
use serde_json::Value;

use super::{Case, case};

fn one() -> Case {
    case("tcp-and-udp-on-one-port").without("two.yaml")
}

fn two() -> Case {
    case("tcp-and-udp-on-one-port").without("one.yaml")
}

/// The findings of these rules.
fn findings(case: &Case, rules: &[&str]) -> Vec<Value> {
    let json = case.check("").json;
    let all = json["findings"].as_array().expect("findings").iter();
    all.filter(|one| rules.iter().any(|rule| one["rule"] == *rule)).cloned().collect()
}

fn text<'f>(finding: &'f Value, field: &str) -> &'f str {
    finding[field].as_str().expect("a text")
}

#[rstest]
#[case::one_entry(one(), 1)]
#[case::an_entry_for_each(two(), 2)]
#[case::one_entry_of_the_old_prefix(one().under_the_old_prefix(), 1)]
#[case::an_entry_for_each_of_the_old_prefix(two().under_the_old_prefix(), 2)]
#[case::the_same_group_twice(two().with("two.yaml", "rsp-bp1b", "rsp-bp1a"), 2)]
#[case::the_protocol_is_left_out(one().with("one.yaml", " protocol: TCP,", ""), 1)]
#[case::the_protocol_is_null(two().with("two.yaml", "protocol: TCP", "protocol: null"), 2)]
#[case::the_protocol_is_empty(two().with("two.yaml", "protocol: TCP", "protocol: \"\""), 2)]
#[case::other_pods(
    two().with_pods_as_backends().with("two.yaml", "targetPort: 8443, nodePort: 30444", "targetPort: 9443"),
    2
)]
#[case::https_for_the_listener(
    one().with(
        "one.yaml",
        "  annotations:\n",
        "  annotations:\n    service.beta.kubernetes.io/alibaba-cloud-loadbalancer-protocol-port: \"tcp:443\"\n"
    ),
    1
)]
fn tcp_and_udp_on_one_port(#[case] case: Case, #[case] count: usize) {
    let found = findings(&case, &["CLB006", "CLB101"]);
    assert_eq!(found.len(), count, "{found:?}");
    for finding in &found {
        let fix = text(finding, "fix");
        assert!(fix.starts_with("make two Services of it: one with port 443/TCP"), "{fix}");
        assert!(fix.contains("one with port 443/UDP"), "{fix}");
        assert_eq!(finding["patch"].as_array().map(Vec::len), Some(0), "{finding}");
        assert_eq!(finding["severity"], "error");
    }
    let shares = found.iter().find(|one| one["rule"] == "CLB101").expect("CLB101");
    assert!(text(shares, "message").starts_with("ports 443/TCP and 443/UDP share group rsp-bp1a"));
}

#[rstest]
#[case::tcp(
    "443, protocol: UDP, targetPort: 8443, nodePort: 30444",
    "443, protocol: TCP, targetPort: 8443, nodePort: 30443"
)]
#[case::udp(
    "443, protocol: TCP, targetPort: 8443, nodePort: 30443",
    "443, protocol: UDP, targetPort: 8443, nodePort: 30444"
)]
fn the_fix_leads_out(#[case] removed: &str, #[case] kept: &str) {
    for (file, case) in [("one.yaml", one()), ("two.yaml", two())] {
        let lines = case.files[0].1.lines().filter(|line| !line.contains(removed));
        let text = lines.collect::<Vec<_>>().join("\n");
        assert!(text.contains(kept), "{text}");
        let mapping = if file == "one.yaml" { "rsp-bp1a:443" } else { "rsp-bp1a:443,rsp-bp1b:443" };
        let text = text.replace(mapping, "rsp-bp1a:443");
        let single = Case { files: vec![(file.to_owned(), text)] };
        assert_eq!(single.check("").errors(), Vec::<String>::new());
    }
}

#[rstest]
#[case::udp_and_sctp(one().with("one.yaml", "protocol: TCP", "protocol: SCTP"), "ports 443/SCTP and 443/UDP")]
#[case::two_numbers(
    one().with("one.yaml", "port: 443, protocol: UDP", "port: 8443, protocol: UDP").with("one.yaml", "rsp-bp1a:443", "rsp-bp1a:443,rsp-bp1a:8443"),
    "ports 443/TCP and 8443/UDP"
)]
#[case::two_numbers_of_one_protocol(
    one().with("one.yaml", "port: 443, protocol: UDP", "port: 8443, protocol: TCP").with("one.yaml", "rsp-bp1a:443", "rsp-bp1a:443,rsp-bp1a:8443"),
    "ports 443 and 8443"
)]
#[case::three_ports(
    one().with("one.yaml", "  ports:\n", "  ports:\n  - {name: sctp, port: 443, protocol: SCTP, nodePort: 30445}\n"),
    "ports 443/SCTP and 443/TCP and 443/UDP"
)]
fn ports_that_share_a_group_are_named_with_their_protocols(
    #[case] case: Case,
    #[case] ports: &str,
) {
    let found = findings(&case, &["CLB101"]);
    assert_eq!(found.len(), 1);
    let message = text(&found[0], "message");
    assert!(message.starts_with(&format!("{ports} share group rsp-bp1a")), "{message}");
    let is_one_number = !ports.contains("8443");
    assert_eq!(text(&found[0], "fix").contains("Services of it"), is_one_number, "{}", found[0]);
}

#[rstest]
#[case::pods_and_target_port(one().with_pods_as_backends())]
#[case::nodes_and_node_port(one().with("one.yaml", "30444", "30443"))]
fn protocols_with_the_same_backends_share_a_group_in_peace(#[case] case: Case) {
    let found = findings(&case, &["CLB101"]);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["severity"], "info");
    assert!(text(&found[0], "message").contains("ports 443/TCP and 443/UDP"), "{}", found[0]);
}
