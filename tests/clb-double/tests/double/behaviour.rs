//! Effects that come later, and health that a test has set.

use std::time::{Duration, Instant};

use clbmigrate_clb_double::{Behaviour, Health, SetHealth};
use serde_json::{Value, json};

use crate::client::plain;
use crate::data_plane::{Connection, DataPlaneFixture, until};
use crate::fixture::Fixture;

async fn patch(fixture: &DataPlaneFixture, patch: &Value) {
    let answer = plain(fixture.client.address, "PATCH", "/behaviour", &patch.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_weight_is_told_at_once_and_has_its_effect_after_the_delay() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    patch(&fixture, &json!({"effectDelayMs": 400})).await;
    let begin = Instant::now();
    fixture.set_weight(0, 0).await;
    assert_eq!(fixture.double.state().load_balancers[0].groups[0].backends[0].weight, 0);
    let before = fixture.served(4).await;
    if begin.elapsed() < Duration::from_millis(400) {
        assert_eq!(before, [2, 2]);
    }
    until("the weight is in effect", async || fixture.served(4).await == [0, 4]).await;
    assert!(begin.elapsed() >= Duration::from_millis(400));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_delay_all_that_waits_takes_effect() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    patch(&fixture, &json!({"effectDelayMs": 3_600_000})).await;
    fixture.set_weight(0, 0).await;
    fixture.set_weight(1, 100).await;
    fixture.remove(1).await;
    assert_eq!(fixture.served(40).await, [20, 20]);
    patch(&fixture, &json!({"effectDelayMs": null})).await;
    fixture.set_weight(0, 10).await;
    assert_eq!(fixture.served(4).await, [4, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn established_connections_are_cut_when_the_removal_takes_effect() {
    let fixture = DataPlaneFixture::new(&[1], json!({})).await;
    let connection = Connection::new(fixture.address).await.expect("a server");
    patch(&fixture, &json!({"effectDelayMs": 300})).await;
    let begin = Instant::now();
    fixture.remove(0).await;
    let cut = connection.until_cut().await;
    assert!(cut.duration_since(begin) >= Duration::from_millis(300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_whose_health_is_set_is_treated_so_until_it_is_taken_back() {
    let fixture = DataPlaneFixture::new(&[50, 50], json!({})).await;
    for health in ["abnormal", "unavailable"] {
        let set =
            json!([{"serverId": "i-1", "listenerPort": fixture.address.port(), "health": health}]);
        patch(&fixture, &json!({"health": set})).await;
        assert_eq!(fixture.health().await, [health, "normal"]);
        assert_eq!(fixture.served(10).await, [0, 10]);
    }
    let elsewhere = json!([{"loadBalancerId": "lb-other", "health": "abnormal"}]);
    patch(&fixture, &json!({"health": elsewhere})).await;
    assert_eq!(fixture.health().await, ["normal", "normal"]);
    patch(&fixture, &json!({"health": null})).await;
    assert_eq!(fixture.served(10).await, [5, 5]);
}

#[tokio::test]
async fn without_a_data_plane_health_is_what_a_test_sets_where_it_is_checked() {
    let fixture = Fixture::new().await;
    let health = async || {
        let lb = [("LoadBalancerId", "lb-1"), ("ListenerPort", "80")];
        let answer = fixture.done("DescribeHealthStatus", &lb).await;
        let list = answer["BackendServers"]["BackendServer"].as_array().expect("backends").clone();
        list.into_iter().map(|one| one["ServerHealthStatus"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(health().await, ["unavailable", "unavailable"]);
    let set =
        vec![SetHealth::of_server("i-2", Health::Abnormal), SetHealth::of_all(Health::Normal)];
    fixture.double.set_behaviour(Behaviour { health: set, ..Behaviour::default() });
    assert_eq!(health().await, ["normal", "abnormal"]);
    fixture.double.edit(|state| {
        state.load_balancers[0].listeners[0].health_check.enabled = false;
    });
    assert_eq!(health().await, ["unavailable", "unavailable"]);
}

#[tokio::test]
async fn a_behaviour_that_makes_no_sense_is_refused_and_changes_nothing() {
    let fixture = Fixture::new().await;
    for (wrong, named) in [
        (json!({"effectDelay": 1}), "effectDelay"),
        (json!({"effectDelayMs": -1}), "-1"),
        (json!({"health": [{"server": "i-1"}]}), "server"),
        (json!({"health": [{"health": "well"}]}), "well"),
    ] {
        let answer = plain(fixture.client.address, "PATCH", "/behaviour", &wrong.to_string()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains(named), "{}", answer.text);
    }
    let told = plain(fixture.client.address, "GET", "/behaviour", "").await.json();
    assert_eq!(told, json!({"effectDelayMs": 0, "health": []}));
}
