//! What the administrator and the object decide.

use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn bad() -> Value {
    with_annotations(&web(), &[("weight", json!("101"))])
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
    let response = test_cluster().config(config).create(&bad());
    assert_eq!(
        (response.action_on("CLB001"), response.warnings().len()),
        (verdict, warnings),
        "{response:?}"
    );
}

#[test]
fn a_rule_on_nodes_is_a_warning_whatever_is_written() {
    let service = with_annotations(&web(), &[("backend-label", json!("pool=wbe"))]);
    let response =
        test_cluster().nodes(&[node(1)]).config("rules: {CLB020: deny}").create(&service);
    assert_eq!(response.action_on("CLB020"), "warned", "{response:?}");
}

#[test]
fn an_object_may_be_exempt_from_rules_that_the_administrator_leaves_to_objects() {
    let allowed = with_annotations(&bad(), &[(ALLOW, json!("CLB001, CLB404"))]);
    let response = test_cluster().config("allow: all").create(&allowed);
    assert_eq!(response.action_on("CLB001"), "warned", "{response:?}");
    assert!(test_cluster().config("allow: [CLB001]").create(&allowed).allowed());
    assert!(!test_cluster().config("allow: none").create(&allowed).allowed());
    assert!(!test_cluster().config("allow: [CLB404]").create(&allowed).allowed());
    let response = test_cluster().config("allow: all\nrules: {CLB001: deny}").create(&allowed);
    assert_eq!(response.action_on("CLB001"), "warned", "{response:?}");
}

#[test]
fn by_default_no_object_is_exempt_from_what_nobody_means() {
    let new = with_annotations(&bad(), &[(ALLOW, json!("CLB001"))]);
    for response in
        [test_cluster().create(&new), test_cluster().with_service(&web()).update(&web(), &new)]
    {
        assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
        let told =
            response.warnings().iter().any(|warning| warning.contains("CLB001 has no effect"));
        assert!(told, "{response:?}");
    }
    let alone = with_annotations(&web(), &[(ALLOW, json!("CLB404,CLB001,CLB999"))]);
    let response = test_cluster().with_service(&web()).update(&web(), &alone);
    assert!(response.allowed(), "{response:?}");
    let warnings = response.warnings().join("\n");
    assert!(warnings.contains("CLB001") && warnings.contains("CLB999"), "{warnings}");
    assert!(!warnings.contains("CLB404"), "{warnings}");
}

/// What an object's exemption from CLB301 and CLB304 does to a workload that breaks both.
#[rstest]
#[case::by_default("", ["warned", "denied"])]
#[case::all("allow: all", ["warned", "warned"])]
#[case::none("allow: none", ["denied", "denied"])]
#[case::another("allow: [CLB304]", ["denied", "warned"])]
fn a_workload_is_exempt_from_what_the_administrator_leaves_to_objects(
    #[case] config: &str,
    #[case] expected: [&str; 2],
) {
    let spec = json!({"template": {"spec": {"terminationGracePeriodSeconds": 30}}});
    let unfit = edited(&with_containers(&deployment(), &[unprobed()]), &json!({"spec": spec}));
    let marked =
        edited(&unfit, &json!({"metadata": {"annotations": {ALLOW: "CLB301,CLB304,CLB999"}}}));
    let response = test_cluster().config(config).with_service(&web()).create(&marked);
    let actions = ["CLB301", "CLB304"].map(|rule| response.action_on(rule).to_owned());
    assert_eq!(actions, expected, "{response:?}");
    let warnings = response.warnings().join("\n");
    assert!(warnings.contains("no rule \"CLB999\""), "{warnings}");
    let is_told = warnings.contains("CLB304 has no effect");
    assert_eq!(is_told, config.is_empty() || config.contains("none"), "{warnings}");
}

#[test]
fn a_service_may_be_marked_to_go_with_its_traffic() {
    let marked = with_annotations(&web(), &[(ALLOW, json!("CLB404"))]);
    let response = test_cluster().with_service(&marked).delete(&marked);
    assert_eq!(response.action_on("CLB404"), "warned", "{response:?}");
    assert!(!test_cluster().config("allow: none").with_service(&marked).delete(&marked).allowed());
}

#[test]
fn taking_the_exemption_away_from_an_old_mistake_is_no_new_mistake() {
    let marked = with_annotations(&bad(), &[(ALLOW, json!("CLB001"))]);
    let response = test_cluster()
        .config("allow: all")
        .with_service(&marked)
        .update(&marked, &with_annotations(&marked, &[(ALLOW, json!(null))]));
    assert_eq!(response.action_on("CLB001"), "warned", "{response:?}");
}

#[test]
fn an_exemption_from_what_is_no_rule_is_told() {
    let response =
        test_cluster().create(&with_annotations(&web(), &[(ALLOW, json!("CLB999,clb001,CLB404"))]));
    assert!(response.allowed());
    let warnings = response.warnings().join("\n");
    assert!(warnings.contains("CLB999") && warnings.contains("clb001"), "{warnings}");
    assert!(!warnings.contains("CLB404"), "{warnings}");
}

#[rstest]
#[case("exempt: {users: [jane@example.com]}")]
#[case("exempt: {groups: [developers]}")]
#[case("exempt: {namespaces: [shop]}")]
fn whoever_is_exempt_passes_unjudged(#[case] config: &str) {
    assert!(test_cluster().config(config).create(&bad()).is_silent());
    assert!(test_cluster().config(config).with_service(&web()).delete(&web()).is_silent());
}

#[test]
fn the_cluster_s_id_and_backend_type_come_from_the_configuration() {
    let response = test_cluster().config("cluster: {id: clusterid}").create(&web());
    assert_eq!(response.action_on("CLB201"), "denied", "{response:?}");
    let response = test_cluster().config("cluster: {id: clusterid, suffix: eb}").create(&web());
    assert_eq!(response.action_on("CLB201"), "", "{response:?}");
    let response = test_cluster().config("cluster: {id: a/b}").create(&web());
    assert_eq!(response.action_on("CLB202"), "denied", "{response:?}");
    let rival = edited(&web(), &json!({"metadata": {"name": "rival"}}));
    let response =
        test_cluster().config("cluster: {backendType: eni}").with_service(&rival).create(&web());
    assert_eq!(response.action_on("CLB104"), "denied", "{response:?}");
}

#[rstest]
#[case::newest("", "denied")]
#[case::reads_it("ccm: {version: v2.13.1}", "denied")]
#[case::does_not_read_it("ccm: {version: 2.12}", "")]
fn a_service_is_judged_by_the_release_of_the_configuration(
    #[case] config: &str,
    #[case] action: &str,
) {
    // CCM reads domain-extensions since 2.13.
    let service = with_annotations(&web(), &[("domain-extensions", json!("x"))]);
    let response = test_cluster().config(config).create(&service);
    assert_eq!(response.action_on("CLB014"), action, "{response:?}");
}

#[rstest]
#[case::pods(json!({"aliyun/eni": "3"}), "", "denied")]
#[case::nodes(json!({"cpu": "4"}), "", "warned")]
#[case::told_otherwise(json!({"aliyun/eni": "3"}), "cluster: {backendType: ecs}", "warned")]
#[case::told_nothing(json!({"aliyun/eni": "3"}), "cluster: {backendType: ''}", "denied")]
fn nodes_show_the_backend_type_where_the_configuration_does_not_say(
    #[case] allocatable: Value,
    #[case] config: &str,
    #[case] action: &str,
) {
    let node = edited(&node(1), &json!({"status": {"allocatable": allocatable}}));
    let rival = edited(&web(), &json!({"metadata": {"name": "rival"}}));
    let cluster = test_cluster().nodes(&[node]).config(config).with_service(&rival);
    let response = cluster.create(&web());
    assert_eq!(response.action_on("CLB104"), action, "{response:?}");
}
