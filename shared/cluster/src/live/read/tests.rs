use std::collections::BTreeSet;

use clbmigrate_core::snapshot::ListedServices;
use rstest::rstest;
use serde_json::{Value, json};

use super::*;
use crate::live::fake::{self, Call, Reply};

/// As `status -A` reads.
const SHOP: ReadOptions<'_> =
    ReadOptions { namespace: "shop", is_only_namespace: false, mode: ListMode::FromCache };

const SERVICE: &str = "/api/v1/namespaces/shop/services/web";

fn service(namespace: &str, name: &str) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "uid": format!("u-{name}"), "annotations": {
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
        }},
        "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}]},
    })
}

fn slice(namespace: &str, service: &str, is_ready: bool) -> Value {
    json!({
        "metadata": {"name": format!("{service}-1"), "namespace": namespace, "labels": {
            "kubernetes.io/service-name": service,
        }},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": is_ready},
                       "targetRef": {"kind": "Pod", "name": format!("{service}-0")}}],
    })
}

fn node(name: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"providerID": format!("cn-x.i-{name}")}})
}

fn list(kind: &str, version: &str, items: &[Value]) -> Reply {
    let kind = format!("{kind}List");
    Reply::Answer(200, json!({"kind": kind, "apiVersion": version, "metadata": {}, "items": items}))
}

/// What a healthy API server answers, with a migrated Service in each of two namespaces.
fn healthy(call: &Call) -> Reply {
    let namespace = |path: &str| path.contains("/namespaces/shop/");
    let of_shop = namespace(&call.path);
    match call.path.rsplit('/').next().unwrap_or_default() {
        "version" => Reply::Answer(200, json!({"major": "1", "minor": "33"})),
        "apis" => Reply::Answer(200, json!({"kind": "APIGroupList", "groups": []})),
        "services" if of_shop => list("Service", "v1", &[service("shop", "web")]),
        "services" => list("Service", "v1", &[service("shop", "web"), service("other", "api")]),
        "web" => Reply::Answer(200, service("shop", "web")),
        "nodes" => list("Node", "v1", &[node("n1"), node("n2")]),
        "endpointslices" if of_shop => {
            list("EndpointSlice", "discovery.k8s.io/v1", &[slice("shop", "web", true)])
        }
        "endpointslices" => {
            list("EndpointSlice", "discovery.k8s.io/v1", &[slice("other", "api", true)])
        }
        "pods" => list("Pod", "v1", &[]),
        "kube-system" => Reply::Answer(200, json!({"metadata": {"uid": "u-cluster"}})),
        "deployments" => list("Deployment", "apps/v1", &[]),
        "statefulsets" => list("StatefulSet", "apps/v1", &[]),
        "daemonsets" => list("DaemonSet", "apps/v1", &[]),
        "horizontalpodautoscalers" => list("HorizontalPodAutoscaler", "autoscaling/v1", &[]),
        _ => Reply::status(404, "not found"),
    }
}

/// How a request fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Failure {
    Status(u16),
    Throttled,
    Garbled,
    Cut,
    Hang,
}

impl Failure {
    fn reply(self) -> Reply {
        match self {
            Self::Status(code) => Reply::status(code, "it fails"),
            Self::Throttled => Reply::Throttled(Some(60)),
            Self::Garbled => Reply::Garbled,
            Self::Cut => Reply::Cut,
            Self::Hang => Reply::Hang,
        }
    }
}

/// What an API server answers that is healthy, but for paths that end so.
fn but(path: &'static str, reply: impl Fn() -> Reply) -> impl Fn(&Call) -> Reply {
    move |call| if call.path.ends_with(path) { reply() } else { healthy(call) }
}

/// An API server that reads the one Service, and nothing else.
fn all_but_the_service(failure: Failure) -> Connection {
    fake::connection(move |call| if call.path == SERVICE { healthy(call) } else { failure.reply() })
}

fn names(state: &ClusterState) -> BTreeSet<&str> {
    let services = state.loaded.snapshot.clusters[0].services();
    services.map(|service| service.metadata.name.as_str()).collect()
}

fn limits(state: &ClusterState) -> String {
    let lines: Vec<String> = state.limits.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

#[tokio::test(start_paused = true)]
async fn around_a_service_everything_is_read_where_nothing_fails() {
    let connection = fake::connection(healthy);
    let state = read_cluster_around(&connection, "shop", "web").await.expect("a cluster");
    let strict = read_cluster(&connection, SHOP).await.expect("a cluster");
    for state in [&state, &strict] {
        let cluster = &state.loaded.snapshot.clusters[0];
        assert_eq!(names(state), ["api", "web"].into());
        assert_eq!((cluster.nodes().len(), cluster.nodes_listed), (2, true));
        assert_eq!(cluster.endpoints_listed, ["other".to_owned(), "shop".to_owned()].into());
        assert_eq!(cluster.uid.as_deref(), Some("u-cluster"));
        assert_eq!((limits(state), state.loaded.problems.len()), (String::new(), 0));
    }
    assert_eq!(state.loaded.objects, strict.loaded.objects + 1, "the Service was read twice");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_brake_needs_nothing_but_its_service(
    #[values(
        Failure::Status(500),
        Failure::Status(504),
        Failure::Status(403),
        Failure::Status(401),
        Failure::Throttled,
        Failure::Garbled,
        Failure::Cut,
        Failure::Hang
    )]
    failure: Failure,
) {
    let begun = Instant::now();
    let state = read_cluster_around(&all_but_the_service(failure), "shop", "web").await;
    let state = state.expect("the Service is there");
    assert!(begun.elapsed() <= LENIENT_LIMIT, "{:?}", begun.elapsed());
    assert_eq!(names(&state), ["web"].into());
    let cluster = &state.loaded.snapshot.clusters[0];
    assert!(!cluster.nodes_listed && cluster.endpoints_listed.is_empty(), "nothing is known");
    let limits = limits(&state).to_lowercase();
    for what in ["services", "nodes", "endpointslices", "deployments", "horizontalpodautoscalers"] {
        assert!(limits.contains(what), "{what} of:\n{limits}");
    }
    assert_eq!((state.loaded.problems.len(), state.loaded.failures.len()), (0, 0));
}

#[rstest]
#[case::version("/version", "version")]
#[case::kinds("/apis", "kinds of workload")]
#[case::services("/services", "Services could not be read")]
#[case::nodes("/nodes", "nodes could not be read")]
#[case::slices("/endpointslices", "EndpointSlices could not be read")]
#[case::workloads("/statefulsets", "statefulsets could not be read")]
#[case::autoscalers("/horizontalpodautoscalers", "horizontalpodautoscalers could not be read")]
#[case::pods("/pods", "pods could not be read")]
#[case::ccm_of_which_nothing_is_told("/cloud-controller-manager", "")]
#[case::id("/ack-cluster-profile", "ack-cluster-profile could not be read")]
#[case::webhook("/clbmigrate-mutate-workloads", "preStop hooks")]
#[case::uid("/kube-system", "namespace kube-system could not be read")]
#[case::namespaces("/shop", "namespaces could not be read")]
#[tokio::test(start_paused = true)]
async fn a_piece_that_hangs_costs_that_piece_and_ten_seconds(
    #[case] path: &'static str,
    #[case] told: &str,
) {
    let connection = fake::connection(but(path, || Reply::Hang));
    let begun = Instant::now();
    let state = read_cluster_around(&connection, "shop", "web").await.expect("a cluster");
    assert!(begun.elapsed() <= LENIENT_LIMIT, "{:?}", begun.elapsed());
    assert!(names(&state).contains("web"));
    assert!(limits(&state).contains(told), "{}", limits(&state));
    // What comes after a list of Services that hangs is read all the same.
    let cluster = &state.loaded.snapshot.clusters[0];
    let own = cluster.service("shop", "web").expect("the Service");
    let is_early = matches!(path, "/endpointslices" | "/version" | "/apis");
    assert!(is_early || cluster.slices_of(own).is_some());
}

#[rstest]
#[case(Failure::Status(503))]
#[case(Failure::Cut)]
#[case(Failure::Status(404))]
#[tokio::test(start_paused = true)]
async fn without_its_service_a_brake_can_do_nothing(#[case] failure: Failure) {
    let connection = fake::connection(but("/services/web", move || failure.reply()));
    assert!(read_cluster_around(&connection, "shop", "web").await.is_err());
    assert!(read_service_backends(&connection, "shop", "web").await.is_err());
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn readers_go_on_without_nodes_or_endpoints_and_do_not_call_it_success(
    #[values(Failure::Status(504), Failure::Throttled, Failure::Cut, Failure::Hang)]
    failure: Failure,
    #[values("/nodes", "/endpointslices")] path: &'static str,
) {
    let connection = fake::connection(but(path, move || failure.reply()));
    let state = read_cluster(&connection, SHOP).await.expect("a cluster");
    let cluster = &state.loaded.snapshot.clusters[0];
    assert_eq!(names(&state), ["api", "web"].into());
    assert_eq!((state.loaded.problems.len(), state.loaded.failures.len()), (1, 1));
    assert!(limits(&state).is_empty());
    assert_eq!(cluster.nodes_listed, path != "/nodes");
    assert_eq!(cluster.endpoints_listed.is_empty(), path == "/endpointslices");
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn readers_tell_what_else_could_not_be_read(
    #[values(
        "/version",
        "/apis",
        "/daemonsets",
        "/horizontalpodautoscalers",
        "/pods",
        "/ack-cluster-profile",
        "/kube-system",
        "/shop"
    )]
    path: &'static str,
) {
    let connection = fake::connection(but(path, || Reply::status(500, "etcd is gone")));
    let state = read_cluster(&connection, SHOP).await.expect("a cluster");
    assert!(limits(&state).contains("etcd is gone"), "{path}: {}", limits(&state));
    assert_eq!((state.loaded.problems.len(), state.limits.len()), (0, 1), "{}", limits(&state));
}

#[rstest]
#[case::all(&[], ListedServices::All)]
#[case::of_one_namespace(&["/api/v1/services"], ListedServices::OfNamespace("shop".to_owned()))]
#[case::none(
    &["/api/v1/services", "/api/v1/namespaces/shop/services"],
    ListedServices::Unlisted
)]
#[tokio::test(start_paused = true)]
async fn the_cluster_says_which_services_are_all_known(
    #[case] forbidden: &[&str],
    #[case] listed: ListedServices,
) {
    let forbidden: Vec<String> = forbidden.iter().map(|path| (*path).to_owned()).collect();
    let connection = fake::connection(move |call| {
        if forbidden.contains(&call.path) { Reply::status(403, "no") } else { healthy(call) }
    });
    let state = read_cluster_around(&connection, "shop", "web").await.expect("a cluster");
    assert_eq!(state.loaded.snapshot.clusters[0].services_listed, listed);
}

#[tokio::test(start_paused = true)]
async fn readers_need_the_services() {
    for failure in [Failure::Status(500), Failure::Cut, Failure::Hang] {
        let connection = fake::connection(but("/services", move || failure.reply()));
        assert!(read_cluster(&connection, SHOP).await.is_err());
    }
    let old = fake::connection(|call| match call.path.as_str() {
        "/version" => Reply::Answer(200, json!({"major": "1", "minor": "20"})),
        _ => healthy(call),
    });
    let error = read_cluster(&old, SHOP).await.err().expect("it is too old");
    assert!(error.message.contains("needs 1.21"), "{error}");
    assert!(read_cluster_around(&old, "shop", "web").await.is_ok(), "a brake does not care");
}

#[tokio::test(start_paused = true)]
async fn endpoints_of_one_namespace_that_fail_leave_those_of_the_others() {
    let connection = fake::connection(|call| match call.path.as_str() {
        "/apis/discovery.k8s.io/v1/namespaces/other/endpointslices" => Reply::status(500, "no"),
        _ => healthy(call),
    });
    let state = read_cluster_around(&connection, "shop", "web").await.expect("a cluster");
    let cluster = &state.loaded.snapshot.clusters[0];
    let slices = |namespace: &str, name: &str| {
        cluster.slices_of(cluster.service(namespace, name).expect("it")).map(<[_]>::len)
    };
    assert_eq!((slices("shop", "web"), slices("other", "api")), (Some(1), None));
}

/// What one Service's backends hang on, with the paths that were asked for.
async fn backends(
    handler: impl Fn(&Call) -> Reply + Send + Sync + 'static,
) -> (Result<ClusterState, Error>, Vec<String>) {
    let asked = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = std::sync::Arc::clone(&asked);
    let connection = fake::connection(move |call| {
        seen.lock().expect("paths").push(format!("{}?{}", call.path, call.query));
        handler(call)
    });
    let state = read_service_backends(&connection, "shop", "web").await;
    let asked = asked.lock().expect("paths").clone();
    (state, asked)
}

#[tokio::test(start_paused = true)]
async fn the_backends_of_one_service_are_read_with_few_requests() {
    let (state, asked) = backends(healthy).await;
    let state = state.expect("a cluster");
    let cluster = &state.loaded.snapshot.clusters[0];
    let own = cluster.service("shop", "web").expect("the Service");
    assert_eq!(cluster.slices_of(own).map(<[_]>::len), Some(1));
    assert_eq!((cluster.nodes().len(), cluster.nodes_listed), (2, true));
    assert_eq!(cluster.uid.as_deref(), Some("u-cluster"));
    assert_eq!(asked.len(), 5, "{asked:?}");
    let slices = asked.iter().find(|path| path.contains("endpointslices")).expect("slices");
    assert!(slices.contains("labelSelector=kubernetes.io%2Fservice-name%3Dweb"), "{slices}");
}

#[tokio::test(start_paused = true)]
async fn pods_are_read_where_endpoints_may_wait_for_their_gates() {
    let (state, asked) = backends(but("endpointslices", || {
        list("EndpointSlice", "discovery.k8s.io/v1", &[slice("shop", "web", false)])
    }))
    .await;
    assert!(state.is_ok());
    let pods: Vec<&String> = asked.iter().filter(|path| path.contains("/pods?")).collect();
    assert_eq!(pods.len(), 1, "{asked:?}");
    assert!(pods[0].contains("labelSelector=app%20in%20%28web%29"), "{pods:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_without_endpoints_has_none_and_not_an_unknown_number() {
    let (state, _) =
        backends(but("endpointslices", || list("EndpointSlice", "discovery.k8s.io/v1", &[]))).await;
    let state = state.expect("a cluster");
    let cluster = &state.loaded.snapshot.clusters[0];
    let own = cluster.service("shop", "web").expect("the Service");
    assert_eq!(cluster.slices_of(own).map(<[_]>::len), Some(0));
}

/// An expectation that was computed without them would be compared with the group.
#[rstest]
#[tokio::test(start_paused = true)]
async fn backends_that_cannot_be_read_are_an_error_and_those_that_may_not_be_a_limit(
    #[values("/nodes", "/endpointslices", "/pods")] path: &'static str,
) {
    let with = |failure: Failure| {
        move |call: &Call| match &call.path {
            asked if asked.ends_with(path) => failure.reply(),
            asked if asked.ends_with("endpointslices") => {
                list("EndpointSlice", "discovery.k8s.io/v1", &[slice("shop", "web", false)])
            }
            _ => healthy(call),
        }
    };
    for failure in [Failure::Status(504), Failure::Cut, Failure::Hang, Failure::Throttled] {
        assert!(backends(with(failure)).await.0.is_err(), "{failure:?}");
    }
    let state = backends(with(Failure::Status(403))).await.0.expect("a cluster");
    assert_eq!(state.limits.len(), 1, "{}", limits(&state));
}
