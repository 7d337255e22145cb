//! Deployments, `StatefulSets` and `DaemonSets`.

use std::sync::Arc;

use clbmigrate_webhook::{
    Webhook,
    admission::{AdmissionHandler, NoApiReader},
    metrics::Metrics,
};
use rstest::rstest;
use serde_json::{Value, json};

use super::{super::support::*, *};

fn of_kind(kind: &str) -> Value {
    edited(&bare(), &json!({"kind": kind}))
}

fn with_image(workload: &Value, image: &str) -> Value {
    let container = edited(&container(), &json!({"lifecycle": null, "image": image}));
    with_containers(workload, &[container])
}

/// The API server knows a Service that is not in the cache yet.
fn reader_of(service: &Value) -> FakeApiReader {
    FakeApiReader { services: Some(vec![service.clone()]), ..FakeApiReader::default() }
}

#[test]
fn a_workload_behind_a_migrated_service_gets_its_hook() {
    create(&shop(), &bare()).has_hook(30);
    create(&shop(), &of_kind("StatefulSet")).has_hook(30);
    create(&shop(), &of_kind("DaemonSet")).is_untouched("not_opted_in");
    create(&shop(), &annotated(&of_kind("DaemonSet"), "clbmigrate.io/inject", "enabled"))
        .has_hook(30);
}

#[test]
fn a_service_of_one_pod_gives_the_stateful_set_its_hook() {
    let pod_name = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-0"});
    let service = edited(&web(), &json!({"spec": {"selector": pod_name}}));
    let cluster = || test_cluster().nodes(&[node(1)]);
    create(&cluster().with_service(&service), &of_kind("StatefulSet")).has_hook(30);
    create(&cluster().with_service(&service), &bare()).is_untouched("not_selected");
    // The Service came within the same moment, and is not in the cache yet.
    let cluster = cluster().api_reader(reader_of(&service));
    create(&cluster, &of_kind("StatefulSet")).has_hook(30);
}

#[test]
fn other_kinds_get_no_hook_in_their_templates() {
    let rollout = edited(&of_kind("Rollout"), &json!({"apiVersion": "argoproj.io/v1alpha1"}));
    create(&shop(), &rollout).is_untouched("");
    let of_kruise =
        edited(&of_kind("StatefulSet"), &json!({"apiVersion": "apps.kruise.io/v1beta1"}));
    create(&shop(), &of_kruise).is_untouched("");
}

#[test]
fn it_is_asked_again_after_other_webhooks_and_has_nothing_to_add() {
    let first = create(&shop(), &bare()).object;
    create(&shop(), &first).is_untouched("complete");
}

#[rstest]
#[case::without_mapping(with_annotations(&web(), &[("vgroup-port", json!(null))]))]
#[case::without_clb(with_annotations(&web(), &[("id", json!(null))]))]
#[case::of_another_type(edited(&web(), &json!({"spec": {"type": "ClusterIP"}})))]
#[case::without_selector(edited(&web(), &json!({"spec": {"selector": null}})))]
#[case::of_other_pods(edited(&web(), &json!({"spec": {"selector": {"app": "db"}}})))]
#[case::of_another_namespace(edited(&web(), &json!({"metadata": {"namespace": "test"}})))]
fn a_service_that_sends_no_clb_traffic_to_it_gives_no_hook(#[case] service: Value) {
    let cluster = test_cluster().nodes(&[node(1)]).with_service(&service);
    create(&cluster, &bare()).is_untouched("not_selected");
    if service["metadata"]["namespace"] == "shop" {
        let cluster = cluster.api_reader(reader_of(&service));
        create(&cluster, &bare()).is_untouched("not_selected");
    }
}

#[test]
fn a_service_that_came_milliseconds_ago_counts_for_a_new_workload() {
    let cluster = test_cluster().nodes(&[node(1)]).api_reader(reader_of(&web()));
    create(&cluster, &bare()).has_hook(30);
    update(&cluster, &bare(), &with_image(&bare(), "web:2")).is_untouched("not_selected");
}

#[test]
fn an_edit_that_made_it_a_migrated_one_milliseconds_ago_counts_too() {
    let before = with_annotations(&web(), &[("vgroup-port", json!(null))]);
    let cluster =
        test_cluster().nodes(&[node(1)]).with_service(&before).api_reader(reader_of(&web()));
    create(&cluster, &bare()).has_hook(30);
}

#[test]
fn in_mode_audit_no_workload_gets_a_hook() {
    create(&shop().config("mode: warn"), &bare()).has_hook(30);
    let audited = create(&shop().config("mode: audit"), &bare());
    assert!(!audited.is_patched && audited.warnings.is_empty(), "{audited:?}");
}

#[test]
fn where_the_api_server_cannot_be_asked_the_cache_counts_and_a_warning_says_so() {
    let silent = FakeApiReader { services: None, ..FakeApiReader::default() };
    let response = create(&test_cluster().nodes(&[node(1)]).api_reader(silent), &bare());
    assert!(!response.is_patched);
    assert_eq!(response.result, "not_selected");
    let [warning] = &*response.warnings else { panic!("{response:?}") };
    assert!(
        warning.contains(
            "cannot be listed: there is no API server to ask. If one does, the next change"
        ),
        "{warning}"
    );
    create(&shop(), &bare()).has_hook(30);
}

#[test]
fn only_a_change_of_the_template_brings_it_to_a_workload_that_is_there() {
    let scaled = edited(&bare(), &json!({"spec": {"replicas": 6}}));
    update(&shop(), &bare(), &scaled).is_untouched("template_unchanged");
    update(&shop(), &bare(), &with_image(&bare(), "web:2")).has_hook(30);
}

#[test]
fn the_seconds_are_the_configured_ones_unless_the_workload_says_otherwise() {
    let cluster = shop().config("preStopSeconds: 45");
    create(&cluster, &bare()).has_hook(45);
    create(&cluster, &annotated(&bare(), "clbmigrate.io/pre-stop-seconds", "10")).has_hook(10);
}

#[test]
fn what_cannot_be_used_is_said_with_the_workloads_name() {
    let answer = create(&shop(), &annotated(&bare(), "clbmigrate.io/pre-stop-seconds", "soon"));
    assert_eq!(answer.hook().1, 60);
    assert_eq!(answer.warnings.len(), 1);
    assert!(answer.warnings[0].starts_with("Deployment shop/web: "), "{answer:?}");
    assert!(answer.warnings[0].contains("\"soon\""), "{answer:?}");
}

#[test]
fn a_node_that_is_too_old_is_named() {
    let version = json!({"status": {"nodeInfo": {"kubeletVersion": "v1.29.9"}}});
    let cluster = test_cluster().with_service(&web()).nodes(&[node(1), edited(&node(2), &version)]);
    let answer = create(&cluster, &bare());
    assert!(!answer.is_patched);
    assert_eq!(answer.result, "nodes_too_old");
    assert!(answer.warnings[0].ends_with("(node node-2)"), "{answer:?}");
}

#[test]
fn without_a_node_at_hand_nobody_knows_what_kubelets_know() {
    for cluster in
        [test_cluster().with_service(&web()), test_cluster().with_service(&web()).nodes(&[])]
    {
        let answer = create(&cluster, &bare());
        assert!(!answer.is_patched);
        assert_eq!(answer.result, "nodes_too_old");
        assert_eq!(answer.warnings.len(), 1, "{answer:?}");
    }
}

#[test]
fn who_opts_out_hears_nothing() {
    let workload = annotated(&bare(), "clbmigrate.io/inject", "disabled");
    create(&shop(), &workload).is_untouched("opted_out");
}

#[rstest]
#[case::switched_off("inject: {enabled: false}")]
#[case::an_exempt_namespace("exempt: {namespaces: [shop]}")]
#[case::an_exempt_user("exempt: {users: [jane@example.com]}")]
fn the_administrator_may_keep_hands_off(#[case] config: &str) {
    create(&shop().config(config), &bare()).is_untouched("");
}

#[test]
fn other_kinds_subresources_and_deletions_are_none_of_its_business() {
    for kind in ["Job", "CronJob", "ReplicaSet", "Pod", ""] {
        create(&shop(), &of_kind(kind)).is_untouched("");
    }
    let mut review = review(USER, "CREATE", None, Some(&bare()));
    review["request"]["subResource"] = json!("scale");
    mutate(&shop(), Webhook::MutateWorkloads, &review).is_untouched("");
    let review = super::super::support::review(USER, "DELETE", Some(&bare()), None);
    mutate(&shop(), Webhook::MutateWorkloads, &review).is_untouched("");
}

#[test]
fn a_dry_run_is_answered_alike() {
    let mut review = review(USER, "CREATE", None, Some(&bare()));
    review["request"]["dryRun"] = json!(true);
    mutate(&shop(), Webhook::MutateWorkloads, &review).has_hook(30);
}

#[test]
fn what_cannot_be_read_passes_and_that_is_said() {
    let no_template = edited(&bare(), &json!({"spec": {"template": null}}));
    let tampered = json!({"annotations": {"clbmigrate.io/injected": "?"}});
    let tampered = edited(&bare(), &json!({"spec": {"template": {"metadata": tampered}}}));
    for (workload, result) in [(no_template, "unreadable"), (tampered, "bad_record")] {
        let answer = create(&shop(), &workload);
        assert!(!answer.is_patched);
        assert_eq!((answer.result.as_str(), answer.warnings.len()), (result, 1), "{answer:?}");
    }
}

#[test]
fn every_answer_is_counted_with_its_reason() {
    let (cache, metrics) = (shop().cache, Arc::new(Metrics::default()));
    let claims = memory_claims(&cache, []);
    let admission =
        AdmissionHandler::new(cache, Arc::default(), Arc::clone(&metrics), claims, NoApiReader);
    for workload in [bare(), deployment()] {
        let review = review(USER, "CREATE", None, Some(&workload)).to_string();
        block_on(admission.review(Webhook::MutateWorkloads, review.as_bytes())).expect("a review");
    }
    let text = metrics.text().expect("text");
    for result in ["patched", "own_hooks"] {
        let line = format!(
            r#"clbmigrate_webhook_pre_stop_hooks_total{{hook="mutate-workloads",result="{result}"}} 1"#
        );
        assert!(text.contains(&line), "{line} in\n{text}");
    }
}
