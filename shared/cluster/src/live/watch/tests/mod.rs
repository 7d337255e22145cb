mod failures;
mod objects;
mod world;

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::timeout;

use self::{
    objects::{annotated, node, plain, scaler, service, slice, with, workload},
    world::{Failure, World},
};
use super::ClusterWatch;
use crate::live::{ClusterState, Connection, ListMode, ReadOptions, read_cluster};

const OPTIONS: ReadOptions<'static> =
    ReadOptions { namespace: "shop", is_only_namespace: false, mode: ListMode::FromCache };

/// What is shown of a state, to compare it with another one.
fn shown(state: &ClusterState) -> Vec<String> {
    let cluster = &state.loaded.snapshot.clusters[0];
    let limits: Vec<String> = state.limits.iter().map(ToString::to_string).collect();
    // Maps print in no order.
    let mut lines: Vec<String> = format!("{cluster:#?}").lines().map(str::to_owned).collect();
    lines.extend(limits);
    lines.push(format!("{:?}", state.loaded.problems));
    lines.sort_unstable();
    lines
}

/// Compares line by line, for what is shown is long.
fn assert_same(watched: &[String], fresh: &[String]) {
    for (watched, fresh) in watched.iter().zip(fresh) {
        assert_eq!(watched, fresh);
    }
    assert_eq!(watched.len(), fresh.len());
}

async fn watched(world: &World) -> (ClusterWatch, Connection) {
    let connection = world.connection();
    let mut watch = ClusterWatch::new(&connection, OPTIONS);
    watch.state().await.expect("a state");
    assert!(!changes(&mut watch, 1).await, "nothing has changed yet");
    (watch, connection)
}

/// The watched state is that of a fresh reading.
async fn assert_fresh(watch: &mut ClusterWatch, connection: &Connection) {
    assert_fresh_with(watch, connection, OPTIONS).await;
}

async fn assert_fresh_with(
    watch: &mut ClusterWatch,
    connection: &Connection,
    options: ReadOptions<'_>,
) {
    let state = watch.state().await.expect("a state");
    let fresh = read_cluster(connection, options).await.expect("a cluster");
    assert_same(&shown(&state), &shown(&fresh));
}

/// Whether something that is shown changes before a time that is long enough for every retry.
async fn changes(watch: &mut ClusterWatch, within: u64) -> bool {
    timeout(Duration::from_secs(within), watch.changed()).await.is_ok()
}

const SERVICES: &str = "/api/v1/services";
const NODES: &str = "/api/v1/nodes";
const SLICES: &str = "/apis/discovery.k8s.io/v1/endpointslices";
const DEPLOYMENTS: &str = "/apis/apps/v1/deployments";
const SCALERS: &str = "/apis/autoscaling/v1/horizontalpodautoscalers";
const NAMESPACES: &str = "/api/v1/namespaces";

#[rstest]
#[case::a_weight(SERVICES, annotated(service("shop", "web"), "weight-for-tests", "40"))]
#[case::a_new_service(SERVICES, service("shop", "new"))]
#[case::a_service_in_a_new_namespace(SERVICES, service("fresh", "new"))]
#[case::a_node_that_is_not_ready(NODES, with(node("n1"), |node| {
    node["status"]["conditions"][0]["status"] = json!("False");
}))]
#[case::a_new_node(NODES, node("n9"))]
#[case::endpoints(SLICES, with(slice("shop", "web", true), |slice| {
    slice["endpoints"][0]["addresses"] = json!(["10.0.0.9"]);
}))]
#[case::endpoints_that_are_not_ready(SLICES, slice("shop", "web", false))]
#[case::a_workload(DEPLOYMENTS, workload("shop", "web", 5))]
#[case::a_new_workload(DEPLOYMENTS, workload("shop", "more", 60))]
#[case::an_autoscaler(SCALERS, scaler("web", 3))]
#[case::a_namespace(NAMESPACES, json!({"metadata": {
    "name": "shop", "uid": "u-shop", "labels": {"clbmigrate.io/inject": "enabled"},
}}))]
#[case::an_object_that_cannot_be_parsed(SERVICES, with(service("shop", "odd"), |service| {
    service["spec"]["ports"] = json!("none");
}))]
#[tokio::test(start_paused = true)]
async fn after_a_change_the_state_is_that_of_a_fresh_reading(
    #[case] path: &str,
    #[case] object: Value,
) {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    assert_fresh(&mut watch, &connection).await;
    world.put(path, object.clone());
    assert!(changes(&mut watch, 10).await);
    assert_fresh(&mut watch, &connection).await;
    world.delete(path, &object);
    assert!(changes(&mut watch, 10).await);
    assert_fresh(&mut watch, &connection).await;
}

#[rstest]
#[case::a_heartbeat(NODES, with(node("n1"), |node| {
    node["status"]["conditions"][0]["lastHeartbeatTime"] = json!("2026-01-01T00:00:00Z");
}))]
#[case::an_annotation_of_a_node(NODES, annotated(node("n1"), "agent.example.com/load", "7"))]
#[case::managed_fields(SERVICES, with(service("shop", "web"), |service| {
    service["metadata"]["managedFields"] = json!([{"manager": "somebody"}]);
}))]
#[case::a_status_of_a_workload(DEPLOYMENTS, with(workload("shop", "web", 30), |of| {
    of["status"] = json!({"observedGeneration": 7});
}))]
#[case::a_service_that_is_not_for_ccm(SERVICES, with(plain(), |service| {
    service["spec"]["ports"] = json!([{"port": 99}]);
}))]
#[case::a_namespace_without_migrated_services(NAMESPACES, json!({"metadata": {"name": "kube-system",
    "uid": "u-cluster", "labels": {"a": "b"}}}))]
#[tokio::test(start_paused = true)]
async fn what_nobody_is_shown_is_no_change(#[case] path: &str, #[case] object: Value) {
    let world = World::new();
    let (mut watch, _) = watched(&world).await;
    let asked = world.requests();
    world.put(path, object);
    assert!(!changes(&mut watch, 20).await);
    assert_eq!(world.requests(), asked, "and costs no request");
}

#[tokio::test(start_paused = true)]
async fn an_hour_without_changes_costs_few_requests_beside_the_watches() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    let begun = world.reads();
    let _ = timeout(Duration::from_secs(3600), async {
        loop {
            watch.changed().await;
            watch.state().await.expect("a state");
        }
    })
    .await;
    let reads = world.reads() - begun;
    assert!(reads <= 3 * 60, "{reads} in an hour");
    assert_fresh(&mut watch, &connection).await;
}

#[rstest]
#[case(SERVICES)]
#[case(NODES)]
#[tokio::test(start_paused = true)]
async fn what_may_be_listed_and_not_watched_is_listed_once_a_minute(#[case] path: &str) {
    let world = World::new();
    world.refuse_watches(path);
    let (mut watch, connection) = watched(&world).await;
    assert!(!changes(&mut watch, 50).await);
    assert_eq!(world.lists(path), 1);
    world.put_silently(path, if path == NODES { node("n9") } else { service("shop", "new") });
    assert!(changes(&mut watch, 60).await);
    assert_eq!(world.lists(path), 2);
    assert!(watch.staleness().is_none());
    assert_fresh(&mut watch, &connection).await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn what_may_not_be_listed_is_a_limit_as_in_a_fresh_reading(
    #[values(NODES, SLICES, DEPLOYMENTS, SCALERS, NAMESPACES)] path: &str,
    #[values(Failure::Status(403), Failure::Status(404))] failure: Failure,
) {
    let world = World::new();
    world.fail(path, failure);
    let (mut watch, connection) = watched(&world).await;
    assert_fresh(&mut watch, &connection).await;
    let asked = world.requests_to(path);
    assert!(!changes(&mut watch, 140).await);
    assert!(world.requests_to(path) <= asked + 1, "it is hardly asked for again");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_watch_all_services_watches_those_of_one_namespace() {
    let world = World::new();
    world.only_namespace("shop");
    let (mut watch, connection) = watched(&world).await;
    assert_fresh(&mut watch, &connection).await;
    world.put(SERVICES, service("shop", "new"));
    assert!(changes(&mut watch, 10).await);
    assert_fresh(&mut watch, &connection).await;
    let ClusterState { loaded, limits } = watch.state().await.expect("a state");
    let told = limits.iter().filter(|limit| limit.message.contains("outside namespace shop"));
    assert_eq!(told.count(), 1, "{limits:?}");
    let cluster = &loaded.snapshot.clusters[0];
    assert!(cluster.knows_services_of("shop") && !cluster.knows_services_of("other"));
}

#[tokio::test(start_paused = true)]
async fn many_namespaces_are_watched_together() {
    let world = World::new();
    for number in 0..12 {
        world.put(SERVICES, service(&format!("ns-{number}"), "web"));
        world.put(SLICES, slice(&format!("ns-{number}"), "web", true));
        world.put(DEPLOYMENTS, workload(&format!("ns-{number}"), "web", 30));
    }
    let (mut watch, connection) = watched(&world).await;
    assert_fresh(&mut watch, &connection).await;
    assert!(world.open_watches() < 12, "{}", world.open_watches());
    world.put(SLICES, slice("elsewhere", "other", true));
    assert!(!changes(&mut watch, 10).await, "of another namespace");
    world.put(SLICES, slice("ns-3", "web", false));
    assert!(changes(&mut watch, 10).await);
    assert_fresh(&mut watch, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn a_namespace_that_loses_its_last_migrated_service_is_not_watched_any_more() {
    let world = World::new();
    world.put(SERVICES, service("brief", "web"));
    let (mut watch, connection) = watched(&world).await;
    let open = world.open_watches();
    world.delete(SERVICES, &service("brief", "web"));
    watch.changed().await;
    assert_fresh(&mut watch, &connection).await;
    assert!(!changes(&mut watch, 1).await);
    assert!(world.open_watches() < open, "{} of {open}", world.open_watches());
}

#[tokio::test(start_paused = true)]
async fn pods_that_endpoints_wait_for_are_read_at_once_and_then_once_a_minute() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    world.put(SLICES, slice("shop", "web", false));
    watch.changed().await;
    assert_fresh(&mut watch, &connection).await;
    let pods = "/api/v1/namespaces/shop/pods";
    let read = world.reads_of(pods);
    let _ = timeout(Duration::from_secs(600), async {
        loop {
            watch.changed().await;
            watch.state().await.expect("a state");
        }
    })
    .await;
    let again = world.reads_of(pods) - read;
    assert!((8..=11).contains(&again), "{again} in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn of_one_namespace_only_what_shares_a_group_with_it_is_watched() {
    let mapped = |namespace: &str, name: &str, group: &str| {
        annotated(
            service(namespace, name),
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port",
            &format!("{group}:80"),
        )
    };
    let options = ReadOptions { is_only_namespace: true, ..OPTIONS };
    let world = World::new();
    world.put(SERVICES, mapped("shop", "web", "rsp-bp1a"));
    world.put(SERVICES, mapped("other", "api", "rsp-bp1b"));
    let connection = world.connection();
    let mut watch = ClusterWatch::new(&connection, options);
    assert_fresh_with(&mut watch, &connection, options).await;
    world.put(SLICES, slice("other", "api", false));
    assert!(!changes(&mut watch, 10).await, "nobody looks at it");
    world.put(SERVICES, mapped("other", "api", "rsp-bp1a"));
    assert!(changes(&mut watch, 10).await);
    assert_fresh_with(&mut watch, &connection, options).await;
}
