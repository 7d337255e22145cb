//! What people read.

use serde_json::json;

use super::support::*;

#[test]
fn one_problem_is_one_line() {
    let response = test_cluster().create(&with_annotations(&web(), &[("weight", json!("101"))]));
    let message = response.message();
    assert_eq!(message.lines().count(), 1, "{message}");
    assert!(message.starts_with("Service shop/web: CLB001 metadata.annotations["), "{message}");
    assert!(message.contains("101 is not between 0 and 100"), "{message}");
    assert!(message.contains("Fix: set service.beta.kubernetes.io/"), "{message}");
}

#[test]
fn several_problems_are_told_at_once_each_on_a_line_of_its_own() {
    let service = with_annotations(
        &web(),
        &[
            ("weight", json!("101")),
            ("healthy-threshold", json!("3s")),
            (BACKEND_TYPE, json!("ENI")),
        ],
    );
    let response = test_cluster().create(&service);
    let message = response.message();
    assert!(message.starts_with("Service shop/web has 3 problems:\n  CLB001 "), "{message}");
    for rule in ["\n  CLB013 ", "\n  CLB014 "] {
        assert!(message.contains(rule), "{message}");
    }
}

#[test]
fn a_refusal_still_tells_what_is_only_a_warning() {
    let service =
        with_annotations(&web(), &[("weight", json!("101")), ("spec", json!("slb.s1.small"))]);
    let response = test_cluster().create(&service);
    assert!(!response.allowed());
    assert!(response.warnings()[0].starts_with("CLB015: "), "{response:?}");
    assert_eq!(response.audit(), "CLB001=denied,CLB015=warned");
}

#[test]
fn a_service_whose_name_is_to_be_made_up_can_be_refused_too() {
    let nameless = edited(
        &with_annotations(&web(), &[("weight", json!("101"))]),
        &json!({"metadata": {"name": null, "generateName": "web-"}}),
    );
    let response = test_cluster().create(&nameless);
    assert!(response.message().starts_with("Service shop/(new): CLB001"), "{response:?}");
}

#[test]
fn an_object_that_cannot_be_read_passes_with_a_warning() {
    let odd = edited(&web(), &json!({"spec": {"externalTrafficPolicy": "Elsewhere"}}));
    let response = test_cluster().create(&odd);
    assert!(response.allowed());
    assert!(response.warnings()[0].contains("not judged"), "{response:?}");
    let odd = edited(&deployment(), &json!({"spec": {"replicas": "three"}}));
    let response = test_cluster().create(&odd);
    assert!(response.allowed());
    assert!(response.warnings()[0].contains("not judged"), "{response:?}");
}
