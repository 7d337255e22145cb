//! Who gets how many connections.

use serde_json::json;

use crate::data_plane::{Connection, DataPlaneFixture, until};

#[tokio::test(flavor = "multi_thread")]
async fn wrr_serves_exactly_by_weight_in_each_round_of_as_many_connections_as_all_weights() {
    let fixture = DataPlaneFixture::new(&[26, 26, 26, 10, 10], json!({"scheduler": "wrr"})).await;
    for _ in 0..3 {
        assert_eq!(fixture.served(98).await, [26, 26, 26, 10, 10]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rr_serves_alike_whatever_the_weights() {
    let fixture = DataPlaneFixture::new(&[90, 5, 5, 1, 50], json!({"scheduler": "rr"})).await;
    for _ in 0..3 {
        assert_eq!(fixture.served(20).await, [4; 5]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wlc_fills_up_by_connections_for_each_unit_of_weight() {
    let fixture = DataPlaneFixture::new(&[20, 10], json!({"scheduler": "wlc"})).await;
    let mut connections = Vec::new();
    for _ in 0..60 {
        connections.push(Connection::new(fixture.address).await.expect("a server"));
    }
    assert_eq!(fixture.totals(), [40, 20]);
    // Whoever loses connections gets the next ones.
    connections.retain(|connection| connection.server != "i-2");
    until("the connections have ended", async || fixture.report().backends[1].open == 0).await;
    for _ in 0..20 {
        let connection = Connection::new(fixture.address).await.expect("a server");
        assert_eq!(connection.server, "i-2");
        connections.push(connection);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_weights_counts_from_the_next_connection() {
    let fixture = DataPlaneFixture::new(&[50, 50, 0], json!({})).await;
    assert_eq!(fixture.served(100).await, [50, 50, 0]);
    fixture.set_weight(2, 100).await;
    assert_eq!(fixture.served(200).await, [50, 50, 100]);
    fixture.set_weight(0, 0).await;
    fixture.set_weight(1, 0).await;
    assert_eq!(fixture.served(50).await, [0, 0, 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rr_gives_nothing_to_weight_0() {
    let fixture = DataPlaneFixture::new(&[1, 0, 9], json!({"scheduler": "rr"})).await;
    assert_eq!(fixture.served(100).await, [50, 0, 50]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_without_weight_refuses() {
    let fixture = DataPlaneFixture::new(&[0, 0], json!({})).await;
    assert!(Connection::new(fixture.address).await.is_err());
    assert_eq!(fixture.report().refused, 1);
    fixture.edit_group(|group| group.backends.clear());
    assert!(Connection::new(fixture.address).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_stays_with_its_backend_where_the_listener_says_so() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({"persistenceTimeout": 3600})).await;
    let first = Connection::new(fixture.address).await.expect("a server").server;
    let mut served = fixture.served(20).await;
    assert_eq!(served.remove(usize::from(first == "i-2")), 20);
    assert_eq!(served, [0]);
    // Not longer than it may take connections.
    fixture.set_weight(usize::from(first == "i-2"), 0).await;
    assert_ne!(Connection::new(fixture.address).await.expect("a server").server, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_forwards_while_it_runs() {
    let fixture = DataPlaneFixture::new(&[1], json!({})).await;
    let mut connection = Connection::new(fixture.address).await.expect("a server");
    assert!(connection.is_alive().await);
    let params = [("LoadBalancerId", "lb-1"), ("ListenerPort", "18080")];
    fixture.client.slb("StopLoadBalancerListener", &params).await.done();
    connection.until_cut().await;
    until("nobody listens", async || Connection::new(fixture.address).await.is_err()).await;
    assert!(!fixture.report().forwards);
    fixture.client.slb("StartLoadBalancerListener", &params).await.done();
    until("it forwards again", async || Connection::new(fixture.address).await.is_ok()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn thousands_of_connections_are_open_at_once() {
    const MANY: u64 = 2000;
    let fixture = DataPlaneFixture::new(&[70, 30], json!({})).await;
    let mut connections = Vec::new();
    for _ in 0..MANY {
        connections.push(Connection::new(fixture.address).await.expect("a server"));
    }
    let open = fixture.report().backends.iter().map(|one| one.open).collect::<Vec<_>>();
    assert_eq!(open, [1400, 600]);
    for connection in &mut connections {
        assert!(connection.is_alive().await);
    }
    drop(connections);
    until("all are closed", async || fixture.report().backends.iter().all(|one| one.open == 0))
        .await;
}
