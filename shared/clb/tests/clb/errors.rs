//! Every kind of refusal, as somebody at a terminal meets it.

use std::time::Duration;

use clbmigrate_clb::{Error, ErrorKind};
use rstest::rstest;
use serde_json::json;

use crate::{
    environment::{FakeEnvironment, client},
    server::{Reply, Server},
};

/// The error of a read that is refused for good.
async fn refused(reply: Reply) -> Error {
    let server = Server::script(vec![reply]).await;
    let error = client(&server).await.groups("lb-bp1example").await.expect_err("refused");
    assert_eq!(server.seen().len(), 1, "a refusal is final");
    error
}

#[rstest]
#[case(
    400,
    "SignatureDoesNotMatch",
    ErrorKind::Signature,
    "access key secret is complete: environment"
)]
#[case(
    404,
    "InvalidAccessKeyId.NotFound",
    ErrorKind::Unauthorized,
    "exists and is enabled: environment"
)]
#[case(400, "InvalidSecurityToken.Expired", ErrorKind::Expired, "renew the STS token: environment")]
#[case(403, "Forbidden.RAM", ErrorKind::Forbidden, "slb:DescribeVServerGroups")]
#[case(
    404,
    "InvalidLoadBalancerId.NotFound",
    ErrorKind::NotFound,
    "the region (endpoint 127.0.0.1"
)]
#[case(400, "QuotaExceeded", ErrorKind::Quota, "Quota Center")]
#[tokio::test]
async fn a_refusal_is_told_with_api_code_request_and_what_to_do(
    #[case] status: u16,
    #[case] code: &str,
    #[case] kind: ErrorKind,
    #[case] hint: &str,
) {
    let error = refused(Reply::refusal(status, code, "The server's words.")).await;
    assert_eq!(error.kind, kind);
    assert_eq!((error.code(), error.request_id()), (Some(code), Some("R-1")));
    let text = error.to_string();
    assert!(text.starts_with("DescribeVServerGroups: "), "{text}");
    assert!(text.ends_with(&format!("({code}, request R-1)")), "{text}");
    assert!(error.hints.iter().any(|line| line.contains(hint)), "{:?}", error.hints);
    assert!(!error.is_lost_answer() && !error.is_transient());
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_the_server_s() {
    let refusal =
        json!({"Code": "InvalidTimeStamp.Expired", "Message": "expired", "RequestId": "R-1"});
    let reply = Reply::At("Fri, 02 Jan 2026 02:04:05 GMT", 400, refusal);
    let server = Server::script(vec![reply]).await;
    let environment = FakeEnvironment::with_keys().at("2026-01-02T03:04:05Z");
    let clb = environment.connect(&server).await.expect("a client");
    let error = clb.groups("lb-bp1example").await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::ClockSkew);
    assert_eq!(
        error.message,
        "this machine's clock is 60 min ahead of the cloud's, 15 min are allowed"
    );
    assert_eq!(server.seen()[0].headers["x-acs-date"], "2026-01-02T03:04:05Z");
}

#[tokio::test]
async fn throttling_is_sat_out() {
    let throttled = Reply::refusal(503, "Throttling.Api", "slow down");
    let groups = Reply::ok(json!({"VServerGroups": {"VServerGroup": []}}));
    let server = Server::script(vec![throttled.clone(), throttled, groups]).await;
    client(&server).await.groups("lb-bp1example").await.expect("the third attempt");
    assert_eq!(server.seen().len(), 3);
}

#[tokio::test]
async fn throttling_without_end_is_told_with_the_attempts_that_were_made() {
    let server = Server::script(vec![Reply::Text(429, "")]).await;
    let clb = client(&server).await.with_operation_timeout(Duration::from_secs(2));
    let error = clb.groups("lb-bp1example").await.expect_err("throttled");
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert!(error.is_throttled() && !error.is_lost_answer());
    let attempts = server.seen().len();
    assert!(attempts > 1);
    let last = error.hints.last().expect("a hint");
    assert!(last.starts_with(&format!("given up after {attempts} attempts")), "{last}");
}

#[tokio::test]
async fn a_busy_clb_is_asked_again() {
    let busy = Reply::refusal(400, "OperationBusy", "busy");
    let groups = Reply::ok(json!({"VServerGroups": {"VServerGroup": []}}));
    let server = Server::script(vec![busy, groups]).await;
    client(&server).await.groups("lb-bp1example").await.expect("the second attempt");
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_told_as_malformed() {
    let error = refused(Reply::Text(200, "<html>log in to the hotel's network</html>")).await;
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        "DescribeVServerGroups: the answer is not what the API promises: expected value"
    );
}

#[tokio::test]
async fn an_answer_with_a_hole_is_told_by_its_place() {
    let groups = json!({"VServerGroups": {"VServerGroup": [{"VServerGroupName": "a"}]}});
    let error = refused(Reply::ok(groups)).await;
    let told = "VServerGroups.VServerGroup[0].VServerGroupId is missing";
    assert!(error.message.ends_with(told), "{error}");
}

#[tokio::test]
async fn secrets_that_a_server_repeats_are_not_passed_on() {
    let words = "no: secret-1 and token-1 with LTAIexample";
    let server = Server::script(vec![Reply::refusal(400, "InvalidParameter", words)]).await;
    let environment =
        FakeEnvironment::with_keys().variable("ALIBABA_CLOUD_SECURITY_TOKEN", "token-1");
    let clb = environment.connect(&server).await.expect("a client");
    let error = clb.groups("lb-bp1example").await.expect_err("refused");
    assert_eq!(error.message, "no: *** and *** with LTAIexample");
    let debug = format!("{clb:?} {error:?}");
    assert!(!debug.contains("secret-1") && !debug.contains("token-1"), "{debug}");
}
