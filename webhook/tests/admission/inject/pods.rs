//! Pods, in namespaces that ask for it.

use clbmigrate_webhook::Webhook;
use serde_json::{Value, json};

use super::{super::support::*, *};

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

fn pod_of(kind: &str) -> Value {
    let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": "web", "controller": true});
    edited(&pod(), &json!({"metadata": {"ownerReferences": [owner]}}))
}

/// The review of an object whose name is still to be made up.
fn nameless(mut review: Value) -> Value {
    review["request"].as_object_mut().expect("a map").remove("name");
    review
}

fn mutated_pod(cluster: &TestCluster, pod: &Value) -> Mutation {
    mutate(cluster, Webhook::MutatePods, &nameless(review(USER, "CREATE", None, Some(pod))))
}

#[test]
fn a_pod_of_a_workload_from_before_the_service_gets_its_hook() {
    mutated_pod(&shop(), &pod()).has_hook(30);
    mutated_pod(&shop(), &pod_of("StatefulSet")).has_hook(30);
    let bare_pod = edited(&pod(), &json!({"metadata": {"ownerReferences": null}}));
    mutated_pod(&shop(), &bare_pod).has_hook(30);
}

/// A proxy that another webhook adds to Pods, as classic injection of Istio does.
fn with_proxy(pod: &Value) -> Value {
    let mut pod = pod.clone();
    let proxy = edited(&container(), &json!({"name": "istio-proxy", "lifecycle": null}));
    pod["spec"]["containers"].as_array_mut().expect("containers").push(proxy);
    pod
}

/// The seconds of each container's hook.
fn sleeps(pod: &Value) -> Vec<Option<u64>> {
    let containers = pod["spec"]["containers"].as_array().expect("containers");
    let sleep = |of: &Value| of["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
    containers.iter().map(sleep).collect()
}

#[test]
fn a_sidecar_of_another_webhook_gets_the_hook_when_the_api_server_asks_again() {
    // Pods of a template that has its hook, and of one that has none yet.
    let injected =
        mutate(&shop(), Webhook::MutateWorkloads, &review(USER, "CREATE", None, Some(&bare())));
    let template = &injected.object["spec"]["template"];
    let annotations = json!({"annotations": template["metadata"]["annotations"]});
    let with_hook = edited(&pod(), &json!({"metadata": annotations, "spec": template["spec"]}));
    for first in [pod(), with_hook] {
        let first = mutated_pod(&shop(), &first).object;
        assert_eq!(sleeps(&first), [Some(30)]);
        let again = mutated_pod(&shop(), &with_proxy(&first));
        assert_eq!(sleeps(&again.object), [Some(30), Some(30)]);
        // Both wait at the same time: the grace period grows once.
        again.has_hook(30);
        mutated_pod(&shop(), &again.object).is_untouched("complete");
    }
}

#[test]
fn a_native_sidecar_of_another_webhook_is_left_alone() {
    let proxy = edited(
        &container(),
        &json!({"name": "istio-proxy", "restartPolicy": "Always", "lifecycle": null}),
    );
    let first = mutated_pod(&shop(), &pod()).object;
    let again = edited(&first, &json!({"spec": {"initContainers": [proxy]}}));
    mutated_pod(&shop(), &again).is_untouched("complete");
}

#[test]
fn what_its_workload_says_holds_for_the_pod() {
    let workload = |kind: &str, key: &str, value: &str| {
        annotated(&edited(&bare(), &json!({"kind": kind})), key, value)
    };
    let with = |kind, key, value| shop().with_workload(&workload(kind, key, value));
    let switch = "clbmigrate.io/inject";
    mutated_pod(&with("Deployment", switch, "disabled"), &pod()).is_untouched("opted_out");
    mutated_pod(&with("StatefulSet", switch, "disabled"), &pod_of("StatefulSet"))
        .is_untouched("opted_out");
    mutated_pod(&shop(), &pod_of("DaemonSet")).is_untouched("not_opted_in");
    mutated_pod(&with("DaemonSet", switch, "enabled"), &pod_of("DaemonSet")).has_hook(30);
    mutated_pod(&with("Deployment", "clbmigrate.io/pre-stop-seconds", "90"), &pod()).has_hook(90);
}

#[test]
fn a_pod_of_a_rollout_gets_its_hook_unless_the_rollout_says_no() {
    let labels = json!({"pod-template-hash": null, "rollouts-pod-template-hash": "5d4f8"});
    let pod = edited(&pod(), &json!({"metadata": {"labels": labels}}));
    mutated_pod(&shop(), &pod).has_hook(30);
    let kind = json!({"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"});
    let rollout = annotated(&edited(&bare(), &kind), "clbmigrate.io/inject", "disabled");
    mutated_pod(&shop().with_workload(&rollout), &pod).is_untouched("opted_out");
    // Kruise's DaemonSets are as Kubernetes' own.
    let owner = json!({"apiVersion": "apps.kruise.io/v1alpha1", "kind": "DaemonSet", "name": "web", "controller": true});
    let pod = edited(&pod, &json!({"metadata": {"ownerReferences": [owner]}}));
    mutated_pod(&shop(), &pod).is_untouched("not_opted_in");
}

#[test]
fn the_pod_of_a_job_stays_as_it_is() {
    mutated_pod(&shop(), &pod_of("Job")).is_untouched("of_job");
}

#[test]
fn for_pods_the_api_server_is_never_asked() {
    let api_reader = FakeApiReader { services: Some(vec![web()]), ..FakeApiReader::default() };
    let cluster = test_cluster().nodes(&[node(1)]).api_reader(api_reader);
    mutated_pod(&cluster, &pod()).is_untouched("not_selected");
}

#[test]
fn the_hook_for_pods_changes_nothing_else() {
    let review = review(USER, "CREATE", None, Some(&bare()));
    mutate(&shop(), Webhook::MutatePods, &review).is_untouched("");
    let mut review =
        nameless(super::super::support::review(USER, "UPDATE", Some(&pod()), Some(&pod())));
    review["request"]["subResource"] = json!("ephemeralcontainers");
    mutate(&shop(), Webhook::MutatePods, &review).is_untouched("");
}
