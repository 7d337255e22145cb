//! What becomes of established connections.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::site::{SECOND, Site, Visit, until};

const DRAIN: Duration = SECOND.saturating_mul(60);

/// Two visits, one with each server.
async fn visits(site: &Site) -> (Visit, Visit) {
    let one = Visit::new(site.address).await.expect("a server");
    let other = Visit::new(site.address).await.expect("a server");
    if one.server == "i-1" { (one, other) } else { (other, one) }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_drain_connections_live_on_at_weight_0_and_end_at_removal() {
    let site = Site::new(&[50, 50], json!({"connectionDrain": false})).await;
    let (mut first, mut second) = visits(&site).await;
    site.set_weight(0, 0).await;
    let later = Visit::new(site.address).await.expect("a server");
    assert_eq!(later.server, "i-2", "weight 0 takes no new connection");
    assert!(first.lives().await);
    let begin = Instant::now();
    while begin.elapsed() < DRAIN * 2 {
        assert!(first.lives().await);
        tokio::time::sleep(DRAIN / 8).await;
    }
    site.remove(0).await;
    first.cut().await;
    assert!(second.lives().await, "the other one is not touched");
    until("it is counted", async || site.report().backends[0].cut == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_drain_connections_end_after_its_time_at_weight_0() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let site = Site::new(&[50, 50], listener).await;
    let (mut first, mut second) = visits(&site).await;
    let begin = Instant::now();
    site.set_weight(0, 0).await;
    assert!(first.lives().await, "not at once");
    assert!(first.cut().await.duration_since(begin) >= DRAIN);
    assert!(second.lives().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_drain_connections_end_after_its_time_at_removal() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let site = Site::new(&[50, 50], listener).await;
    let (mut first, mut second) = visits(&site).await;
    let begin = Instant::now();
    site.remove(0).await;
    assert!(first.lives().await, "not at once");
    assert!(first.cut().await.duration_since(begin) >= DRAIN);
    assert!(second.lives().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_comes_back_in_time_keeps_its_connections() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let site = Site::new(&[50, 50], listener).await;
    let (mut first, second) = visits(&site).await;
    site.set_weight(0, 0).await;
    site.set_weight(0, 50).await;
    // The other one's drain begins later: when it ends, the first one's would have ended.
    site.set_weight(1, 0).await;
    second.cut().await;
    assert!(first.lives().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_drain_that_is_turned_off_cuts_nothing_any_more() {
    let listener = json!({"connectionDrain": true, "connectionDrainTimeout": 60});
    let site = Site::new(&[50, 50], listener).await;
    let (mut first, second) = visits(&site).await;
    site.set_weight(0, 0).await;
    site.edit_listener(|listener| listener.connection_drain = false);
    let begin = Instant::now();
    while begin.elapsed() < DRAIN * 2 {
        assert!(first.lives().await);
        tokio::time::sleep(DRAIN / 8).await;
    }
    site.edit_group(|group| group.backends.clear());
    first.cut().await;
    second.cut().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_end_with_the_double() {
    let site = Site::new(&[1], json!({})).await;
    let visit = Visit::new(site.address).await.expect("a server");
    let address = site.address;
    drop(site);
    visit.cut().await;
    until("nobody listens", async || Visit::new(address).await.is_err()).await;
}
