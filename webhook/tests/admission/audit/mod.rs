//! The audit of what a cluster holds already.

mod election;
mod fake_backend;
mod record;

use clbmigrate_core::finding::Severity;
use clbmigrate_webhook::audit::{event::AuditEvent, scan::MAX_EVENTS};
use rstest::rstest;
use serde_json::{Value, json};

use self::fake_backend::{AuditedCluster, audited, told};
use crate::support::*;

const NONE: [&str; 0] = [];

/// A cluster with a node, and Services that it is started with.
fn cluster_of(services: &[Value]) -> AuditedCluster {
    let cluster = audited(test_cluster().nodes(&[node(1)]));
    for service in services {
        cluster.put(service);
    }
    cluster
}

fn with_weight(weight: &str) -> Value {
    with_annotations(&web(), &[("weight", json!(weight))])
}

fn named(name: &str, service: &Value) -> Value {
    let group = format!("rsp-{name}:80");
    let renamed =
        edited(service, &json!({"metadata": {"name": name}, "spec": {"selector": {"app": name}}}));
    with_annotations(&renamed, &[("vgroup-port", json!(group))])
}

#[test]
fn a_service_in_which_nothing_is_wrong_has_no_event() {
    let mut cluster = cluster_of(&[web()]);
    let summary = cluster.scan();
    assert_eq!((summary.run.objects, summary.events), (1, 0), "{summary:?}");
}

#[test]
fn a_finding_is_told_once_with_rule_value_and_fix() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    let events = cluster.events_of_scan();
    assert_eq!(told(&events), ["Warning Service shop/web CLB001Found"]);
    let [AuditEvent { message, object, .. }] = events.as_slice() else { panic!("{events:?}") };
    for words in ["CLB001 metadata.annotations[", "\"101\"", ". Fix: "] {
        assert!(message.contains(words), "no {words} in {message}");
    }
    assert_eq!((object.api_version, object.uid.as_str()), ("v1", "uid-of-shop-web"));
    assert_eq!(told(&cluster.events_of_scan()), NONE);
}

#[test]
fn another_process_tells_nothing_that_was_told_already() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.scan();
    cluster.restart();
    let summary = cluster.scan();
    assert_eq!(summary.events, 0);
    assert_eq!(summary.run.findings.get(&("CLB001", Severity::Error)), Some(&1), "it still counts");
}

#[test]
fn what_a_process_told_before_it_was_killed_is_there_once() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.backend.with(|state| state.loses_writes = true);
    cluster.try_scan().expect_err("the record is not written");
    cluster.backend.with(|state| state.loses_writes = false);
    assert_eq!(told(&cluster.events_of_scan()), NONE);
    assert_eq!(cluster.scan().events, 0, "it is recorded by now");
}

#[test]
fn two_processes_that_both_think_they_lead_tell_a_finding_once() {
    let mut one = cluster_of(&[web()]);
    one.scan();
    one.put(&with_weight("101"));
    let mut other = audited(test_cluster());
    other.backend = one.backend.clone();
    other.scan();
    assert_eq!(told(&one.events_of_scan_that_fails()), NONE);
    assert_eq!(told(&one.events_of_scan()), NONE, "it has read the record again");
}

#[test]
fn a_finding_that_went_is_told_once_and_one_that_comes_back_is_told_again() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    let first = cluster.events_of_scan();
    cluster.put(&web());
    assert_eq!(told(&cluster.events_of_scan()), ["Normal Service shop/web CLB001Resolved"]);
    assert_eq!(told(&cluster.events_of_scan()), NONE);
    cluster.put(&with_weight("101"));
    let again = cluster.events_of_scan();
    assert_eq!(told(&again), told(&first));
    assert_ne!(again[0].name, first[0].name, "an Event of its own");
}

#[test]
fn another_wrong_value_is_told_as_a_new_finding_and_nothing_as_gone() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.scan();
    cluster.put(&with_weight("102"));
    assert_eq!(told(&cluster.events_of_scan()), ["Warning Service shop/web CLB001Found"]);
    assert_eq!(told(&cluster.events_of_scan()), NONE);
}

#[test]
fn a_service_without_any_key_of_ccm_has_its_findings_resolved() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.scan();
    cluster.put(&edited(&web(), &json!({"metadata": {"annotations": null}})));
    assert_eq!(told(&cluster.events_of_scan()), ["Normal Service shop/web CLB001Resolved"]);
}

#[test]
fn a_service_that_is_deleted_is_forgotten_without_an_event() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.scan();
    cluster.delete("web");
    assert_eq!(told(&cluster.events_of_scan()), NONE);
    let mut anew = with_weight("101");
    anew["metadata"]["uid"] = json!("another");
    cluster.put(&anew);
    assert_eq!(told(&cluster.events_of_scan()), ["Warning Service shop/web CLB001Found"]);
}

#[test]
fn a_rule_that_is_off_is_not_looked_at() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.configure("rules: {CLB001: off}");
    let summary = cluster.scan();
    assert_eq!((summary.events, summary.run.findings.len()), (0, 0), "{summary:?}");
    cluster.configure("namespaces: {other: {rules: {CLB001: off}}}");
    assert_eq!(cluster.scan().events, 1, "in another namespace it is on");
    cluster.configure("namespaces: {shop: {rules: {CLB001: off}}}");
    assert_eq!(told(&cluster.events_of_scan()), NONE, "a rule that is turned off resolves nothing");
}

#[rstest]
#[case::deny("")]
#[case::warn("rules: {CLB001: warn}")]
#[case::audit("rules: {CLB001: audit}")]
fn in_every_other_mode_findings_are_told(#[case] config: &str) {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.configure(config);
    assert_eq!(told(&cluster.events_of_scan()), ["Warning Service shop/web CLB001Found"]);
}

#[test]
fn exempt_namespaces_are_left_out() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.configure("exempt: {namespaces: [shop]}");
    let summary = cluster.scan();
    assert_eq!((summary.events, summary.run.objects), (0, 0), "{summary:?}");
}

#[test]
fn what_an_object_may_allow_is_counted_and_makes_no_event() {
    let allowing = with_annotations(&with_weight("101"), &[(ALLOW, json!("CLB001"))]);
    let mut cluster = cluster_of(&[allowing]);
    assert_eq!(cluster.scan().events, 1, "by default CLB001 is not left to objects");
    cluster.configure("allow: [CLB001]");
    let summary = cluster.scan();
    assert_eq!(summary.events, 0, "{summary:?}");
    assert_eq!(summary.run.findings.get(&("CLB001", Severity::Warning)), Some(&1), "{summary:?}");
}

#[test]
fn infos_are_counted_and_make_no_event() {
    let unknown = with_annotations(&web(), &[("from-a-newer-release", json!("on"))]);
    let mut cluster = cluster_of(&[unknown]);
    let summary = cluster.scan();
    assert_eq!(summary.run.findings.get(&("CLB018", Severity::Info)), Some(&1), "{summary:?}");
    assert_eq!(summary.events, 0);
}

#[test]
fn services_that_share_a_group_are_judged_beside_each_other() {
    let neighbour = edited(
        &neighbour(&[("vgroup-port", json!("rsp-bp1example:90"))]),
        &json!({"spec": {"ports": [{"name": "http", "protocol": "TCP", "port": 90, "targetPort": 8080, "nodePort": 30090}]}}),
    );
    let mut cluster = cluster_of(&[web(), neighbour]);
    let events = told(&cluster.events_of_scan());
    for name in ["other", "web"] {
        let event = format!("Warning Service shop/{name} CLB102Found");
        assert!(events.contains(&event), "no {event} in {events:?}");
    }
}

#[test]
fn a_workload_behind_a_migrated_service_is_told_itself_and_once() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let unfit = edited(&unfit, &json!({"metadata": {"uid": "uid-of-web"}}));
    let cluster = test_cluster().nodes(&[node(1)]).with_workload(&unfit);
    let mut cluster = audited(cluster);
    cluster.put(&web());
    let events = cluster.events_of_scan();
    assert_eq!(told(&events), ["Warning Deployment shop/web CLB301Found"]);
    assert_eq!(events[0].object.api_version, "apps/v1");
    assert_eq!(told(&cluster.events_of_scan()), NONE);
    let fixed = edited(&deployment(), &json!({"metadata": {"uid": "uid-of-web"}}));
    cluster.cluster.cache.put_workload(kind_of(&fixed), &fixed.to_string()).expect("one");
    assert_eq!(told(&cluster.events_of_scan()), ["Normal Deployment shop/web CLB301Resolved"]);
}

#[test]
fn a_workload_that_runs_without_a_hook_is_told_although_its_next_rollout_brings_one() {
    let unhooked =
        with_containers(&deployment(), &[edited(&container(), &json!({"lifecycle": null}))]);
    let mut cluster = audited(test_cluster().nodes(&[node(1)]).with_workload(&unhooked));
    cluster.put(&web());
    let events = told(&cluster.events_of_scan());
    assert!(events.contains(&"Warning Deployment shop/web CLB303Found".to_owned()), "{events:?}");
}

#[test]
fn keys_of_ccm_on_a_workload_are_told() {
    let misplaced = with_annotations(&deployment(), &[("id", json!("lb-bp1example"))]);
    let mut cluster = audited(test_cluster().with_workload(&misplaced));
    assert_eq!(told(&cluster.events_of_scan()), ["Warning Deployment shop/web CLB021Found"]);
}

#[rstest]
#[case("kube-system")]
#[case("clbmigrate-system")]
fn workloads_that_no_review_is_for_are_left_out(#[case] namespace: &str) {
    let misplaced = with_annotations(&deployment(), &[("id", json!("lb-bp1example"))]);
    let misplaced = edited(&misplaced, &json!({"metadata": {"namespace": namespace}}));
    let mut cluster = audited(test_cluster().with_workload(&misplaced));
    assert_eq!(cluster.scan().run.objects, 0);
}

#[test]
fn so_many_events_are_posted_at_once_and_the_next_scan_posts_the_rest() {
    const MORE: usize = 7;
    let bad = with_weight("101");
    let services: Vec<Value> =
        (0..MAX_EVENTS + MORE).map(|number| named(&format!("web-{number}"), &bad)).collect();
    let mut cluster = cluster_of(&services);
    let first = cluster.scan();
    assert_eq!((first.events, first.left_out), (MAX_EVENTS, MORE));
    let second = cluster.scan();
    assert_eq!((second.events, second.left_out), (MORE, 0));
    assert_eq!(second.run.objects, u64::try_from(services.len()).expect("a number"));
    assert_eq!(cluster.scan().events, 0);
}

#[test]
fn events_that_are_refused_are_posted_by_a_later_scan_and_soon_not_tried_any_more() {
    let bad = with_weight("101");
    let services: Vec<Value> =
        (0..20).map(|number| named(&format!("web-{number}"), &bad)).collect();
    let mut cluster = cluster_of(&services);
    cluster.backend.with(|state| state.refuses_events = true);
    let refused = cluster.scan();
    assert_eq!((refused.events, refused.left_out), (0, 20));
    assert_eq!(cluster.backend.with(|state| state.tried_events), 5);
    cluster.backend.with(|state| state.refuses_events = false);
    assert_eq!(cluster.scan().events, 20);
}

#[test]
fn events_are_in_the_language_of_denials() {
    let mut cluster = cluster_of(&[with_weight("101")]);
    cluster.configure("lang: zh");
    let events = cluster.events_of_scan();
    assert!(events[0].message.starts_with("CLB001 权重"), "{}", events[0].message);
}
