//! Deletions that take Services with them: told, and never refused.

use clbmigrate_webhook::{Webhook, metrics::Metrics};
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn of_name(name: &str, notes: &[(&str, Value)]) -> Value {
    edited(&with_annotations(&web(), notes), &json!({"metadata": {"name": name}}))
}

/// The review of a namespace's deletion.
fn deletion(user: &str, namespace: &Value) -> Value {
    let name = &namespace["metadata"]["name"];
    let mut review = review(user, "DELETE", Some(namespace), None);
    review["request"]["resource"] = json!({"group": "", "version": "v1", "resource": "namespaces"});
    review["request"]["name"] = name.clone();
    review["request"]["namespace"] = name.clone();
    review
}

fn shop() -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
}

fn delete_shop(cluster: &TestCluster) -> ReviewResponse {
    ask(cluster, &deletion(USER, &shop()))
}

fn ask(cluster: &TestCluster, review: &Value) -> ReviewResponse {
    answer_of(&cluster.admission(), Webhook::ValidateCascadingDeletion, review)
}

/// The review of an update of a Service.
fn update(cluster: &TestCluster, old: &Value, new: &Value) -> ReviewResponse {
    let mut review = review(USER, "UPDATE", Some(old), Some(new));
    review["request"]["resource"] = json!({"group": "", "version": "v1", "resource": "services"});
    ask(cluster, &review)
}

#[test]
fn whoever_deletes_a_namespace_is_told_which_services_carry_traffic() {
    let elsewhere = edited(&web(), &json!({"metadata": {"name": "away", "namespace": "other"}}));
    let cluster = test_cluster()
        .with_service(&web())
        .with_service(&of_name("api", &[("weight", json!(null))]))
        .with_service(&of_name("idle", &[("weight", json!("0"))]))
        .with_service(&of_name("unmapped", &[("vgroup-port", json!(null))]))
        .with_service(&elsewhere);
    let response = delete_shop(&cluster);
    assert!(response.allowed(), "{response:?}");
    let [services, remedy] = response.warnings()[..] else { panic!("{response:?}") };
    assert!(services.contains("api (weight 100 per backend), web (weight 60). CCM"), "{services}");
    assert!(!services.contains("idle") && !services.contains("away"), "{services}");
    assert!(remedy.contains("kubectl clbmigrate set svc/api 0 -n shop"), "{remedy}");
}

#[test]
fn of_many_services_a_few_are_named() {
    let cluster = (0..9).fold(test_cluster(), |cluster, number| {
        let group = format!("rsp-bp{number}example:80");
        cluster.with_service(&of_name(&format!("web-{number}"), &[("vgroup-port", group.into())]))
    });
    let response = delete_shop(&cluster);
    let told = response.warnings()[0];
    assert!(
        told.contains("web-2 (weight 60) and 6 more. CCM") && !told.contains("web-3"),
        "{told}"
    );
}

#[test]
fn it_is_told_in_chinese_too() {
    let response = delete_shop(&test_cluster().config("lang: zh").with_service(&web()));
    let told = response.warnings()[0];
    assert!(told.starts_with("clbmigrate：删除命名空间 shop 会一并删除"), "{told}");
    assert!(told.contains("web（权重 60）"), "{told}");
}

#[rstest]
#[case::none_there("", json!({"metadata": {"namespace": "other"}}))]
#[case::without_weight("", json!({"metadata": {"annotations": {key("weight"): "0"}}}))]
#[case::marked("", json!({"metadata": {"annotations": {ALLOW: "CLB403, CLB404"}}}))]
#[case::off("rules: {CLB404: off}", json!({}))]
#[case::off_here("namespaces: {shop: {rules: {CLB404: audit}}}", json!({}))]
#[case::exempt("exempt: {users: [jane@example.com]}", json!({}))]
#[case::exempt_deletions("exempt: {deletions: {users: [jane@example.com]}}", json!({}))]
fn nothing_is_told_where_nothing_is_lost_or_it_is_meant(
    #[case] config: &str,
    #[case] patch: Value,
) {
    let cluster = test_cluster().config(config).with_service(&edited(&web(), &patch));
    let response = delete_shop(&cluster);
    assert!(response.is_silent(), "{response:?}");
}

#[test]
fn a_mark_that_the_administrator_does_not_leave_to_objects_silences_nothing() {
    let marked = with_annotations(&web(), &[(ALLOW, json!("CLB404"))]);
    let response = delete_shop(&test_cluster().config("allow: none").with_service(&marked));
    assert_eq!(response.warnings().len(), 2, "{response:?}");
}

#[test]
fn a_namespace_that_is_going_already_is_not_told_of_again() {
    let going =
        edited(&shop(), &json!({"metadata": {"deletionTimestamp": "2026-11-01T08:00:00Z"}}));
    let response = ask(&test_cluster().with_service(&web()), &deletion(USER, &going));
    assert!(response.is_silent(), "{response:?}");
}

fn owned(owners: &[&str]) -> Value {
    let owners: Vec<Value> = owners
        .iter()
        .map(|name| json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": format!("u-{name}")}))
        .collect();
    edited(&web(), &json!({"metadata": {"ownerReferences": owners}}))
}

#[rstest]
#[case::the_first(&[], &["x"], "ConfigMap x")]
#[case::one_more(&["x"], &["x", "y"], "ConfigMap y")]
#[case::another(&["x"], &["y"], "ConfigMap y")]
fn a_new_owner_of_a_service_with_weight_is_told(
    #[case] before: &[&str],
    #[case] after: &[&str],
    #[case] named: &str,
) {
    let response = update(&test_cluster(), &owned(before), &owned(after));
    assert!(response.allowed(), "{response:?}");
    let [told] = response.warnings()[..] else { panic!("{response:?}") };
    assert!(
        told.contains(&format!(
            "web (weight 60) carries traffic and goes with its new owner ({named})"
        )),
        "{told}"
    );
}

#[rstest]
#[case::the_same(owned(&["x"]), owned(&["x"]))]
#[case::fewer(owned(&["x", "y"]), owned(&["x"]))]
#[case::none_left(owned(&["x"]), web())]
#[case::without_weight(web(), with_annotations(&owned(&["x"]), &[("weight", json!("0"))]))]
#[case::of_another_type(web(), edited(&owned(&["x"]), &json!({"spec": {"type": "ClusterIP"}})))]
#[case::going(web(), edited(&owned(&["x"]), &json!({"metadata": {"deletionTimestamp": "2026-11-01T08:00:00Z"}})))]
fn other_changes_of_owners_are_not(#[case] old: Value, #[case] new: Value) {
    let response = update(&test_cluster(), &old, &new);
    assert!(response.is_silent(), "{response:?}");
}

#[test]
fn what_cannot_be_read_passes_too() {
    let odd = edited(&web(), &json!({"metadata": {"ownerReferences": "x"}}));
    let response = update(&test_cluster(), &web(), &odd);
    assert!(response.allowed() && response.warnings()[0].contains("not judged"), "{response:?}");
}

#[test]
fn it_is_counted_under_its_own_name() {
    let metrics = Metrics::default().text().expect("text");
    assert!(
        metrics.contains(r#"hook="validate-cascading-deletion",verdict="warned""#),
        "{metrics}"
    );
}
