//! What becomes of established connections.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::data_plane::{Connection, DataPlaneFixture, SECOND, until};

const DRAIN: Duration = SECOND.saturating_mul(60);

/// Two connections, one with each server.
async fn connections(fixture: &DataPlaneFixture) -> (Connection, Connection) {
    let one = Connection::new(fixture.address).await.expect("a server");
    let other = Connection::new(fixture.address).await.expect("a server");
    if one.server == "i-1" { (one, other) } else { (other, one) }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_drain_connections_live_on_at_weight_0_and_end_at_removal() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({"connectionDrain": false})).await;
    let (mut first, mut second) = connections(&fixture).await;
    fixture.set_weight(0, 0).await;
    let later = Connection::new(fixture.address).await.expect("a server");
    assert_eq!(later.server, "i-2", "weight 0 takes no new connection");
    assert!(first.is_alive().await);
    let begin = Instant::now();
    while begin.elapsed() < DRAIN * 2 {
        assert!(first.is_alive().await);
        tokio::time::sleep(DRAIN / 8).await;
    }
    fixture.remove(0).await;
    first.until_cut().await;
    assert!(second.is_alive().await, "the other one is not touched");
    until("it is counted", async || fixture.report().backends[0].cut == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_drain_connections_end_after_its_time_at_weight_0() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let fixture = DataPlaneFixture::new(&[50, 50], listener).await;
    let (mut first, mut second) = connections(&fixture).await;
    let begin = Instant::now();
    fixture.set_weight(0, 0).await;
    assert!(first.is_alive().await, "not at once");
    assert!(first.until_cut().await.duration_since(begin) >= DRAIN);
    assert!(second.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_drain_connections_end_after_its_time_at_removal() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let fixture = DataPlaneFixture::new(&[50, 50], listener).await;
    let (mut first, mut second) = connections(&fixture).await;
    let begin = Instant::now();
    fixture.remove(0).await;
    assert!(first.is_alive().await, "not at once");
    assert!(first.until_cut().await.duration_since(begin) >= DRAIN);
    assert!(second.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_comes_back_in_time_keeps_its_connections() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let fixture = DataPlaneFixture::new(&[50, 50], listener).await;
    let (mut first, second) = connections(&fixture).await;
    fixture.set_weight(0, 0).await;
    fixture.set_weight(0, 50).await;
    // The other one's drain begins later: when it ends, the first one's would have ended.
    fixture.set_weight(1, 0).await;
    second.until_cut().await;
    assert!(first.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_turned_off_cuts_nothing_any_more() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let fixture = DataPlaneFixture::new(&[50, 50], listener).await;
    let (mut first, second) = connections(&fixture).await;
    fixture.set_weight(0, 0).await;
    fixture.edit_listener(|listener| listener.connection_drain = false);
    let begin = Instant::now();
    while begin.elapsed() < DRAIN * 2 {
        assert!(first.is_alive().await);
        tokio::time::sleep(DRAIN / 8).await;
    }
    fixture.edit_group(|group| group.backends.clear());
    first.until_cut().await;
    second.until_cut().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_with_the_double() {
    let fixture = DataPlaneFixture::new(&[1], json!({})).await;
    let connection = Connection::new(fixture.address).await.expect("a server");
    let address = fixture.address;
    drop(fixture);
    connection.until_cut().await;
    until("nobody listens", async || Connection::new(address).await.is_err()).await;
}
