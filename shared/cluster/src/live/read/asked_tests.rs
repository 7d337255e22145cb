//! What is asked for, and how current it has to be.

use std::sync::{Arc, Mutex};

use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::live::fake::{self, Call, Reply};

/// A Service with this mapping; none for one that CCM does not take.
fn service(namespace: &str, name: &str, mapping: Option<&str>) -> Value {
    let kind = if mapping.is_some() { "LoadBalancer" } else { "ClusterIP" };
    json!({
        "metadata": {"name": name, "namespace": namespace, "annotations": {
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port": mapping,
        }},
        "spec": {"type": kind, "selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

/// The lists that are asked for, each with its query, by an API server with these Services.
#[derive(Clone)]
struct Server {
    services: Vec<Value>,
    asked: Arc<Mutex<Vec<(String, String)>>>,
}

impl Server {
    fn new(services: &[(&str, &str, Option<&str>)]) -> Self {
        let services = services.iter().map(|(namespace, name, mapping)| {
            let mut of = service(namespace, name, *mapping);
            if mapping.is_none() {
                of["metadata"]["annotations"] = json!({});
            }
            of
        });
        Self { services: services.collect(), asked: Arc::default() }
    }

    fn connection(&self) -> Connection {
        let server = self.clone();
        fake::connection(move |call| server.answer(call))
    }

    fn answer(&self, call: &Call) -> Reply {
        let list = |kind: &str, version: &str, items: &[Value]| {
            let asked = (call.path.clone(), call.query.clone());
            self.asked.lock().expect("lists").push(asked);
            let kind = format!("{kind}List");
            Reply::Answer(
                200,
                json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items}),
            )
        };
        match call.path.rsplit('/').next().unwrap_or_default() {
            "version" => Reply::Answer(200, json!({"major": "1", "minor": "33"})),
            "apis" => Reply::Answer(200, json!({"kind": "APIGroupList", "groups": []})),
            "services" => list("Service", "v1", &self.services),
            "web" => Reply::Answer(200, self.services[0].clone()),
            "nodes" => list("Node", "v1", &[]),
            "endpointslices" => list("EndpointSlice", "discovery.k8s.io/v1", &[]),
            "deployments" => list("Deployment", "apps/v1", &[]),
            "statefulsets" => list("StatefulSet", "apps/v1", &[]),
            "daemonsets" => list("DaemonSet", "apps/v1", &[]),
            "horizontalpodautoscalers" => list("HorizontalPodAutoscaler", "autoscaling/v1", &[]),
            "pods" => list("Pod", "v1", &[]),
            "kube-system" => Reply::Answer(200, json!({"metadata": {"uid": "u-cluster"}})),
            _ => Reply::status(404, "not found"),
        }
    }

    fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().expect("lists").clone()
    }

    /// The namespaces whose EndpointSlices were asked for.
    fn namespaces(&self) -> Vec<String> {
        let asked = self.asked();
        let slices = asked.iter().filter_map(|(path, _)| path.strip_suffix("/endpointslices"));
        let mut namespaces: Vec<String> =
            slices.filter_map(|path| path.rsplit('/').next()).map(str::to_owned).collect();
        namespaces.sort();
        namespaces
    }
}

fn options(is_only_namespace: bool, mode: ListMode) -> ReadOptions<'static> {
    ReadOptions { namespace: "shop", is_only_namespace, mode }
}

const SERVICES: [(&str, &str, Option<&str>); 6] = [
    ("shop", "web", Some("rsp-bp1a:80")),
    ("shared", "web-b", Some("rsp-bp1a:8080,rsp-bp1c:81")),
    ("beyond", "web-c", Some("rsp-bp1c:81")),
    ("swapped", "web-d", Some("80: rsp-bp1a")),
    ("released", "web-e", Some("rsp-bp1a:0")),
    ("plain", "web-f", None),
];

#[rstest]
#[case::all(false, &["beyond", "released", "shared", "shop", "swapped"])]
#[case::one(true, &["released", "shared", "shop", "swapped"])]
#[tokio::test]
async fn endpoints_are_read_of_what_is_looked_at_and_of_what_shares_a_group_with_it(
    #[case] is_only_namespace: bool,
    #[case] expected: &[&str],
) {
    for rotation in 0..SERVICES.len() {
        let mut services = SERVICES;
        services.rotate_left(rotation);
        for _ in 0..2 {
            services.reverse();
            let server = Server::new(&services);
            let options = options(is_only_namespace, ListMode::FromCache);
            let state = read_cluster(&server.connection(), options).await.expect("a cluster");
            assert_eq!(server.namespaces(), expected, "{services:?}");
            // The Services themselves are all there.
            let cluster = &state.loaded.snapshot.clusters[0];
            assert_eq!(cluster.services().count(), services.len());
            let listed: Vec<&String> = cluster.endpoints_listed.iter().collect();
            assert_eq!(listed, expected, "{services:?}");
        }
    }
}

#[tokio::test]
async fn where_nothing_is_migrated_in_a_namespace_nothing_more_is_read() {
    let server = Server::new(&SERVICES[2..]);
    let options = options(true, ListMode::FromCache);
    read_cluster(&server.connection(), options).await.expect("a cluster");
    assert_eq!(server.namespaces(), Vec::<String>::new());
}

fn is_from_cache((_, query): &(String, String)) -> bool {
    query.contains("resourceVersion=")
}

#[rstest]
#[case::to_show(ListMode::FromCache)]
#[case::to_write(ListMode::Consistent)]
#[tokio::test]
async fn all_lists_of_one_look_are_equally_current(#[case] mode: ListMode) {
    let server = Server::new(&SERVICES);
    read_cluster(&server.connection(), options(false, mode)).await.expect("a cluster");
    let asked = server.asked();
    for what in ["services", "nodes", "endpointslices", "deployments", "autoscalers", "pods"] {
        assert!(asked.iter().any(|(path, _)| path.ends_with(what)), "{what} of {asked:?}");
    }
    let expected = mode == ListMode::FromCache;
    assert!(asked.iter().all(|list| is_from_cache(list) == expected), "{asked:?}");
}

/// A group is compared with it, or a write follows.
#[tokio::test]
async fn what_proves_something_is_never_read_from_the_cache() {
    let server = Server::new(&SERVICES);
    let connection = server.connection();
    read_cluster_around(&connection, "shop", "web").await.expect("a cluster");
    let around = server.asked().len();
    assert!(around > 4);
    read_service_backends(&connection, "shop", "web").await.expect("backends");
    assert!(server.asked().len() > around);
    assert!(!server.asked().iter().any(is_from_cache), "{:?}", server.asked());
}
