//! Every kind of refusal, as somebody at a terminal meets it.

use std::time::Duration;

use clbmigrate_clb::{Error, ErrorKind};
use clbmigrate_clb_double::{Fault, FaultEffect};
use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::json;

use crate::{
    cloud::{CLB, TestCloud, refusal},
    environment::FakeEnvironment,
};

const READ: &str = "DescribeVServerGroups";

/// The error of a read that is refused for good, and the id of its request.
async fn refused(fault: FaultEffect) -> (Error, String) {
    let cloud = TestCloud::with_fault(READ, fault).await;
    let error = cloud.client().await.groups(CLB).await.expect_err("refused");
    let calls = cloud.calls();
    assert_eq!(calls.len(), 1, "a refusal is final");
    (error, calls[0].request_id.clone())
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
    let (error, request) = refused(refusal(status, code, "The server's words.")).await;
    assert_eq!(error.kind, kind);
    assert_eq!((error.code(), error.request_id()), (Some(code), Some(request.as_str())));
    let text = error.to_string();
    assert!(text.starts_with("DescribeVServerGroups: "), "{text}");
    assert!(text.ends_with(&format!("({code}, request {request})")), "{text}");
    assert!(error.hints.iter().any(|line| line.contains(hint)), "{:?}", error.hints);
    assert!(!error.is_lost_answer() && !error.is_transient());
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_told_by_the_server_s() {
    let cloud = TestCloud::with_backends(1).await;
    // An hour, and half of the next minute, since the server's clock goes on.
    let ahead = Timestamp::now() + SignedDuration::from_secs(3630);
    let environment = FakeEnvironment::with_access_key().at(&ahead.to_string());
    let clb = cloud.connect(environment).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("refused");
    assert_eq!(error.kind, ErrorKind::ClockSkew);
    assert_eq!(
        error.message,
        "this machine's clock is 60 min ahead of the cloud's, 15 min are allowed"
    );
}

#[tokio::test]
async fn throttling_is_sat_out() {
    let cloud = TestCloud::with_backends(1).await;
    cloud.fault(Fault::new(refusal(503, "Throttling.Api", "slow down")).for_action(READ).times(2));
    cloud.client().await.groups(CLB).await.expect("the third attempt");
    assert_eq!(cloud.calls().len(), 3);
}

#[tokio::test]
async fn throttling_without_end_is_told_with_the_attempts_that_were_made() {
    let cloud = TestCloud::with_fault(READ, refusal(429, "", "")).await;
    let clb = cloud.client().await.with_operation_timeout(Duration::from_secs(2));
    let error = clb.groups(CLB).await.expect_err("throttled");
    assert_eq!(error.kind, ErrorKind::Throttled);
    assert!(error.is_throttled() && !error.is_lost_answer());
    let attempts = cloud.calls().len();
    assert!(attempts > 1);
    let last = error.hints.last().expect("a hint");
    assert!(last.starts_with(&format!("given up after {attempts} attempts")), "{last}");
}

#[tokio::test]
async fn a_busy_clb_is_asked_again() {
    let cloud = TestCloud::with_backends(1).await;
    cloud.fault(Fault::new(refusal(400, "OperationBusy", "busy")).for_action(READ).times(1));
    cloud.client().await.groups(CLB).await.expect("the second attempt");
    assert_eq!(cloud.calls().len(), 2);
}

#[tokio::test]
async fn an_answer_that_is_no_json_is_told_as_malformed() {
    let html = "<html>log in to the hotel's network</html>".to_owned();
    let (error, _) = refused(FaultEffect::WrongAnswer(html)).await;
    assert_eq!(error.kind, ErrorKind::Malformed);
    assert_eq!(
        error.to_string(),
        "DescribeVServerGroups: the answer is not what the API promises: expected value"
    );
}

#[tokio::test]
async fn an_answer_with_a_hole_is_told_by_its_place() {
    let groups = json!({"VServerGroups": {"VServerGroup": [{"VServerGroupName": "a"}]}});
    let (error, _) = refused(FaultEffect::WrongAnswer(groups.to_string())).await;
    let place = "VServerGroups.VServerGroup[0].VServerGroupId is missing";
    assert!(error.message.ends_with(place), "{error}");
}

#[tokio::test]
async fn secrets_that_a_server_repeats_are_not_passed_on() {
    let words = "no: secret-1 and token-1 with LTAIexample";
    let cloud = TestCloud::with_fault(READ, refusal(400, "InvalidParameter", words)).await;
    let environment =
        FakeEnvironment::with_access_key().variable("ALIBABA_CLOUD_SECURITY_TOKEN", "token-1");
    let clb = cloud.connect(environment).await.expect("a client");
    let error = clb.groups(CLB).await.expect_err("refused");
    assert_eq!(error.message, "no: *** and *** with LTAIexample");
    let debug = format!("{clb:?} {error:?}");
    assert!(!debug.contains("secret-1") && !debug.contains("token-1"), "{debug}");
}
