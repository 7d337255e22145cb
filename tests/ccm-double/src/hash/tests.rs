use k8s_openapi::api::core::v1::Service;
use serde::Deserialize;
use serde_json::json;

use super::{compute, compute_as};
use crate::behaviour::HashRelease;

/// Services and the hashes that CCM's own libraries computed for them.
const RECORDED: &str = include_str!("../../tests/data/hashes.jsonl");

#[derive(Deserialize)]
struct Case {
    name: String,
    service: Service,
    hash: String,
}

fn cases() -> Vec<Case> {
    let cases: Vec<Case> = RECORDED
        .lines()
        .map(|line| serde_json::from_str(line).expect("a recorded case is readable"))
        .collect();
    assert!(cases.len() > 300, "only {} recorded cases", cases.len());
    cases
}

#[test]
fn hashes_equal_those_of_the_real_libraries() {
    let different: Vec<String> = cases()
        .into_iter()
        .filter(|case| compute(&case.service, "") != case.hash)
        .map(|case| {
            format!(
                "{}: hashed from\n{}",
                case.name,
                super::text(&case.service, HashRelease::V2_14)
            )
        })
        .collect();
    assert!(different.is_empty(), "{} differ\n{}", different.len(), different.join("\n"));
}

#[test]
fn a_salt_makes_every_hash_another_one() {
    for case in cases() {
        assert_ne!(compute(&case.service, "another release"), case.hash, "{}", case.name);
    }
}

#[test]
fn labels_finalizers_and_status_are_not_hashed() {
    let case = cases().remove(0);
    let mut service = case.service;
    service.metadata.labels = Some([("app".to_owned(), "web".to_owned())].into());
    service.metadata.finalizers = Some(vec!["example.io/held".to_owned()]);
    service.metadata.resource_version = Some("42".to_owned());
    service.status = Some(
        serde_json::from_value(
            serde_json::json!({"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}}),
        )
        .expect("a status"),
    );
    assert_eq!(compute(&service, ""), case.hash);
}

#[test]
fn releases_before_2_14_leave_source_ranges_out() {
    let of = |ranges: &[&str]| -> Service {
        let spec = json!({
            "type": "LoadBalancer", "ports": [{"port": 80}], "loadBalancerSourceRanges": ranges,
        });
        let service = json!({"metadata": {"annotations": {"a": "b"}}, "spec": spec});
        serde_json::from_value(service).expect("a Service")
    };
    let (open, closed) = (of(&[]), of(&["10.0.0.0/8"]));
    let before = |service| compute_as(service, HashRelease::V2_13, "");
    assert_eq!(before(&closed), before(&open));
    assert_eq!(before(&closed), compute(&open, ""));
    assert_ne!(before(&closed), compute(&closed, ""));
}
