//! Pods, in namespaces that ask for it.

use clbmigrate_webhook::Hook;
use serde_json::{Value, json};

use super::{support::*, *};

/// A Pod as the `ReplicaSet` of the Deployment makes it.
fn pod() -> Value {
    let template = &bare()["spec"]["template"];
    let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-5d4f8", "controller": true});
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "generateName": "web-5d4f8-", "namespace": "shop", "ownerReferences": [owner],
            "labels": {"app": "web", "pod-template-hash": "5d4f8"},
        },
        "spec": template["spec"],
    })
}

fn of(kind: &str) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": "web", "controller": true});
    edited(&pod(), &json!({"metadata": {"ownerReferences": [owner]}}))
}

/// The review of an object whose name is still to be made up.
fn nameless(mut review: Value) -> Value {
    review["request"].as_object_mut().expect("a map").remove("name");
    review
}

fn made(scene: &Scene, pod: &Value) -> Answer {
    post(scene, Hook::MutatePods, &nameless(review(JANE, "CREATE", None, Some(pod))))
}

#[test]
fn a_pod_of_a_workload_from_before_the_service_gets_its_hook() {
    made(&shop(), &pod()).has_hook(30);
    made(&shop(), &of("StatefulSet")).has_hook(30);
    let bare_pod = edited(&pod(), &json!({"metadata": {"ownerReferences": null}}));
    made(&shop(), &bare_pod).has_hook(30);
}

#[test]
fn what_its_workload_says_holds_for_the_pod() {
    let workload = |kind: &str, key: &str, value: &str| {
        annotated(&edited(&bare(), &json!({"kind": kind})), key, value)
    };
    let with = |kind, key, value| shop().with_workload(&workload(kind, key, value));
    let switch = "clbmigrate.io/inject";
    made(&with("Deployment", switch, "disabled"), &pod()).is_untouched("opted_out");
    made(&with("StatefulSet", switch, "disabled"), &of("StatefulSet")).is_untouched("opted_out");
    made(&shop(), &of("DaemonSet")).is_untouched("not_opted_in");
    made(&with("DaemonSet", switch, "enabled"), &of("DaemonSet")).has_hook(30);
    made(&with("Deployment", "clbmigrate.io/pre-stop-seconds", "90"), &pod()).has_hook(90);
}

#[test]
fn the_pod_of_a_job_stays_as_it_is() {
    made(&shop(), &of("Job")).is_untouched("of_job");
}

#[test]
fn for_pods_the_api_server_is_never_asked() {
    let told = Told { services: Some(vec![web()]), ..Told::default() };
    let scene = scene().nodes(&[node(1)]).told(told);
    made(&scene, &pod()).is_untouched("not_selected");
}

#[test]
fn the_hook_for_pods_changes_nothing_else() {
    let review = review(JANE, "CREATE", None, Some(&bare()));
    post(&shop(), Hook::MutatePods, &review).is_untouched("");
    let mut review = nameless(support::review(JANE, "UPDATE", Some(&pod()), Some(&pod())));
    review["request"]["subResource"] = json!("ephemeralcontainers");
    post(&shop(), Hook::MutatePods, &review).is_untouched("");
}
