mod world;

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use self::world::{Failure, World, node, service, slice, with};
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

fn workload(namespace: &str, name: &str, seconds: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": namespace, "labels": {}},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"terminationGracePeriodSeconds": seconds, "containers": [{"name": "c"}]},
            },
        },
    })
}

fn scaler(name: &str, minimum: u32) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"minReplicas": minimum, "maxReplicas": 9,
                 "scaleTargetRef": {"kind": "Deployment", "name": "web"}},
    })
}

fn annotated(object: Value, key: &str, value: &str) -> Value {
    with(object, |object| object["metadata"]["annotations"][key] = json!(value))
}

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
#[case::a_service_that_is_not_for_ccm(SERVICES, with(world::plain(), |service| {
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

#[tokio::test(start_paused = true)]
async fn a_watch_goes_on_from_the_last_bookmark() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    let lists = world.lists(SERVICES);
    world.bookmark(SERVICES, "77");
    assert!(!changes(&mut watch, 1).await);
    world.end(SERVICES);
    assert!(!changes(&mut watch, 30).await);
    let query = world.last_query(SERVICES);
    assert!(query.contains("resourceVersion=77"), "{query}");
    assert_eq!(world.lists(SERVICES), lists);
    world.put(SERVICES, service("shop", "new"));
    assert!(changes(&mut watch, 10).await);
    assert_fresh(&mut watch, &connection).await;
}

#[rstest]
#[case::as_an_event(true)]
#[case::as_an_answer(false)]
#[tokio::test(start_paused = true)]
async fn a_version_that_is_forgotten_costs_one_list(#[case] as_event: bool) {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    let lists = world.lists(NODES);
    world.put_silently(NODES, node("n9"));
    if as_event {
        world.gone(NODES);
    } else {
        world.fail_once(NODES, Failure::Status(410));
        world.end(NODES);
    }
    assert!(changes(&mut watch, 60).await);
    assert_eq!(world.lists(NODES), lists + 1);
    assert!(!world.last_list(NODES).contains("resourceVersion=0"), "the newest is wanted");
    assert_fresh(&mut watch, &connection).await;
    let lists = world.lists(NODES) - 1;
    assert!(!changes(&mut watch, 200).await, "and that is all");
    assert_eq!(world.lists(NODES), lists + 1);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_cut_in_an_event_costs_no_list() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    let lists = world.lists(SERVICES);
    world.cut(SERVICES, "{\"type\":\"MODIFIED\",\"object\":{\"metadata\"");
    assert!(!changes(&mut watch, 60).await, "and is no failure");
    world.put(SERVICES, service("shop", "new"));
    assert!(changes(&mut watch, 60).await);
    assert_eq!(world.lists(SERVICES), lists);
    assert!(watch.staleness().is_none());
    assert_fresh(&mut watch, &connection).await;
}

#[tokio::test(start_paused = true)]
async fn watches_that_end_at_once_are_not_begun_over_and_over() {
    let world = World::new();
    let (mut watch, _) = watched(&world).await;
    world.end_all_at_once(true);
    world.end(SERVICES);
    let asked = world.requests_to(SERVICES);
    assert!(!changes(&mut watch, 600).await);
    let asked = world.requests_to(SERVICES) - asked;
    assert!(asked < 30, "{asked} requests in ten minutes");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_when_to_come_back_is_left_alone() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    world.fail(SERVICES, Failure::Throttled(Some(90)));
    world.end(SERVICES);
    assert!(changes(&mut watch, 20).await, "the failure is told");
    assert!(watch.staleness().is_some_and(|error| error.message.contains("429")));
    watch.state().await.expect("a state");
    let (asked, begun) = (world.requests_to(SERVICES), Instant::now());
    world.heal(SERVICES);
    world.put_silently(SERVICES, service("shop", "new"));
    watch.changed().await;
    assert!(begun.elapsed() >= Duration::from_secs(70), "{:?}", begun.elapsed());
    assert_eq!(world.requests_to(SERVICES), asked + 1);
    assert!(watch.staleness().is_none());
    assert_fresh(&mut watch, &connection).await;
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn a_server_that_fails_is_asked_ever_less_and_what_was_known_stays(
    #[values(Failure::Status(500), Failure::Cut, Failure::Throttled(None), Failure::Status(401))]
    failure: Failure,
) {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    let before = shown(&watch.state().await.expect("a state"));
    let lists = world.all_lists();
    world.fail_everything(failure);
    world.end_everything();
    assert!(changes(&mut watch, 20).await);
    assert!(watch.staleness().is_some());
    let asked = world.requests_to(SERVICES);
    sleep(Duration::from_millis(1)).await;
    let _ = timeout(Duration::from_secs(600), async {
        loop {
            watch.changed().await;
            watch.state().await.expect("a state");
        }
    })
    .await;
    let asked = world.requests_to(SERVICES) - asked;
    assert!(asked < 40, "{asked} in ten minutes");
    assert_eq!(world.all_lists(), lists, "and no list at all");
    assert_same(&shown(&watch.state().await.expect("a state")), &before);
    world.heal_everything();
    world.put_silently(SERVICES, service("shop", "new"));
    while watch.staleness().is_some() {
        watch.changed().await;
        watch.state().await.expect("a state");
    }
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
async fn rights_that_are_taken_away_become_a_limit() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    world.fail(NODES, Failure::Status(403));
    world.end(NODES);
    assert!(changes(&mut watch, 120).await);
    assert_fresh(&mut watch, &connection).await;
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

#[rstest]
#[tokio::test(start_paused = true)]
async fn without_services_there_is_nothing_to_show(
    #[values(Failure::Status(500), Failure::Cut, Failure::Status(403))] failure: Failure,
) {
    let world = World::new();
    world.fail_everything(failure);
    let connection = world.connection();
    let mut watch = ClusterWatch::new(&connection, OPTIONS);
    assert!(watch.state().await.is_err());
    world.heal_everything();
    let again = async {
        while watch.state().await.is_err() {
            watch.changed().await;
        }
    };
    assert!(timeout(Duration::from_secs(700), again).await.is_ok());
    while changes(&mut watch, 400).await {
        watch.state().await.expect("a state");
    }
    if failure != Failure::Status(403) {
        assert_fresh(&mut watch, &connection).await;
    }
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
