//! Workloads behind migrated Services.

use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

/// The grid of workload rules: rule, bad workload, verdict when it comes.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    let good = deployment();
    let spec = |patch: &Value| edited(&good, &json!({"spec": patch}));
    let unhooked = edited(&container(), &json!({"lifecycle": null}));
    let key = key("id");
    vec![
        (
            "CLB021",
            edited(&good, &json!({"metadata": {"annotations": {key: "lb-bp1example"}}})),
            "warned",
        ),
        ("CLB301", with_containers(&good, &[unprobed()]), "denied"),
        ("CLB303", with_containers(&good, &[unhooked]), "warned"),
        (
            "CLB304",
            spec(&json!({"template": {"spec": {"terminationGracePeriodSeconds": 30}}})),
            "denied",
        ),
        ("CLB306", spec(&json!({"replicas": 1})), "warned"),
        (
            "CLB306",
            spec(&json!({"strategy": {"type": "Recreate", "rollingUpdate": null}})),
            "warned",
        ),
    ]
}

#[test]
fn a_mistake_is_refused_or_told_of_when_it_comes_and_never_refused_once_it_is_there() {
    let cluster = || {
        let api_reader =
            FakeApiReader { past_templates: Some(Vec::new()), ..FakeApiReader::default() };
        test_cluster()
            .config("inject: {enabled: false}")
            .nodes(&[node(1)])
            .with_service(&web())
            .api_reader(api_reader)
    };
    for (rule, bad, verdict) in mistakes() {
        let response = cluster().create(&bad);
        assert_eq!(response.action_on(rule), verdict, "{rule} at CREATE: {response:?}");
        let response = cluster().update(&deployment(), &bad);
        assert_eq!(response.action_on(rule), verdict, "{rule} at UPDATE: {response:?}");
        let image =
            json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}});
        let response = cluster().update(&bad, &edited(&bad, &image));
        assert!(response.allowed(), "{rule} was there before: {response:?}");
        let response = cluster().update(&bad, &deployment());
        assert_eq!(response.action_on(rule), "", "{rule} is repaired: {response:?}");
    }
}

#[rstest]
#[case("Deployment")]
#[case("StatefulSet")]
#[case("DaemonSet")]
fn every_kind_is_judged(#[case] kind: &str) {
    let workload = edited(&with_containers(&deployment(), &[unprobed()]), &json!({"kind": kind}));
    let response = test_cluster().with_service(&web()).create(&workload);
    assert_eq!(response.action_on("CLB301"), "denied", "{response:?}");
    assert!(response.message().starts_with(&format!("{kind} shop/web: CLB301")), "{response:?}");
}

#[test]
fn a_workload_that_no_migrated_service_selects_passes() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let elsewhere = edited(&web(), &json!({"metadata": {"namespace": "other"}}));
    let no_selector = edited(&web(), &json!({"spec": {"selector": null}}));
    let unmapped = with_annotations(&web(), &[("vgroup-port", json!(null))]);
    for service in [elsewhere, no_selector, unmapped] {
        let response = test_cluster().with_service(&service).create(&unfit);
        assert!(response.is_silent(), "{response:?}");
    }
}

#[test]
fn scale_labels_and_a_new_image_pass_on_an_unfit_workload() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let image = with_containers(&unfit, &[edited(&unprobed(), &json!({"image": "web:2"}))]);
    let edits = [
        image,
        edited(&unfit, &json!({"spec": {"replicas": 5}})),
        edited(&unfit, &json!({"metadata": {"labels": {"team": "shop"}}})),
        edited(&unfit, &json!({"metadata": {"annotations": {"note": "x"}}})),
        edited(&unfit, &json!({"metadata": {"finalizers": ["x"]}})),
    ];
    for edit in edits {
        let response = test_cluster().with_service(&web()).update(&unfit, &edit);
        assert!(response.allowed(), "{response:?}");
    }
}

#[test]
fn a_workload_that_is_going_passes() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let going = edited(&unfit, &json!({"metadata": {"deletionTimestamp": "2026-11-01T08:00:00Z"}}));
    assert!(test_cluster().with_service(&web()).update(&deployment(), &going).is_silent());
}

#[test]
fn an_unfit_workload_is_told_of_with_a_new_service_and_refuses_nothing() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let response = test_cluster().nodes(&[node(1)]).with_workload(&unfit).create(&web());
    assert!(response.allowed(), "{response:?}");
    assert_eq!(response.action_on("CLB301"), "warned", "{response:?}");
    assert!(response.warnings()[0].contains("Deployment shop/web"), "{response:?}");
}

#[test]
fn a_workload_that_runs_without_a_hook_is_told_of_with_a_new_service() {
    let unhooked = edited(&container(), &json!({"lifecycle": null}));
    let running = with_containers(&deployment(), &[unhooked]);
    let cluster = test_cluster().nodes(&[node(1)]).with_workload(&running);
    let response = cluster.create(&web());
    assert_eq!(response.action_on("CLB303"), "warned", "its Pods have none: {response:?}");
    let relabelled = edited(&running, &json!({"metadata": {"labels": {"tier": "front"}}}));
    let response = cluster.with_service(&web()).update(&running, &relabelled);
    assert!(response.is_silent(), "its next rollout brings one: {response:?}");
}

#[test]
fn an_edit_of_the_weight_does_not_tell_of_workloads_again() {
    let unfit = with_containers(&deployment(), &[unprobed()]);
    let cluster = test_cluster().nodes(&[node(1)]).with_workload(&unfit).with_service(&web());
    let response = cluster.update(&web(), &with_annotations(&web(), &[("weight", json!("40"))]));
    assert!(response.is_silent(), "{response:?}");
}
