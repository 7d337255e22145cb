//! What the administrator and the object decide.

use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn bad() -> Value {
    noted(&web(), &[("weight", json!("101"))])
}

#[rstest]
#[case("", "denied", 0)]
#[case("rules: {CLB001: warn}", "warned", 1)]
#[case("rules: {CLB001: audit}", "audited", 0)]
#[case("rules: {CLB001: 'off'}", "", 0)]
#[case("rules: {CLB001: warn}\nnamespaces: {shop: {rules: {CLB001: deny}}}", "denied", 0)]
#[case("namespaces: {other: {rules: {CLB001: warn}}}", "denied", 0)]
fn a_rule_has_the_mode_that_is_written_for_it(
    #[case] config: &str,
    #[case] verdict: &str,
    #[case] warnings: usize,
) {
    let reply = scene().config(config).create(&bad());
    assert_eq!((reply.of("CLB001"), reply.warnings().len()), (verdict, warnings), "{reply:?}");
}

#[test]
fn a_rule_on_nodes_is_a_warning_whatever_is_written() {
    let service = noted(&web(), &[("backend-label", json!("pool=wbe"))]);
    let reply = scene().nodes(&[node(1)]).config("rules: {CLB020: deny}").create(&service);
    assert_eq!(reply.of("CLB020"), "warned", "{reply:?}");
}

#[test]
fn an_object_may_be_exempt_from_rules_that_the_administrator_leaves_to_objects() {
    let allowed = noted(&bad(), &[(ALLOW, json!("CLB001, CLB404"))]);
    let reply = scene().create(&allowed);
    assert_eq!(reply.of("CLB001"), "warned", "{reply:?}");
    assert!(scene().config("allow: [CLB001]").create(&allowed).allowed());
    assert!(!scene().config("allow: none").create(&allowed).allowed());
    assert!(!scene().config("allow: [CLB404]").create(&allowed).allowed());
    let reply = scene().config("rules: {CLB001: deny}").create(&allowed);
    assert_eq!(reply.of("CLB001"), "warned", "{reply:?}");
}

#[test]
fn a_service_may_be_marked_to_go_with_its_traffic() {
    let marked = noted(&web(), &[(ALLOW, json!("CLB404"))]);
    let reply = scene().with(&marked).delete(&marked);
    assert_eq!(reply.of("CLB404"), "warned", "{reply:?}");
    assert!(!scene().config("allow: none").with(&marked).delete(&marked).allowed());
}

#[test]
fn taking_the_exemption_away_from_an_old_mistake_is_no_new_mistake() {
    let marked = noted(&bad(), &[(ALLOW, json!("CLB001"))]);
    let reply = scene().with(&marked).update(&marked, &noted(&marked, &[(ALLOW, json!(null))]));
    assert_eq!(reply.of("CLB001"), "warned", "{reply:?}");
}

#[test]
fn an_exemption_from_what_is_no_rule_is_told() {
    let reply = scene().create(&noted(&web(), &[(ALLOW, json!("CLB999,clb001,CLB404"))]));
    assert!(reply.allowed());
    let warnings = reply.warnings().join("\n");
    assert!(warnings.contains("CLB999") && warnings.contains("clb001"), "{warnings}");
    assert!(!warnings.contains("CLB404"), "{warnings}");
}

#[rstest]
#[case("exempt: {users: [jane@example.com]}")]
#[case("exempt: {groups: [developers]}")]
#[case("exempt: {namespaces: [shop]}")]
fn whoever_is_exempt_passes_unjudged(#[case] config: &str) {
    assert!(scene().config(config).create(&bad()).is_silent());
    assert!(scene().config(config).with(&web()).delete(&web()).is_silent());
}

#[test]
fn the_cluster_s_id_and_backend_type_come_from_the_configuration() {
    let reply = scene().config("cluster: {id: clusterid}").create(&web());
    assert_eq!(reply.of("CLB201"), "denied", "{reply:?}");
    let reply = scene().config("cluster: {id: clusterid, suffix: eb}").create(&web());
    assert_eq!(reply.of("CLB201"), "", "{reply:?}");
    let reply = scene().config("cluster: {id: a/b}").create(&web());
    assert_eq!(reply.of("CLB202"), "denied", "{reply:?}");
    let rival = edited(&web(), &json!({"metadata": {"name": "rival"}}));
    let reply = scene().config("cluster: {backendType: eni}").with(&rival).create(&web());
    assert_eq!(reply.of("CLB104"), "denied", "{reply:?}");
}
