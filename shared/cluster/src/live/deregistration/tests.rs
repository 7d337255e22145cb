use serde_json::{Value, json};

use super::*;
use crate::live::fake::{Call, Reply, connection};

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A migrated Service that selects `app: web`.
fn service(name: &str, policy: &str, backend_type: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop", "annotations": {
            format!("{PREFIX}id"): "lb-bp1example",
            format!("{PREFIX}vgroup-port"): "rsp-bp1example:80",
            "service.beta.kubernetes.io/backend-type": backend_type,
        }},
        "spec": {"type": "LoadBalancer", "externalTrafficPolicy": policy,
                 "selector": {"app": "web"}, "ports": [{"port": 80}]},
    })
}

fn time(seconds: i64) -> String {
    jiff::Timestamp::from_second(1_780_000_000 + seconds).expect("a time").to_string()
}

fn killing(pod: &str, uid: &str, message: &str, at: i64) -> Value {
    json!({
        "metadata": {"creationTimestamp": time(at)}, "reason": "Killing", "message": message,
        "involvedObject": {"kind": "Pod", "name": pod, "uid": uid},
        // Of a kubelet whose clock is an hour behind.
        "firstTimestamp": time(at - 3600), "lastTimestamp": time(at - 3600),
    })
}

fn ensured(service: &str, created: i64, updated: i64) -> Value {
    json!({
        "metadata": {
            "creationTimestamp": time(created),
            "managedFields": [{"manager": "ccm", "time": time(updated)}],
        },
        "reason": "EnsuredLoadBalancer", "message": "Ensured load balancer [lb-bp1example]",
        "involvedObject": {"kind": "Service", "name": service, "uid": "u"},
        // CCM counts on what it has written before.
        "firstTimestamp": time(-90_000), "count": 40,
    })
}

/// A Pod that a Deployment made, with the time at which its readiness changed.
fn pod(name: &str, uid: &str, ready: i64, is_deleted: bool) -> Value {
    json!({
        "metadata": {"name": name, "uid": uid, "labels": {"app": "web"},
                     "deletionTimestamp": is_deleted.then(|| time(999))},
        "status": {"phase": "Running",
                   "conditions": [{"type": "Ready", "status": "True",
                                   "lastTransitionTime": time(ready)}]},
    })
}

#[derive(Clone, Default)]
struct World {
    services: Vec<Value>,
    nodes: Vec<Value>,
    killings: Vec<Value>,
    successes: Vec<Value>,
    pods: Vec<Value>,
    /// Paths with this part may not be read.
    forbidden: Option<&'static str>,
}

impl World {
    fn answer(&self, call: &Call) -> Reply {
        if self.forbidden.is_some_and(|part| call.path.contains(part)) {
            return Reply::status(403, "forbidden: it may not be listed");
        }
        let list = |kind: &str, items: &[Value]| {
            let meta = json!({"resourceVersion": "1"});
            let version = if kind == "Deployment" { "apps/v1" } else { "v1" };
            let kind = format!("{kind}List");
            Reply::Answer(
                200,
                json!({"kind": kind, "apiVersion": version, "metadata": meta, "items": items}),
            )
        };
        let deployment = json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": "web"}}}},
        });
        let is_about = |kind: &str| call.query.ends_with(&format!("kind%3D{kind}"));
        match call.path.as_str() {
            "/version" => Reply::Answer(200, json!({"major": "1", "minor": "33"})),
            "/api/v1/services" => list("Service", &self.services),
            "/api/v1/nodes" => list("Node", &self.nodes),
            "/apis/apps/v1/namespaces/shop/deployments" => list("Deployment", &[deployment]),
            "/api/v1/namespaces/shop/events" if is_about("Pod") => list("Event", &self.killings),
            "/api/v1/namespaces/shop/events" => list("Event", &self.successes),
            "/api/v1/namespaces/shop/pods" => list("Pod", &self.pods),
            _ => Reply::status(404, "not found"),
        }
    }

    async fn look(&self) -> Deregistrations {
        let world = self.clone();
        connection(move |call| world.answer(call)).deregistrations().await.expect("Services")
    }
}

fn world() -> World {
    World {
        services: vec![service("web", "Local", "ecs")],
        killings: vec![killing("web-7d4b8c9f5-x2x4z", "u-1", "Stopping container web", 100)],
        successes: vec![ensured("web", 104, 160)],
        ..World::default()
    }
}

#[tokio::test]
async fn a_pod_that_is_gone_is_measured_by_the_clock_of_the_api_server() {
    let found = world().look().await;
    assert_eq!(found.services, [("shop".to_owned(), "web".to_owned())]);
    assert_eq!(found.times.slowest(), Some((4, "shop/web")));
    assert!(found.unread.is_empty());
}

#[tokio::test]
async fn all_modes_but_cluster_are_measured() {
    let mut world = world();
    world.services = vec![service("web", "Cluster", "eni"), service("nodes", "Cluster", "ecs")];
    world.services.push({
        let mut unknown = service("unknown", "Cluster", "");
        unknown["metadata"]["annotations"]
            .as_object_mut()
            .expect("a map")
            .remove("service.beta.kubernetes.io/backend-type");
        unknown
    });
    // Nothing tells then what CCM takes by default.
    world.forbidden = Some("/namespaces/kube-system/");
    let found = world.look().await;
    assert_eq!(found.times.count(), 1);
    assert_eq!((found.services.len(), found.in_cluster_mode, found.of_unknown_mode), (1, 1, 1));
}

#[tokio::test]
async fn what_is_no_end_of_a_pod_of_the_service_is_not_measured() {
    let mut world = world();
    let failed = "Container web failed liveness probe, will be restarted";
    world.killings = vec![
        killing("web-7d4b8c9f5-x2x4z", "u-1", failed, 100),
        killing("other-7d4b8c9f5-x2x4z", "u-2", "Stopping container web", 100),
        // Its sandbox changed.
        killing("web-7d4b8c9f5-zzzzz", "u-3", "Stopping container web", 100),
    ];
    world.pods = vec![pod("web-7d4b8c9f5-zzzzz", "u-3", 90, false)];
    let found = world.look().await;
    assert_eq!(found.times, DeregistrationTimes::default());
}

#[tokio::test]
async fn a_pod_of_an_unknown_controller_is_known_by_its_labels_while_it_is_there() {
    let mut world = world();
    world.killings = vec![killing("game", "u-1", "Stopping container web", 100)];
    world.pods = vec![pod("game", "u-1", 100, true)];
    assert_eq!(world.look().await.times.count(), 1);
}

#[tokio::test]
async fn a_pod_that_became_ready_just_before_leaves_the_time_open() {
    let mut world = world();
    world.pods = vec![pod("web-7d4b8c9f5-zzzzz", "u-3", 99, false)];
    let found = world.look().await;
    assert_eq!((found.times.count(), found.times.overlapping), (0, 1));
}

#[tokio::test]
async fn successes_of_other_services_do_not_count() {
    let mut world = world();
    world.successes = vec![ensured("other", 104, 160)];
    let found = world.look().await;
    assert_eq!((found.times.count(), found.times.unanswered), (0, 1));
}

#[tokio::test]
async fn what_may_not_be_read_is_told_with_its_namespace() {
    for forbidden in ["/api/v1/namespaces/shop/events", "/api/v1/namespaces/shop/pods"] {
        let found = World { forbidden: Some(forbidden), ..world() }.look().await;
        assert_eq!(found.times.count(), 0);
        let told = found.unread.first().expect("a word");
        assert!(told.starts_with("namespace shop: ") && told.contains("forbidden"), "{told}");
    }
}

#[tokio::test]
async fn nodes_whose_kubelet_does_not_know_the_hook_are_named() {
    let node = |name: &str, version: &str| json!({"metadata": {"name": name}, "status": {"nodeInfo": {"kubeletVersion": version}}});
    let mut world = world();
    world.nodes =
        vec![node("a", "v1.30.1-aliyun.1"), node("b", "v1.28.3"), node("virtual", "unknown")];
    let found = world.look().await;
    assert_eq!(found.old_nodes, Some(vec!["b".to_owned(), "virtual".to_owned()]));
    let unlisted = World { forbidden: Some("/api/v1/nodes"), ..world }.look().await;
    assert_eq!(unlisted.old_nodes, None);
}
