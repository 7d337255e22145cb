//! Brownfield: bad objects first, webhook second. And the way out of trouble, which is always open.

use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

fn bad() -> Value {
    with_annotations(&web(), &[("weight", json!("101")), ("healthy-threshold", json!("3s"))])
}

fn assert_allowed(old: &Value, new: &Value) -> ReviewResponse {
    let response = test_cluster().with_service(old).update(old, new);
    assert!(response.allowed(), "{response:?}");
    response
}

#[test]
fn finalizers_labels_and_status_of_a_bad_service_may_change() {
    let patches = [
        json!({"metadata": {"finalizers": ["service.k8s.alibaba/resources"]}}),
        json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "1a2b"}}}),
        json!({"status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}}}),
    ];
    for patch in patches {
        assert!(assert_allowed(&bad(), &edited(&bad(), &patch)).is_silent());
    }
}

#[test]
fn the_weight_may_always_become_0() {
    for before in [json!("60"), json!("101"), json!(""), json!(null), json!("abc")] {
        let old = with_annotations(&bad(), &[("weight", before)]);
        assert_allowed(&old, &with_annotations(&old, &[("weight", json!("0"))]));
    }
    let legacy = "service.beta.kubernetes.io/alicloud-loadbalancer-weight";
    let old = with_annotations(&web(), &[("weight", json!(null)), (legacy, json!("60"))]);
    assert_allowed(&old, &with_annotations(&old, &[("weight", json!("0"))]));
}

#[test]
fn a_valid_weight_may_always_be_lowered_whatever_the_modes() {
    let strict = "rules: {CLB402: deny, CLB011: deny, CLB401: deny, CLB414: deny}";
    let old = with_annotations(&web(), &[("ignore-weight-update", json!("on"))]);
    let new = with_annotations(&old, &[("weight", json!("1"))]);
    let cluster = test_cluster().nodes(&[node(1), node(2)]).config(strict).with_service(&old);
    assert!(cluster.update(&old, &new).allowed());
    assert!(!cluster.create(&new).allowed(), "a new one is another matter");
}

#[test]
fn lowering_the_weight_excuses_nothing_else_that_the_edit_brings() {
    let new =
        with_annotations(&web(), &[("weight", json!("20")), ("healthy-threshold", json!("3s"))]);
    let response = test_cluster().with_service(&web()).update(&web(), &new);
    assert_eq!(response.action_on("CLB014"), "denied", "{response:?}");
}

#[test]
fn one_of_two_mistakes_may_be_repaired() {
    let response = assert_allowed(&bad(), &with_annotations(&bad(), &[("weight", json!("50"))]));
    assert_eq!(response.action_on("CLB014"), "warned");
    assert!(response.warnings()[0].contains("was so before"), "{response:?}");
    assert_allowed(&bad(), &with_annotations(&bad(), &[("healthy-threshold", json!("3"))]));
}

#[rstest]
#[case("rsp-a:81,rsp-b:82", "rsp-a:80,rsp-b:82")]
#[case("rsp-a,rsp-b", "rsp-a:80,rsp-b")]
#[case(" rsp-a:80, rsp-b:443", "rsp-a:80, rsp-b:443")]
#[case(" rsp-a:81", "rsp-a:81")]
#[case("rsp-a:80,rsp-b:80,rsp-c:443,rsp-d:443", "rsp-a:80,rsp-c:443,rsp-d:443")]
fn half_of_a_mapping_may_be_repaired(#[case] before: &str, #[case] after: &str) {
    let old = with_annotations(&two_ports(), &[("vgroup-port", before.into())]);
    assert_allowed(&old, &with_annotations(&old, &[("vgroup-port", after.into())]));
}

#[test]
fn spaces_may_be_taken_out_of_a_mapping_while_something_else_freezes_the_service() {
    let old = with_annotations(&bad(), &[("vgroup-port", json!(" rsp-a:80"))]);
    assert_allowed(&old, &with_annotations(&old, &[("vgroup-port", json!("rsp-a:80"))]));
}

#[test]
fn a_fix_may_show_what_the_mistake_hid() {
    let article =
        [("vgroup-port", json!(null)), ("vgroup-ids", json!("80:rsp-a")), ("id", json!(null))];
    let old = with_annotations(&web(), &article);
    let fixed =
        with_annotations(&old, &[("vgroup-ids", json!(null)), ("vgroup-port", json!("rsp-a:80"))]);
    let response = assert_allowed(&old, &fixed);
    assert_eq!(response.action_on("CLB008"), "warned", "{response:?}");
}

#[test]
fn what_an_error_kept_ccm_from_reaching_does_not_keep_the_error() {
    let notes = [("backend-label", json!("pool")), ("vgroup-port", json!("rsp-a"))];
    let old = with_annotations(&web(), &notes);
    let response =
        assert_allowed(&old, &with_annotations(&old, &[("backend-label", json!("pool=web"))]));
    assert_eq!(response.action_on("CLB003"), "warned", "{response:?}");
    // The same mapping with another mistake is a new one.
    let both = [("backend-label", json!("pool=web")), ("vgroup-port", json!("rsp-b"))];
    let response = test_cluster().with_service(&old).update(&old, &with_annotations(&old, &both));
    assert_eq!(response.action_on("CLB003"), "denied", "{response:?}");
}

/// A misspelt key is a warning, and what CCM does not read harms nobody. Written right, it does.
#[rstest]
#[case("wieght", "weight", "101", "CLB001")]
#[case("weihgt", "weight", "20%", "CLB001")]
#[case("default-wieght", "default-weight", "101", "CLB012")]
#[case("vgroup-prot", "vgroup-port", "rsp-a", "CLB003")]
#[case("vgroup-prot", "vgroup-port", " rsp-a:80", "CLB004")]
#[case("vgroup-prot", "vgroup-port", "rsp-a:81", "CLB005")]
#[case("vgroup-prot", "vgroup-port", "rsp-a:80,rsp-b:80", "CLB006")]
#[case("healthy-treshold", "healthy-threshold", "3s", "CLB014")]
#[case("protocol-prot", "protocol-port", "'https:80'", "CLB014")]
#[case("backend-lable", "backend-label", "pool=web, zone=a", "CLB016")]
#[case("service.beta.kubernetes.io/backend-typ", BACKEND_TYPE, "ENI", "CLB013")]
#[case("idd", "id", " lb-bp1example", "CLB028")]
#[case("idd", "id", "rsp-bp1example", "CLB028")]
fn a_misspelt_key_is_no_way_to_a_bad_value(
    #[case] misspelt: &str,
    #[case] meant: &str,
    #[case] value: &str,
    #[case] rule: &str,
) {
    // A mapping without an id is an error by itself.
    let unmapped = [("vgroup-port", Value::Null), ("weight", Value::Null)];
    let base = if meant == "id" { with_annotations(&web(), &unmapped) } else { web() };
    let first = with_annotations(&base, &[(meant, Value::Null), (misspelt, json!(value))]);
    let response = test_cluster().create(&first);
    assert!(response.allowed(), "{response:?}");
    assert_eq!(response.action_on("CLB018"), "warned", "{response:?}");
    let second = with_annotations(&first, &[(misspelt, Value::Null), (meant, json!(value))]);
    let cluster = test_cluster().with_service(&first);
    assert_eq!(cluster.update(&first, &second).action_on(rule), "denied");
    // Nor in two steps: first beside each other, then the misspelt one goes.
    let beside = with_annotations(&first, &[(meant, json!(value))]);
    assert_eq!(cluster.update(&first, &beside).action_on(rule), "denied");
    // Nor under the old prefix.
    if !meant.contains('/') {
        let legacy = format!("service.beta.kubernetes.io/alicloud-loadbalancer-{meant}");
        let second = with_annotations(&first, &[(misspelt, Value::Null), (&legacy, json!(value))]);
        assert_eq!(cluster.update(&first, &second).action_on(rule), "denied");
    }
}

#[test]
fn a_misspelt_key_with_a_good_value_may_be_corrected() {
    let old = with_annotations(&web(), &[("weight", Value::Null), ("wieght", json!("20"))]);
    let new = with_annotations(&old, &[("weight", json!("20")), ("wieght", Value::Null)]);
    assert!(assert_allowed(&old, &new).is_silent());
}

#[rstest]
#[case("x:rsp-a", "x:rsp-a", "60", "CLB005")]
#[case("80:rsp-a", "rsp-a:80", "101", "CLB001")]
fn the_fix_of_an_error_is_no_way_to_another(
    #[case] unread: &str,
    #[case] mapping: &str,
    #[case] weight: &str,
    #[case] rule: &str,
) {
    let notes =
        [("vgroup-ids", unread), ("weight", weight)].map(|(key, value)| (key, json!(value)));
    let old = with_annotations(&with_annotations(&web(), &notes), &[("vgroup-port", Value::Null)]);
    let fixed =
        with_annotations(&old, &[("vgroup-ids", Value::Null), ("vgroup-port", json!(mapping))]);
    let response = test_cluster().with_service(&old).update(&old, &fixed);
    assert_eq!(response.action_on(rule), "denied", "{response:?}");
}

#[test]
fn a_misspelt_key_is_no_way_to_the_listener_of_another_service() {
    let other = neighbour(&[]);
    let old = with_annotations(&web(), &[("force-overide-listeners", json!("true"))]);
    let key =
        [("force-overide-listeners", Value::Null), ("force-override-listeners", json!("true"))];
    let cluster = test_cluster().with_service(&old).with_service(&other);
    let response = cluster.update(&old, &with_annotations(&old, &key));
    assert_eq!(response.action_on("CLB010"), "denied", "{response:?}");
}

#[test]
fn a_lower_weight_plants_no_other_one_under_the_old_prefix() {
    let legacy = "service.beta.kubernetes.io/alicloud-loadbalancer-weight";
    for planted in ["101", "80"] {
        let new = with_annotations(&web(), &[("weight", json!("20")), (legacy, json!(planted))]);
        let response = test_cluster().with_service(&web()).update(&web(), &new);
        assert_eq!(response.action_on("CLB009"), "denied", "{response:?}");
    }
    // The old key may go, and the new one may take its place.
    let both = with_annotations(&web(), &[(legacy, json!("80"))]);
    assert_allowed(
        &both,
        &with_annotations(&both, &[("weight", json!("20")), (legacy, Value::Null)]),
    );
    let old = with_annotations(&web(), &[("weight", Value::Null), (legacy, json!("60"))]);
    assert_allowed(
        &old,
        &with_annotations(&old, &[("weight", json!("20")), (legacy, Value::Null)]),
    );
}

#[test]
fn a_fix_that_would_harm_another_service_is_refused() {
    let old = with_annotations(&web(), &[("vgroup-port", json!(" rsp-a:80"))]);
    let ports = json!([{"name": "https", "port": 443, "targetPort": 8443}]);
    let other = neighbour(&[("vgroup-port", json!("rsp-a:443"))]);
    let other = edited(&other, &json!({"spec": {"ports": ports}}));
    let fixed = with_annotations(&old, &[("vgroup-port", json!("rsp-a:80"))]);
    let response = test_cluster().with_service(&old).with_service(&other).update(&old, &fixed);
    assert_eq!(response.action_on("CLB102"), "denied", "{response:?}");
}

#[test]
fn a_bad_value_may_be_removed() {
    assert_allowed(&bad(), &with_annotations(&bad(), &[("weight", json!(null))]));
    assert_allowed(&bad(), &with_annotations(&bad(), &[("healthy-threshold", json!(null))]));
    let old = with_annotations(&web(), &[("vgroup-port", json!("rsp-a"))]);
    assert_allowed(&old, &with_annotations(&old, &[("vgroup-port", json!(null))]));
}

#[test]
fn a_bad_value_may_not_become_another_bad_one() {
    let response = test_cluster()
        .with_service(&bad())
        .update(&bad(), &with_annotations(&bad(), &[("weight", json!("102"))]));
    assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
    assert_eq!(response.action_on("CLB014"), "warned", "{response:?}");
}

#[test]
fn a_service_that_ccm_has_drained_may_be_deleted() {
    let drained = with_annotations(&web(), &[("weight", json!("101"))]);
    assert!(test_cluster().with_service(&drained).delete(&drained).allowed());
}

#[test]
fn a_frozen_service_may_still_carry_traffic_and_is_not_deleted() {
    let frozen = with_annotations(&web(), &[("healthy-threshold", json!("3s"))]);
    let response = test_cluster().with_service(&frozen).delete(&frozen);
    assert_eq!(response.action_on("CLB404"), "denied", "{response:?}");
}

#[test]
fn a_service_with_the_address_of_another_clb_does_not_join_the_shared_one() {
    let bound = json!({
        "metadata": {"labels": {"service.k8s.alibaba/loadbalancer-id": "lb-bp1made"}},
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.9"}]}},
    });
    let joined = edited(&web(), &bound);
    let keys = ["id", "vgroup-port", "weight"].map(|name| (name, json!(null)));
    let old = with_annotations(&joined, &keys);
    let response = test_cluster().with_service(&old).update(&old, &joined);
    assert_eq!(response.action_on("CLB029"), "denied", "{response:?}");
    let own = edited(
        &joined,
        &json!({
            "metadata": {"labels": {"service.k8s.alibaba/loadbalancer-id": "lb-bp1example"}},
        }),
    );
    let response = test_cluster().with_service(&old).update(&old, &own);
    assert_eq!(response.action_on("CLB029"), "", "{response:?}");
}

#[test]
fn a_service_at_weight_0_may_be_deleted() {
    let idle = with_annotations(&web(), &[("weight", json!("0"))]);
    assert!(test_cluster().with_service(&idle).delete(&idle).allowed());
    assert!(
        test_cluster()
            .with_service(&idle)
            .update(&idle, &edited(&idle, &json!({"spec": {"type": "ClusterIP"}})))
            .allowed()
    );
}

#[test]
fn a_service_that_carries_traffic_may_not_be_deleted_whoever_asks() {
    for user in [USER, "system:admin", "system:serviceaccount:argocd:argocd-controller"] {
        let response = test_cluster().user(user).with_service(&web()).delete(&web());
        assert_eq!(response.action_on("CLB404"), "denied", "{response:?}");
        assert!(response.message().contains("\"0\" first"), "{response:?}");
    }
}

#[rstest]
#[case("system:serviceaccount:kube-system:namespace-controller")]
#[case("system:serviceaccount:kube-system:generic-garbage-collector")]
#[case("system:kube-controller-manager")]
fn the_system_may_delete_what_goes_with_its_namespace_or_owner(#[case] user: &'static str) {
    let response = test_cluster().user(user).with_service(&web()).delete(&web());
    assert!(response.is_silent(), "{response:?}");
}

#[test]
fn the_system_s_name_is_no_excuse_for_a_bad_value() {
    let user = "system:kube-controller-manager";
    assert!(!test_cluster().user(user).create(&bad()).allowed());
}

#[test]
fn in_a_deletecollection_the_name_comes_from_the_object() {
    let mut review = review(USER, "DELETE", Some(&web()), None);
    review["request"]["name"] = json!("");
    let response = validate(&test_cluster().with_service(&web()).admission(), &review);
    assert!(response.message().starts_with("Service shop/web: CLB404"), "{response:?}");
}

#[test]
fn a_service_that_is_being_deleted_already_passes() {
    let going = edited(&web(), &json!({"metadata": {"deletionTimestamp": "2026-11-01T08:00:00Z"}}));
    assert!(test_cluster().with_service(&going).delete(&going).is_silent());
    let worse = with_annotations(&going, &[("weight", json!("101"))]);
    assert!(test_cluster().with_service(&going).update(&going, &worse).is_silent());
}

#[test]
fn a_status_patch_gets_no_bad_value_past() {
    let mut review = review(USER, "UPDATE", Some(&web()), Some(&bad()));
    review["request"]["subResource"] = json!("status");
    let response = validate(&test_cluster().with_service(&web()).admission(), &review);
    assert_eq!(
        (response.action_on("CLB001"), response.action_on("CLB014")),
        ("denied", "denied"),
        "{response:?}"
    );
}

#[test]
fn a_type_change_gets_no_bad_value_past() {
    let inert = edited(&bad(), &json!({"spec": {"type": "ClusterIP"}}));
    assert!(test_cluster().create(&inert).allowed());
    let response = test_cluster().update(&inert, &bad());
    assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
}

#[test]
fn a_worse_finding_of_the_same_rule_is_a_new_one() {
    let eni = (BACKEND_TYPE, json!("eni"));
    let rival = with_annotations(
        &edited(&web(), &json!({"metadata": {"name": "rival"}})),
        std::slice::from_ref(&eni),
    );
    let cluster = test_cluster().with_service(&rival).with_service(&web());
    let response =
        cluster.update(&web(), &with_annotations(&web(), &[("connection-drain", json!("on"))]));
    assert_eq!(response.action_on("CLB104"), "warned", "{response:?}");
    let response = cluster.update(&web(), &with_annotations(&web(), &[eni]));
    assert_eq!(response.action_on("CLB104"), "denied", "{response:?}");
}
