//! Brownfield: bad objects first, webhook second. And the way out of trouble, which is always open.

use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn bad() -> Value {
    noted(&web(), &[("weight", json!("101")), ("healthy-threshold", json!("3s"))])
}

fn passes(old: &Value, new: &Value) -> Reply {
    let reply = scene().with(old).update(old, new);
    assert!(reply.allowed(), "{reply:?}");
    reply
}

#[test]
fn finalizers_labels_and_status_of_a_bad_service_may_change() {
    let patches = [
        json!({"metadata": {"finalizers": ["service.k8s.alibaba/resources"]}}),
        json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "1a2b"}}}),
        json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}}),
    ];
    for patch in patches {
        assert!(passes(&bad(), &edited(&bad(), &patch)).is_silent());
    }
}

#[test]
fn the_weight_may_always_become_0() {
    for before in [json!("60"), json!("101"), json!(""), json!(null), json!("abc")] {
        let old = noted(&bad(), &[("weight", before)]);
        passes(&old, &noted(&old, &[("weight", json!("0"))]));
    }
    let legacy = "service.beta.kubernetes.io/alicloud-loadbalancer-weight";
    let old = noted(&web(), &[("weight", json!(null)), (legacy, json!("60"))]);
    passes(&old, &noted(&old, &[("weight", json!("0"))]));
}

#[test]
fn a_valid_weight_may_always_be_lowered_whatever_the_modes() {
    let strict = "rules: {CLB402: deny, CLB011: deny, CLB401: deny, CLB414: deny}";
    let old = noted(&web(), &[("ignore-weight-update", json!("on"))]);
    let new = noted(&old, &[("weight", json!("1"))]);
    let scene = scene().nodes(&[node(1), node(2)]).config(strict).with(&old);
    assert!(scene.update(&old, &new).allowed());
    assert!(!scene.create(&new).allowed(), "a new one is another matter");
}

#[test]
fn lowering_the_weight_excuses_nothing_else_that_the_edit_brings() {
    let new = noted(&web(), &[("weight", json!("20")), ("healthy-threshold", json!("3s"))]);
    let reply = scene().with(&web()).update(&web(), &new);
    assert_eq!(reply.of("CLB014"), "denied", "{reply:?}");
}

#[test]
fn one_of_two_mistakes_may_be_repaired() {
    let reply = passes(&bad(), &noted(&bad(), &[("weight", json!("50"))]));
    assert_eq!(reply.of("CLB014"), "warned");
    assert!(reply.warnings()[0].contains("was so before"), "{reply:?}");
    passes(&bad(), &noted(&bad(), &[("healthy-threshold", json!("3"))]));
}

#[rstest]
#[case("rsp-a:81,rsp-b:82", "rsp-a:80,rsp-b:82")]
#[case("rsp-a,rsp-b", "rsp-a:80,rsp-b")]
#[case(" rsp-a:80, rsp-b:443", "rsp-a:80, rsp-b:443")]
#[case(" rsp-a:81", "rsp-a:81")]
#[case("rsp-a:80,rsp-b:80,rsp-c:443,rsp-d:443", "rsp-a:80,rsp-c:443,rsp-d:443")]
fn half_of_a_mapping_may_be_repaired(#[case] before: &str, #[case] after: &str) {
    let old = noted(&two_ports(), &[("vgroup-port", before.into())]);
    passes(&old, &noted(&old, &[("vgroup-port", after.into())]));
}

#[test]
fn spaces_may_be_taken_out_of_a_mapping_while_something_else_freezes_the_service() {
    let old = noted(&bad(), &[("vgroup-port", json!(" rsp-a:80"))]);
    passes(&old, &noted(&old, &[("vgroup-port", json!("rsp-a:80"))]));
}

#[test]
fn a_fix_may_show_what_the_mistake_hid() {
    let article =
        [("vgroup-port", json!(null)), ("vgroup-ids", json!("80:rsp-a")), ("id", json!(null))];
    let old = noted(&web(), &article);
    let fixed = noted(&old, &[("vgroup-ids", json!(null)), ("vgroup-port", json!("rsp-a:80"))]);
    let reply = passes(&old, &fixed);
    assert_eq!(reply.of("CLB008"), "warned", "{reply:?}");
}

#[test]
fn a_fix_that_would_harm_another_service_is_refused() {
    let old = noted(&web(), &[("vgroup-port", json!(" rsp-a:80"))]);
    let ports = json!([{"name": "https", "port": 443, "targetPort": 8443}]);
    let other = neighbour(&[("vgroup-port", json!("rsp-a:443"))]);
    let other = edited(&other, &json!({"spec": {"ports": ports}}));
    let fixed = noted(&old, &[("vgroup-port", json!("rsp-a:80"))]);
    let reply = scene().with(&old).with(&other).update(&old, &fixed);
    assert_eq!(reply.of("CLB102"), "denied", "{reply:?}");
}

#[test]
fn a_bad_value_may_be_removed() {
    passes(&bad(), &noted(&bad(), &[("weight", json!(null))]));
    passes(&bad(), &noted(&bad(), &[("healthy-threshold", json!(null))]));
    let old = noted(&web(), &[("vgroup-port", json!("rsp-a"))]);
    passes(&old, &noted(&old, &[("vgroup-port", json!(null))]));
}

#[test]
fn a_bad_value_may_not_become_another_bad_one() {
    let reply = scene().with(&bad()).update(&bad(), &noted(&bad(), &[("weight", json!("102"))]));
    assert_eq!(reply.of("CLB001"), "denied", "{reply:?}");
    assert_eq!(reply.of("CLB014"), "warned", "{reply:?}");
}

#[test]
fn a_service_that_cannot_serve_may_be_deleted() {
    let drained = noted(&web(), &[("weight", json!("101"))]);
    assert!(scene().with(&drained).delete(&drained).allowed());
    let frozen = noted(&web(), &[("healthy-threshold", json!("3s"))]);
    assert!(scene().with(&frozen).delete(&frozen).allowed());
}

#[test]
fn a_service_at_weight_0_may_be_deleted() {
    let idle = noted(&web(), &[("weight", json!("0"))]);
    assert!(scene().with(&idle).delete(&idle).allowed());
    assert!(
        scene()
            .with(&idle)
            .update(&idle, &edited(&idle, &json!({"spec": {"type": "ClusterIP"}})))
            .allowed()
    );
}

#[test]
fn a_service_that_carries_traffic_may_not_be_deleted_whoever_asks() {
    for user in [JANE, "system:admin", "system:serviceaccount:argocd:argocd-controller"] {
        let reply = scene().user(user).with(&web()).delete(&web());
        assert_eq!(reply.of("CLB404"), "denied", "{reply:?}");
        assert!(reply.message().contains("\"0\" first"), "{reply:?}");
    }
}

#[rstest]
#[case("system:serviceaccount:kube-system:namespace-controller")]
#[case("system:serviceaccount:kube-system:generic-garbage-collector")]
#[case("system:kube-controller-manager")]
fn the_system_may_delete_what_goes_with_its_namespace_or_owner(#[case] user: &'static str) {
    let reply = scene().user(user).with(&web()).delete(&web());
    assert!(reply.is_silent(), "{reply:?}");
}

#[test]
fn the_system_s_name_is_no_excuse_for_a_bad_value() {
    let user = "system:kube-controller-manager";
    assert!(!scene().user(user).create(&bad()).allowed());
}

#[test]
fn in_a_deletecollection_the_name_comes_from_the_object() {
    let mut review = review(JANE, "DELETE", Some(&web()), None);
    review["request"]["name"] = json!("");
    let reply = ask(&scene().with(&web()).admission(), &review);
    assert!(reply.message().starts_with("Service shop/web: CLB404"), "{reply:?}");
}

#[test]
fn a_service_that_is_being_deleted_already_passes() {
    let going = edited(&web(), &json!({"metadata": {"deletionTimestamp": "2026-11-01T08:00:00Z"}}));
    assert!(scene().with(&going).delete(&going).is_silent());
    let worse = noted(&going, &[("weight", json!("101"))]);
    assert!(scene().with(&going).update(&going, &worse).is_silent());
}

#[test]
fn a_status_patch_gets_no_bad_value_past() {
    let mut review = review(JANE, "UPDATE", Some(&web()), Some(&bad()));
    review["request"]["subResource"] = json!("status");
    let reply = ask(&scene().with(&web()).admission(), &review);
    assert_eq!((reply.of("CLB001"), reply.of("CLB014")), ("denied", "denied"), "{reply:?}");
}

#[test]
fn a_type_change_gets_no_bad_value_past() {
    let inert = edited(&bad(), &json!({"spec": {"type": "ClusterIP"}}));
    assert!(scene().create(&inert).allowed());
    let reply = scene().update(&inert, &bad());
    assert_eq!(reply.of("CLB001"), "denied", "{reply:?}");
}

#[test]
fn a_worse_finding_of_the_same_rule_is_a_new_one() {
    let eni = (BACKEND_TYPE, json!("eni"));
    let rival =
        noted(&edited(&web(), &json!({"metadata": {"name": "rival"}})), std::slice::from_ref(&eni));
    let scene = scene().with(&rival).with(&web());
    let reply = scene.update(&web(), &noted(&web(), &[("connection-drain", json!("on"))]));
    assert_eq!(reply.of("CLB104"), "warned", "{reply:?}");
    let reply = scene.update(&web(), &noted(&web(), &[eni]));
    assert_eq!(reply.of("CLB104"), "denied", "{reply:?}");
}
