//! Both signatures, good and bad, in every way that a request can carry them.

use http::Method;
use jiff::SignedDuration;
use rstest::rstest;

use crate::client::{Client, ParameterLocation, SignatureMethod};
use crate::fixture::Fixture;

const READ: &str = "DescribeVServerGroups";
const LB: [(&str, &str); 1] = [("LoadBalancerId", "lb-1")];

async fn refused(client: &Client) -> (u16, String) {
    client.slb(READ, &LB).await.refused()
}

#[rstest]
#[tokio::test]
async fn a_signed_call_is_carried_out(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
    #[values(Method::GET, Method::POST, Method::PUT)] method: Method,
    #[values(ParameterLocation::Query, ParameterLocation::Form)] parameters_in: ParameterLocation,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, method, parameters_in, ..fixture.client.clone() };
    let answer = client.slb(READ, &LB).await.done();
    assert_eq!(answer["VServerGroups"]["VServerGroup"][0]["VServerGroupId"], "rsp-a");
    // What needs encoding is signed as it is sent.
    let name = "a b+c*/é=&~";
    client
        .slb("SetLoadBalancerName", &[("LoadBalancerId", "lb-1"), ("LoadBalancerName", name)])
        .await
        .done();
    assert_eq!(fixture.double.state().load_balancers[0].name, name);
}

#[rstest]
#[tokio::test]
async fn a_wrong_secret_is_refused(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, secret: "wrong".to_owned(), ..fixture.client };
    assert_eq!(refused(&client).await, (400, "SignatureDoesNotMatch".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_key_that_nobody_has_is_refused(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, key: "key-x".to_owned(), ..fixture.client };
    assert_eq!(refused(&client).await, (404, "InvalidAccessKeyId.NotFound".to_owned()));
}

#[rstest]
#[tokio::test]
async fn a_clock_that_is_off_by_more_than_15_minutes_is_refused(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
    #[values(-16, 16)] minutes: i64,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, ahead: SignedDuration::from_mins(minutes), ..fixture.client };
    assert_eq!(refused(&client).await, (400, "InvalidTimeStamp.Expired".to_owned()));
    let nearly = Client { ahead: SignedDuration::from_mins(minutes * 14 / 16), ..client };
    nearly.slb(READ, &LB).await.done();
}

#[rstest]
#[tokio::test]
async fn a_nonce_is_good_for_one_call(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, nonce: Some("once".to_owned()), ..fixture.client };
    client.slb(READ, &LB).await.done();
    assert_eq!(refused(&client).await, (400, "SignatureNonceUsed".to_owned()));
    let other = Client { key: "key-b".to_owned(), secret: "secret-b".to_owned(), ..client };
    other.slb(READ, &LB).await.done();
}

#[tokio::test]
async fn a_call_without_a_signature_is_refused() {
    let fixture = Fixture::new().await;
    let path = "/?Action=DescribeVServerGroups&Version=2014-05-15&LoadBalancerId=lb-1";
    let bare = crate::client::plain(fixture.client.address, "GET", path, "").await;
    assert_eq!(bare.refused(), (400, "MissingParameter".to_owned()));
    let named = format!("{path}&AccessKeyId=key-a");
    let named = crate::client::plain(fixture.client.address, "GET", &named, "").await;
    assert_eq!(named.refused(), (400, "IncompleteSignature".to_owned()));
}

#[tokio::test]
async fn what_the_double_does_not_know_is_refused_by_name() {
    let fixture = Fixture::new().await;
    let refused = fixture.refused("DeleteEverything", &[]).await;
    assert_eq!(refused, (404, "InvalidAction.NotFound".to_owned()));
    let answer = fixture.client.call("1999-01-01", READ, &LB).await.expect("an answer");
    assert_eq!(answer.refused(), (400, "InvalidVersion".to_owned()));
}
