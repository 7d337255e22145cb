//! Health checks.

use serde_json::json;

use crate::data_plane::{Connection, DataPlaneFixture, until};

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_that_does_not_answer_is_put_aside_until_it_does() {
    let mut fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    assert_eq!(fixture.health().await, ["normal", "normal"]);
    fixture.stop(0);
    fixture.until_health("abnormal", [0].into_iter()).await;
    assert_eq!(fixture.served(40).await, [0, 40]);
    fixture.restart(0).await;
    fixture.until_health("normal", [0].into_iter()).await;
    assert_eq!(fixture.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_outlive_a_failed_check() {
    let fixture = DataPlaneFixture::new(&[1], json!({})).await;
    let mut connection = Connection::new(fixture.address).await.expect("a server");
    fixture.stop(0);
    fixture.until_health("abnormal", [0].into_iter()).await;
    assert!(connection.is_alive().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_none_is_well_all_are_used() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({"healthCheck": {"port": null}})).await;
    // Where nobody listens: every check fails, though every server answers.
    fixture.edit_listener(|listener| listener.health_check.port = Some(1));
    fixture.until_health("abnormal", 0..2).await;
    assert_eq!(fixture.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_backend_waits_for_its_checks() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    // So slow that the test is over with its connection before they are.
    fixture.edit_listener(|listener| {
        listener.health_check.interval = 50;
        listener.health_check.healthy_threshold = 10;
    });
    let mut back = None;
    fixture.edit_group(|group| back = Some(group.backends.remove(1)));
    // A round of checks without it forgets it; then it has everything before it again.
    until("it is forgotten", async || {
        fixture.edit_group(|group| group.backends.extend(back.clone()));
        let forgotten = fixture.health().await[1] == "unavailable";
        if !forgotten {
            fixture.edit_group(|group| group.backends.truncate(1));
        }
        forgotten
    })
    .await;
    assert_eq!(fixture.served(10).await, [10, 0]);
    fixture.edit_listener(|listener| listener.health_check.interval = 1);
    fixture.until_health("normal", 0..2).await;
    assert_eq!(fixture.served(40).await, [20, 20]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_checks_nothing_is_known_and_all_are_used() {
    let fixture =
        DataPlaneFixture::starting(&[50, 50], json!({"healthCheck": {"enabled": false}})).await;
    assert_eq!(fixture.health().await, ["unavailable", "unavailable"]);
    assert_eq!(fixture.served(40).await, [20, 20]);
    fixture.stop(0);
    // Whoever is sent to it is cut off: nobody has found out.
    let mut failed = 0;
    for _ in 0..10 {
        failed += usize::from(Connection::new(fixture.address).await.is_err());
    }
    assert_eq!(failed, 5);
    // The report comes after the connection was cut.
    until("all failures are reported", async || {
        let one = &fixture.report().backends[0];
        assert_eq!(one.key.server_id, "i-1");
        one.failed == 5
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_an_address_is_unwell() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    fixture.double.edit(|state| state.instances.remove("i-2"));
    fixture.until_health("abnormal", [1].into_iter()).await;
    assert_eq!(fixture.served(10).await, [10, 0]);
}
