//! What the administrator and the object decide.

use clbmigrate_webhook::claims::{ClaimResult, ClaimStore, ReviewedWrite};
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

/// What becomes of a weight of 101: allowed, its action, how many warnings.
fn in_mode(cluster: &TestCluster) -> (bool, String, usize) {
    let response = cluster.create(&bad());
    (response.allowed(), response.action_on("CLB001").to_owned(), response.warnings().len())
}

#[rstest]
#[case::enforce("mode: enforce", (false, "denied", 0))]
#[case::warn("mode: warn", (true, "warned", 1))]
#[case::audit("mode: audit", (true, "audited", 0))]
#[case::a_namespace("mode: audit\nnamespaceModes: {shop: enforce}", (false, "denied", 0))]
#[case::another_namespace("mode: audit\nnamespaceModes: {other: enforce}", (true, "audited", 0))]
#[case::a_rule_is_never_sharper_than_it_says("mode: warn\nrules: {CLB001: audit}", (true, "audited", 0))]
fn one_switch_limits_all_rules(#[case] config: &str, #[case] expected: (bool, &str, usize)) {
    let (allowed, action, warnings) = in_mode(&test_cluster().config(config));
    assert_eq!((allowed, &*action, warnings), expected);
}

#[test]
fn what_only_the_mode_lets_through_is_told_to_the_audit_log() {
    let response = test_cluster().config("mode: audit").create(&bad());
    assert_eq!(response.would_refuse(), "CLB001");
    assert_eq!(test_cluster().create(&bad()).would_refuse(), "");
    assert_eq!(test_cluster().config("mode: audit").create(&web()).would_refuse(), "");
    let warned = test_cluster().config("mode: warn").create(&bad());
    assert!(warned.warnings()[0].contains("enforce would refuse it"), "{warned:?}");
}

#[test]
fn a_namespace_may_be_labelled_with_a_mode() {
    let labelled = |mode: &str, config: &str| {
        let cluster = test_cluster().config(config);
        let namespace =
            json!({"metadata": {"name": "shop", "labels": {"clbmigrate.io/mode": mode}}});
        cluster.cache.put_namespace(&namespace.to_string()).expect("a namespace");
        cluster
    };
    let action = |cluster: TestCluster| in_mode(&cluster).1;
    assert_eq!(action(labelled("warn", "")), "warned");
    assert_eq!(action(labelled("enforce", "mode: audit")), "denied");
    assert_eq!(action(labelled("enforce", "namespaceModes: {shop: audit}")), "audited");
    let wrong = labelled("loud", "").create(&bad());
    assert!(!wrong.allowed());
    assert!(wrong.warnings()[0].contains("the label clbmigrate.io/mode is \"loud\""), "{wrong:?}");
    let cluster = labelled("warn", "");
    cluster.cache.put_namespace(r#"{"metadata": {"name": "shop"}}"#).expect("a namespace");
    assert_eq!(action(cluster), "denied", "the label was taken away");
}

/// Claims of which nobody can tell whether they are free.
struct NeverSettled;

impl ClaimStore for NeverSettled {
    async fn claim(&self, _: ReviewedWrite<'_>) -> ClaimResult {
        ClaimResult::Unsettled("no answer".to_owned())
    }
}

#[test]
fn a_claim_that_cannot_be_settled_refuses_nothing_in_a_softer_mode() {
    for (mode, allowed, warnings) in [("enforce", false, 0), ("warn", true, 1), ("audit", true, 0)]
    {
        let cluster = test_cluster().config(&format!("mode: {mode}"));
        let handler = cluster.admission_with(NeverSettled);
        let response = validate(&handler, &review(USER, "CREATE", None, Some(&web())));
        assert_eq!((response.allowed(), response.warnings().len()), (allowed, warnings), "{mode}");
    }
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
