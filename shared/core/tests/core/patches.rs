//! Patches: a rule offers one only where the patched Service has no error that it has not now.

use clbmigrate_core::{
    annotation::{ALLOW, BACKEND_TYPE, ID, VGROUP_PORT, WEIGHT, full_key},
    finding::Finding,
    rules::{self, Harms, catalogue},
};
use rstest::rstest;
use serde_json::json;

use crate::grid::{check, introduced};
use crate::support::{TestSnapshot, healthy};

const DOMAIN: &str = "service.beta.kubernetes.io/";

fn only(snapshot: &TestSnapshot, rule: &str) -> Finding {
    let mut findings = check(&snapshot.clone().snapshot()).findings;
    findings.retain(|finding| finding.rule == rule);
    assert_eq!(findings.len(), 1, "{rule}: {findings:#?}");
    findings.remove(0)
}

fn misspelt(key: &str, value: &str) -> TestSnapshot {
    let [id, mapping, weight] = [ID, VGROUP_PORT, WEIGHT].map(full_key);
    let meant = match key {
        "loadbalancer-wieght" => weight,
        "loadbalancer-vgroup-prot" => mapping,
        "loadbalancer-idd" => id,
        _ => String::new(),
    };
    let key =
        if key.starts_with("backend") { key.to_owned() } else { format!("alibaba-cloud-{key}") };
    let snapshot = healthy().key(&format!("{DOMAIN}{key}"), value);
    let suffix = meant.rsplit_once("alibaba-cloud-").map(|(_, suffix)| suffix);
    suffix.into_iter().fold(snapshot, TestSnapshot::bare)
}

#[rstest]
#[case("loadbalancer-wieght", "101", "CLB001")]
#[case("loadbalancer-wieght", "20%", "CLB001")]
#[case("loadbalancer-default-wieght", "101", "CLB012")]
#[case("loadbalancer-vgroup-prot", " rsp-a:80", "CLB004")]
#[case("loadbalancer-vgroup-prot", "rsp-a", "CLB003")]
#[case("loadbalancer-vgroup-prot", "rsp-a:81", "CLB005")]
#[case("loadbalancer-vgroup-prot", "rsp-a:80,rsp-b:80", "CLB006")]
#[case("loadbalancer-healthy-treshold", "3s", "CLB014")]
#[case("loadbalancer-protocol-prot", "'https:80'", "CLB014")]
#[case("loadbalancer-backend-lable", "pool=web, zone=a", "CLB016")]
#[case("loadbalancer-idd", " lb-a", "CLB028")]
#[case("backend-typ", "ENI", "CLB013")]
fn a_misspelt_key_with_a_bad_value_is_told_and_not_offered_to_be_renamed(
    #[case] key: &str,
    #[case] value: &str,
    #[case] error: &str,
) {
    let told = only(&misspelt(key, value), "CLB018");
    assert_eq!(told.patch, [], "{told:#?}");
    assert!(told.fix.starts_with("write "), "{}", told.fix);
    assert!(told.fix.contains(&format!("; alone, that brings {error}: ")), "{}", told.fix);
}

#[rstest]
#[case("loadbalancer-wieght", "20")]
#[case("loadbalancer-default-wieght", "100")]
#[case("loadbalancer-vgroup-prot", "rsp-a:80")]
#[case("loadbalancer-healthy-treshold", "3")]
#[case("loadbalancer-idd", "lb-a")]
#[case("backend-typ", "ecs")]
fn a_misspelt_key_with_a_good_value_is_offered_to_be_renamed(
    #[case] key: &str,
    #[case] value: &str,
) {
    let told = only(&misspelt(key, value), "CLB018");
    assert_eq!(told.patch.len(), 2, "{told:#?}");
    assert!(!told.fix.contains("alone"), "{}", told.fix);
}

#[test]
fn errors_that_are_there_already_keep_no_patch_back() {
    let frozen =
        misspelt("loadbalancer-wieght", "20").note("loadbalancer-healthy-threshold", "'3'");
    assert!(!only(&frozen, "CLB018").patch.is_empty());
    assert!(!only(&frozen, "CLB014").patch.is_empty());
}

#[test]
fn an_error_that_the_object_is_exempt_from_keeps_no_patch_back() {
    let allowed = misspelt("loadbalancer-wieght", "101").key(ALLOW, "CLB001");
    assert!(!only(&allowed, "CLB018").patch.is_empty());
}

#[test]
fn a_patch_is_judged_beside_the_other_services_of_a_group() {
    let joins = misspelt("loadbalancer-vgroup-prot", "rsp-b:80");
    assert!(!only(&joins, "CLB018").patch.is_empty());
    let other = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "other", "namespace": "shop", "annotations": {
            full_key(ID): "lb-a", full_key(VGROUP_PORT): "rsp-b:443", full_key(WEIGHT): "0",
        }},
        "spec": {"type": "LoadBalancer", "selector": {"app": "other"},
            "ports": [{"port": 443, "targetPort": 8443, "nodePort": 30443}]},
    });
    let told = only(&joins.add(other), "CLB018");
    assert_eq!(told.patch, [], "{told:#?}");
    assert!(told.fix.contains("CLB102"), "{}", told.fix);
}

#[test]
fn a_number_without_quotes_gets_them_where_ccm_can_use_it() {
    let unquoted = |weight: u32| {
        let annotations = json!({"metadata": {"annotations": {full_key(WEIGHT): weight}}});
        only(&healthy().edit("Service", &annotations), "CLB027")
    };
    assert!(!unquoted(80).patch.is_empty());
    let told = unquoted(101);
    assert_eq!(told.patch, []);
    assert!(told.fix.contains("CLB001"), "{}", told.fix);
}

#[test]
fn the_patch_of_an_error_that_brings_another_is_not_offered() {
    let old_key = |text: &str| healthy().bare(VGROUP_PORT).note("loadbalancer-vgroup-ids", text);
    assert!(!only(&old_key("80:rsp-a"), "CLB007").patch.is_empty());
    let told = only(&old_key("x:rsp-a"), "CLB007");
    assert_eq!(told.patch, []);
    assert!(told.fix.contains("CLB005"), "{}", told.fix);
    let told = only(&old_key("80:rsp-a").note(WEIGHT, "101"), "CLB007");
    assert_eq!(told.patch, []);
    assert!(told.fix.contains("CLB001"), "{}", told.fix);
}

#[test]
fn a_patch_may_bring_to_light_what_stood_behind_the_error_all_along() {
    let no_clb = healthy().bare(VGROUP_PORT).bare(ID).note("loadbalancer-vgroup-ids", "80:rsp-a");
    assert!(!only(&no_clb, "CLB007").patch.is_empty());
}

#[test]
fn a_preview_offers_no_patch_that_brings_an_error_either() {
    let brought = |value: &str| {
        let after =
            healthy().key(&format!("{DOMAIN}alibaba-cloud-loadbalancer-healthy-treshold"), value);
        let findings = introduced(&healthy().snapshot(), &after.snapshot()).findings;
        findings.into_iter().find(|finding| finding.rule == "CLB018").expect("a finding").patch
    };
    assert!(!brought("3").is_empty());
    assert_eq!(brought("3s"), []);
}

#[test]
fn a_backend_type_is_offered_as_it_was_meant() {
    assert!(!only(&healthy().key(BACKEND_TYPE, "ECS"), "CLB013").patch.is_empty());
}

#[test]
fn rules_about_others_than_the_object_say_so() {
    let harmful: Vec<&str> =
        catalogue().filter(|rule| rule.harms == Harms::Others).map(|rule| rule.id).collect();
    let expected =
        ["CLB010", "CLB101", "CLB102", "CLB103", "CLB104", "CLB201", "CLB202", "CLB203", "CLB404"];
    assert_eq!(harmful, expected);
}

#[test]
fn what_an_error_may_reveal_is_an_error_that_harms_the_object_alone() {
    for rule in catalogue() {
        for id in rule.reveals {
            let revealed = rules::find(id).unwrap_or_else(|| panic!("{} reveals {id}", rule.id));
            assert_eq!(revealed.harms, Harms::Itself, "{} reveals {id}", rule.id);
        }
    }
}
