//! What goes wrong on demand.

use std::time::{Duration, Instant};

use clbmigrate_clb_double::{Fault, FaultEffect};
use serde_json::{Value, json};

use crate::client::SLB;
use crate::client::{Client, plain};
use crate::fixture::Fixture;

const READ: &str = "DescribeVServerGroups";
const LB: [(&str, &str); 1] = [("LoadBalancerId", "lb-1")];
const RENAME: &str = "SetLoadBalancerName";
const RENAMED: [(&str, &str); 2] = [("LoadBalancerId", "lb-1"), ("LoadBalancerName", "new")];

async fn post(fixture: &Fixture, fault: &Value) {
    let answer = plain(fixture.client.address, "POST", "/faults", &fault.to_string()).await;
    assert_eq!(answer.status, 200, "{}", answer.text);
}

#[tokio::test]
async fn exactly_the_second_call_of_one_action_is_throttled() {
    let fixture = Fixture::new().await;
    post(&fixture, &json!({"action": READ, "skip": 1, "count": 1, "do": {"throttle": {}}})).await;
    fixture.done(READ, &LB).await;
    fixture.done("DescribeLoadBalancerAttribute", &LB).await;
    assert_eq!(fixture.refused(READ, &LB).await, (400, "Throttling.User".to_owned()));
    fixture.done(READ, &LB).await;
    let told = fixture.double.calls().into_iter().map(|call| call.fault).collect::<Vec<_>>();
    assert_eq!(told, [None, None, Some("throttle".to_owned()), None]);
}

#[tokio::test]
async fn a_fault_without_a_count_stays_until_it_is_taken_away() {
    let fixture = Fixture::new().await;
    let error = json!({"error": {"status": 500, "code": "InternalError", "message": "m"}});
    post(&fixture, &json!({"do": error})).await;
    for _ in 0..3 {
        assert_eq!(fixture.refused(READ, &LB).await, (500, "InternalError".to_owned()));
    }
    assert_eq!(plain(fixture.client.address, "DELETE", "/faults", "").await.status, 200);
    fixture.done(READ, &LB).await;
}

#[tokio::test]
async fn a_fault_can_be_one_clients_alone() {
    let fixture = Fixture::new().await;
    fixture.double.fault(Fault::new(FaultEffect::Throttle {}).for_access_key("key-b"));
    fixture.done(READ, &LB).await;
    let other =
        Client { key: "key-b".to_owned(), secret: "secret-b".to_owned(), ..fixture.client.clone() };
    assert_eq!(other.slb(READ, &LB).await.refused(), (400, "Throttling.User".to_owned()));
}

#[tokio::test]
async fn a_bad_gateway_speaks_for_a_call_that_was_carried_out() {
    let fixture = Fixture::new().await;
    fixture.double.fault(Fault::new(FaultEffect::BadGateway {}).for_action(RENAME).times(1));
    let answer = fixture.client.call(SLB, RENAME, &RENAMED).await.expect("an answer");
    assert_eq!(answer.status, 502);
    assert!(answer.text.starts_with("<html>"), "{}", answer.text);
    assert_eq!(fixture.double.state().load_balancers[0].name, "new");
}

#[tokio::test]
async fn a_lost_answer_is_of_a_call_that_was_carried_out() {
    let fixture = Fixture::new().await;
    fixture.double.fault(Fault::new(FaultEffect::LoseAnswer {}).for_action(RENAME).times(1));
    assert!(fixture.client.call(SLB, RENAME, &RENAMED).await.is_err());
    assert_eq!(fixture.double.state().load_balancers[0].name, "new");
    assert_eq!(fixture.double.calls()[0].status, None);
}

#[tokio::test]
async fn a_lost_request_is_not_carried_out() {
    let fixture = Fixture::new().await;
    fixture.double.fault(Fault::new(FaultEffect::LoseRequest {}).for_action(RENAME).times(1));
    assert!(fixture.client.call(SLB, RENAME, &RENAMED).await.is_err());
    assert_eq!(fixture.double.state().load_balancers[0].name, "shop");
    fixture.done(RENAME, &RENAMED).await;
}

#[tokio::test]
async fn a_wrong_answer_is_told_as_it_is_written() {
    let fixture = Fixture::new().await;
    post(&fixture, &json!({"count": 1, "do": {"wrongAnswer": "<html>"}})).await;
    let answer = fixture.client.slb(RENAME, &RENAMED).await;
    assert_eq!((answer.status, answer.text.as_str()), (200, "<html>"));
    assert_eq!(fixture.double.state().load_balancers[0].name, "shop");
}

#[tokio::test]
async fn a_delayed_call_is_carried_out_later_and_holds_up_nobody() {
    let fixture = Fixture::new().await;
    post(&fixture, &json!({"action": RENAME, "count": 1, "do": {"delayMs": 300}})).await;
    let begin = Instant::now();
    let client = fixture.client.clone();
    let late = tokio::spawn(async move { client.slb(RENAME, &RENAMED).await });
    while fixture.double.calls().is_empty() {
        tokio::task::yield_now().await;
    }
    fixture.done(READ, &LB).await;
    assert_eq!(fixture.double.state().load_balancers[0].name, "shop", "it still waits");
    late.await.expect("an answer").done();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert_eq!(fixture.double.state().load_balancers[0].name, "new");
}

#[tokio::test]
async fn a_fault_that_is_none_is_refused_with_its_place() {
    let fixture = Fixture::new().await;
    for (fault, wanted) in [
        (json!({"do": {"explode": {}}}), "explode"),
        (json!({"action": READ}), "missing field `do`"),
        (json!({"count": -1, "do": {"throttle": {}}}), "count"),
        (json!({"actoin": READ, "do": {"throttle": {}}}), "actoin"),
    ] {
        let answer = plain(fixture.client.address, "POST", "/faults", &fault.to_string()).await;
        assert_eq!(answer.status, 400);
        assert!(answer.text.contains(wanted), "{}", answer.text);
    }
    assert!(fixture.double.faults().is_empty());
}
