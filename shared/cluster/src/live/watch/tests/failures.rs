//! Watches that end, and servers that fail.

use std::time::Duration;

use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};

use super::{
    NODES, OPTIONS, SERVICES, assert_fresh, assert_same, changes,
    objects::{node, service},
    shown, watched,
    world::{Failure, World},
};
use crate::live::watch::ClusterWatch;

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

#[tokio::test(start_paused = true)]
async fn rights_that_are_taken_away_become_a_limit() {
    let world = World::new();
    let (mut watch, connection) = watched(&world).await;
    world.fail(NODES, Failure::Status(403));
    world.end(NODES);
    assert!(changes(&mut watch, 120).await);
    assert_fresh(&mut watch, &connection).await;
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
