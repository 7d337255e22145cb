//! Weights that are written, and writes that fail.

use std::time::Duration;

use clbmigrate_clb::{BackendKey, ErrorKind};
use clbmigrate_clb_double::{Fault, FaultEffect};
use serde_json::{Value, json};

use crate::{
    cloud::{GROUP, TestCloud, options, refusal, weights},
    environment::FakeEnvironment,
    raw_server::{RawAnswer, RawServer},
};

const READ: &str = "DescribeVServerGroupAttribute";
const WRITE: &str = "SetVServerGroupAttribute";

/// A cloud whose `number`th write, counted from 0, meets this fault.
async fn with_fault(backends: usize, number: u32, fault: FaultEffect) -> TestCloud {
    let cloud = TestCloud::with_backends(backends).await;
    cloud.fault(Fault::new(fault).for_action(WRITE).after(number).times(1));
    cloud
}

#[tokio::test]
async fn weights_are_written_in_batches_of_20_with_everything_else_kept() {
    let cloud = TestCloud::with_backends(45).await;
    let changes = cloud.client().await.set_weights(GROUP, &weights(45, 30)).await;
    let changes = changes.expect("written");
    assert_eq!(changes.len(), 45);
    assert_eq!((changes[0].from, changes[0].to.get()), (10, 30));
    assert!(cloud.weights().iter().all(|(_, weight)| *weight == 30));
    assert_eq!(cloud.actions(), [READ, WRITE, WRITE, WRITE]);
    for call in cloud.calls().iter().filter(|call| call.action == WRITE) {
        let elements: Vec<Value> =
            serde_json::from_str(&call.parameters["BackendServers"]).expect("JSON");
        assert!(elements.len() <= 20, "{} backends in one call", elements.len());
        for element in &elements {
            assert_eq!(element["Description"], "by hand");
            assert_eq!(element["Type"], "ecs");
            assert_eq!(element["Port"], 80);
        }
    }
}

#[tokio::test]
async fn a_weight_that_is_there_already_is_not_written() {
    let cloud = TestCloud::with_backends(2).await;
    let changes = cloud.client().await.set_weights(GROUP, &weights(2, 10)).await;
    assert_eq!(changes.expect("nothing to do"), []);
    assert_eq!(cloud.actions(), [READ]);
}

#[tokio::test]
async fn a_backend_that_is_not_in_the_group_stops_the_write_before_it_begins() {
    let cloud = TestCloud::with_backends(2).await;
    let error = cloud.client().await.set_weights(GROUP, &weights(3, 30)).await;
    let error = error.expect_err("i-02 is not there");
    assert_eq!(error.error.kind, ErrorKind::NotFound);
    assert_eq!(error.to_string(), "i-02:80 is not in group rsp-bp1example; no weight was written");
    assert_eq!(cloud.actions(), [READ]);
}

#[tokio::test]
async fn a_write_that_is_throttled_is_repeated() {
    let cloud = TestCloud::with_backends(2).await;
    cloud.fault(Fault::new(FaultEffect::Throttle {}).for_action(WRITE).times(2));
    let changes = cloud.client().await.set_weights(GROUP, &weights(2, 30)).await;
    assert_eq!(changes.expect("written").len(), 2);
    assert_eq!(cloud.actions(), [READ, WRITE, WRITE, WRITE]);
}

#[tokio::test]
async fn a_write_whose_answer_is_lost_is_reported_and_never_repeated() {
    let garbage = "<html>log in to the hotel's network</html>".to_owned();
    let faults = [
        FaultEffect::LoseAnswer {},
        FaultEffect::BadGateway {},
        FaultEffect::WrongAnswer(garbage),
        refusal(503, "ServiceUnavailable", "temporary failure"),
        refusal(503, "", ""),
    ];
    for fault in faults {
        let cloud = with_fault(2, 0, fault.clone()).await;
        let error = cloud.client().await.set_weights(GROUP, &weights(2, 30)).await;
        let error = error.expect_err("a lost answer");
        assert!(error.is_lost_answer() && error.error.is_lost_answer(), "{fault:?}");
        assert_eq!((error.written.len(), error.unknown.len()), (0, 2));
        assert_eq!(cloud.actions(), [READ, WRITE], "{fault:?}");
    }
}

#[tokio::test]
async fn a_gateway_s_503_or_502_leaves_unknown_whether_the_write_was_carried_out() {
    let backend = json!({
        "ServerId": "i-00", "Port": 80, "Weight": 10, "Type": "ecs", "Description": "by hand",
    });
    let group = json!({
        "VServerGroupId": GROUP, "BackendServers": {"BackendServer": [backend]},
    });
    for status in [502, 503] {
        let answers = vec![
            RawAnswer::http(200, &group.to_string()),
            RawAnswer::http(status, "<html>Service Temporarily Unavailable</html>"),
        ];
        let server = RawServer::start(answers).await;
        let environment = FakeEnvironment::with_access_key();
        let clb = environment.connect_with(options(&server.http())).await.expect("a client");
        let error = clb.set_weights(GROUP, &weights(1, 30)).await.expect_err("a lost answer");
        assert_eq!(error.error.kind, ErrorKind::ServerError, "{status}");
        assert_eq!((error.unknown.len(), error.not_written.len()), (1, 0), "{status}");
        assert_eq!(server.requests().len(), 2, "{status}: it is not repeated");
    }
}

#[tokio::test]
async fn a_write_that_is_not_answered_in_time_is_a_lost_answer() {
    let cloud = with_fault(2, 0, FaultEffect::DelayMs(600_000)).await;
    let clb = cloud.client().await.with_operation_timeout(Duration::from_secs(4));
    let error = clb.set_weights(GROUP, &weights(2, 30)).await.expect_err("late");
    assert_eq!(error.error.kind, ErrorKind::Timeout);
    assert!(error.is_lost_answer());
    assert_eq!(cloud.actions(), [READ, WRITE]);
}

#[tokio::test]
async fn a_write_that_fails_in_the_middle_tells_what_is_done_and_what_is_not() {
    let cloud = with_fault(45, 1, refusal(403, "Forbidden.RAM", "not authorized")).await;
    let error = cloud.client().await.set_weights(GROUP, &weights(45, 30)).await;
    let error = error.expect_err("forbidden");
    let sizes = (error.written.len(), error.unknown.len(), error.not_written.len());
    assert_eq!(sizes, (20, 0, 25));
    let calls = cloud.calls();
    let request = &calls.last().expect("a call").request_id;
    assert_eq!(
        error.to_string(),
        format!(
            "SetVServerGroupAttribute: not authorized (Forbidden.RAM, request {request}); 20 weights are written, 25 are not"
        )
    );
    assert_eq!(error.not_written[0].backend, BackendKey::ecs("i-20", 80), "in the order given");
    assert_eq!(cloud.weights().iter().filter(|(_, weight)| *weight == 30).count(), 20);
}

#[tokio::test]
async fn nothing_to_write_asks_nobody() {
    let cloud = TestCloud::with_backends(1).await;
    let changes = cloud.client().await.set_weights(GROUP, &[]).await;
    assert_eq!(changes.expect("nothing to do"), []);
    assert_eq!(cloud.actions(), [""; 0]);
}
