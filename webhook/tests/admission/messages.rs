//! What people read.

use clbmigrate_core::rules::{Words, catalogue};
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
fn what_of_a_service_cannot_be_read_is_told_and_the_rest_is_judged() {
    let odd = edited(&web(), &json!({"spec": {"externalTrafficPolicy": "Elsewhere"}}));
    let response = test_cluster().create(&odd);
    assert!(response.allowed());
    let warning = response.warnings()[0];
    assert!(warning.contains("spec.externalTrafficPolicy: unknown variant"), "{response:?}");
    let bad = with_annotations(&odd, &[("weight", json!("101"))]);
    let response = test_cluster().create(&bad);
    assert_eq!(response.action_on("CLB001"), "denied", "{response:?}");
    assert_eq!(response.warnings().len(), 1, "{response:?}");
}

#[test]
fn an_object_that_cannot_be_read_passes_with_a_warning() {
    let mut odd = web();
    odd["metadata"]["annotations"] = json!([key("weight"), "101"]);
    let response = test_cluster().create(&odd);
    assert!(response.allowed());
    assert!(response.warnings()[0].contains("not judged"), "{response:?}");
    let odd = edited(&deployment(), &json!({"spec": {"replicas": "three"}}));
    let response = test_cluster().create(&odd);
    assert!(response.allowed());
    assert!(response.warnings()[0].contains("not judged"), "{response:?}");
}

// In Chinese.

#[test]
fn a_denial_names_title_and_fix_in_chinese_beside_the_details() {
    let service = with_annotations(&web(), &[("weight", json!("60%"))]);
    let response = test_cluster().config("lang: zh").create(&service);
    let message = response.message();
    let key = format!("{PREFIX}weight");
    let start = format!(
        "Service shop/web：CLB001 权重不是 0 到 100 之间的整数。\
         修复：设为 0 到 100 之间的整数，不带空格和百分号（set {key}: \"60\"）。\
         详情：metadata.annotations[{key}]: \"60%\": "
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(message.ends_with('。') && message.lines().count() == 1, "{message}");
    assert_eq!(response.audit(), "CLB001=denied");
}

#[test]
fn several_problems_are_told_in_chinese_each_on_a_line_of_its_own() {
    let service =
        with_annotations(&web(), &[("weight", json!("101")), (BACKEND_TYPE, json!("ENI"))]);
    let response = test_cluster().config("lang: zh").create(&service);
    let lines: Vec<&str> = response.message().lines().collect();
    assert_eq!(lines[0], "Service shop/web 有 2 个问题：");
    assert!(lines[1].starts_with("  CLB001 权重不是 0 到 100 之间的整数。修复："), "{lines:?}");
    assert!(
        lines[2].starts_with("  CLB013 backend-type 既不是 eni 也不是 ecs。修复："),
        "{lines:?}"
    );
    assert_eq!(lines[3], "各规则的说明：kubectl clbmigrate explain CLBnnn --lang zh");
}

#[test]
fn a_warning_in_chinese_begins_with_what_must_not_be_cut() {
    let service = with_annotations(&web(), &[("spec", json!("slb.s1.small"))]);
    let response = test_cluster().config("lang: zh").create(&service);
    let start = "CLB015：注解会修改共享的 CLB 实例。修复：删除该注解，在 CLB 实例上直接设置";
    assert!(response.warnings()[0].starts_with(start), "{response:?}");
    for rule in catalogue() {
        let Words { title, fix, .. } = rule.zh;
        let length = title.chars().count() + fix.chars().count();
        assert!(length < 200, "{}: a warning has room for 256 characters", rule.id);
    }
}

#[test]
fn why_a_finding_passes_is_told_in_chinese() {
    let old = with_annotations(&web(), &[("weight", json!("101"))]);
    let new = with_annotations(&old, &[("spec", json!("slb.s1.small"))]);
    let cluster = test_cluster().config("lang: zh").with_service(&old);
    let response = cluster.update(&old, &new);
    assert!(response.allowed(), "{response:?}");
    let told = |start: &str| response.warnings().iter().any(|warning| warning.starts_with(start));
    assert!(told("CLB001：变更前已存在：权重不是 0 到 100 之间的整数。"), "{response:?}");

    let allowed = with_annotations(&old, &[(ALLOW, json!("CLB001,CLB998"))]);
    let strict = test_cluster().config("lang: zh\nallow: all\nrules: {CLB001: deny}");
    let response = strict.create(&allowed);
    assert!(response.warnings()[0].starts_with("CLB001：已由注解放行：权重"), "{response:?}");
    let unknown = response.warnings().last().copied();
    assert_eq!(unknown, Some("clbmigrate.io/allow：没有规则 \"CLB998\"，无法放行"));
}

#[test]
fn what_is_not_judged_is_told_in_chinese() {
    let odd = edited(&web(), &json!({"spec": {"externalTrafficPolicy": "Elsewhere"}}));
    let response = test_cluster().config("lang: zh").create(&odd);
    let start = "clbmigrate：该 Service 的部分字段无法读取，检查时未予考虑。详情：spec.externalTrafficPolicy";
    assert!(response.warnings()[0].starts_with(start), "{response:?}");
    let mut odd = web();
    odd["metadata"]["annotations"] = json!("none");
    let response = test_cluster().config("lang: zh").create(&odd);
    let start = "clbmigrate：该 Service 无法读取，未做检查。详情：";
    assert!(response.warnings()[0].starts_with(start), "{response:?}");
}

#[test]
fn a_warning_about_a_workload_names_it_in_chinese() {
    let cluster = test_cluster().config("lang: zh\nrules: {CLB301: warn}").with_service(&web());
    let mut bare = deployment();
    bare["spec"]["template"]["spec"]["containers"][0]
        .as_object_mut()
        .expect("a container")
        .remove("readinessProbe");
    let response = cluster.create(&bare);
    let told = response.warnings().into_iter().find(|warning| warning.starts_with("CLB301："));
    let told = told.expect("a warning");
    assert!(told.starts_with("CLB301：容器没有 readinessProbe。修复："), "{told}");
    assert!(told.contains("详情：Deployment shop/web: "), "{told}");
}
