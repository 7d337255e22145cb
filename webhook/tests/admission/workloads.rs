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

const ARGO: &str = "argoproj.io/v1alpha1";
const KRUISE: &str = "apps.kruise.io/v1beta1";

/// A workload of that kind, like the Deployment.
fn of_kind(api_version: &str, kind: &str, containers: &[Value]) -> Value {
    let kind = json!({"apiVersion": api_version, "kind": kind, "spec": {"strategy": null}});
    edited(&with_containers(&deployment(), containers), &kind)
}

#[rstest]
#[case("apps/v1", "Deployment")]
#[case("apps/v1", "StatefulSet")]
#[case("apps/v1", "DaemonSet")]
#[case(ARGO, "Rollout")]
#[case(KRUISE, "CloneSet")]
#[case(KRUISE, "StatefulSet")]
#[case(KRUISE, "DaemonSet")]
fn every_kind_is_judged(#[case] api_version: &str, #[case] kind: &str) {
    let workload = of_kind(api_version, kind, &[unprobed()]);
    let response = test_cluster().with_service(&web()).create(&workload);
    assert_eq!(response.action_on("CLB301"), "denied", "{response:?}");
    assert!(response.message().starts_with(&format!("{kind} shop/web: CLB301")), "{response:?}");
}

#[test]
fn what_a_rollout_had_before_is_told_and_not_refused() {
    let bad = of_kind(ARGO, "Rollout", &[unprobed()]);
    let image = json!({"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}});
    let response = test_cluster().with_service(&web()).update(&bad, &edited(&bad, &image));
    assert_eq!(response.action_on("CLB301"), "warned", "{response:?}");
}

/// Service `web` with this selector in the place of its own.
fn selecting(selector: &Value) -> Value {
    let spec = edited(&json!({"selector": {"app": null}}), &json!({"selector": selector}));
    edited(&web(), &json!({"spec": spec}))
}

#[rstest]
#[case("apps/v1", "StatefulSet", json!({"statefulset.kubernetes.io/pod-name": "web-0"}))]
#[case("apps/v1", "StatefulSet", json!({"app": "web", "apps.kubernetes.io/pod-index": "0"}))]
#[case(KRUISE, "StatefulSet", json!({"statefulset.kubernetes.io/pod-name": "web-0"}))]
#[case("apps/v1", "Deployment", json!({"app": "web", "pod-template-hash": "5d4f8"}))]
#[case(ARGO, "Rollout", json!({"app": "web", "rollouts-pod-template-hash": "5d4f8"}))]
fn a_label_that_the_controller_adds_hides_no_workload(
    #[case] api_version: &str,
    #[case] kind: &str,
    #[case] selector: Value,
) {
    let service = selecting(&selector);
    let workload = of_kind(api_version, kind, &[unprobed()]);
    let response = test_cluster().with_service(&service).create(&workload);
    assert_eq!(response.action_on("CLB301"), "denied", "the workload: {response:?}");
    // A denial is for the object under review: a Service hears of its workloads as a warning.
    let response = test_cluster().with_workload(&workload).create(&service);
    assert_eq!(response.action_on("CLB301"), "warned", "the Service: {response:?}");
}

#[rstest]
#[case(json!({"statefulset.kubernetes.io/pod-name": "other-0"}))]
#[case(json!({"app": "other", "statefulset.kubernetes.io/pod-name": "web-0"}))]
#[case(json!({"app": "web", "pod-template-hash": "5d4f8"}))]
fn a_label_that_the_controller_does_not_add_does(#[case] selector: Value) {
    let service = selecting(&selector);
    let workload = of_kind("apps/v1", "StatefulSet", &[unprobed()]);
    let response = test_cluster().with_service(&service).create(&workload);
    assert!(response.is_silent(), "{response:?}");
    let response = test_cluster().with_workload(&workload).create(&service);
    assert_eq!(response.action_on("CLB301"), "", "{response:?}");
}

#[test]
fn the_rollout_over_a_deployment_tells_how_many_pods_there_are() {
    let rollout = json!({
        "apiVersion": ARGO, "kind": "Rollout", "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"replicas": 3, "workloadRef": {"kind": "Deployment", "name": "web"}},
    });
    let scaled_down = edited(&deployment(), &json!({"spec": {"replicas": 1}}));
    let cluster = || test_cluster().with_service(&web());
    assert_eq!(cluster().create(&scaled_down).action_on("CLB306"), "warned");
    let response = cluster().with_workload(&rollout).create(&scaled_down);
    assert_eq!(response.action_on("CLB306"), "", "{response:?}");
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
