//! STS, and what becomes of its tokens.

use jiff::{SignedDuration, Timestamp};
use rstest::rstest;
use serde_json::Value;

use crate::client::{Answer, Client, SignatureMethod, plain};
use crate::fixture::Fixture;

const STS: &str = "2015-04-01";
const ROLE: &str = "acs:ram::1000000000000001:role/clb";
const ASSUME: [(&str, &str); 2] = [("RoleArn", ROLE), ("RoleSessionName", "test")];
const READ: (&str, [(&str, &str); 1]) = ("DescribeVServerGroups", [("LoadBalancerId", "lb-1")]);

async fn ask(client: &Client, action: &str, params: &[(&str, &str)]) -> Answer {
    client.call(STS, action, params).await.expect("an answer")
}

/// The client with the credentials of an answer.
fn with(client: &Client, answer: &Value) -> Client {
    let text = |key: &str| answer["Credentials"][key].as_str().expect("text").to_owned();
    Client {
        key: text("AccessKeyId"),
        secret: text("AccessKeySecret"),
        token: Some(text("SecurityToken")),
        ..client.clone()
    }
}

#[tokio::test]
async fn the_double_says_who_is_calling() {
    let fixture = Fixture::new().await;
    let root = ask(&fixture.client, "GetCallerIdentity", &[]).await.done();
    assert_eq!(root["IdentityType"], "Account");
    assert_eq!(root["AccountId"], "1000000000000001");
    assert_eq!(root["Arn"], "acs:ram::1000000000000001:root");
    let user =
        Client { key: "key-b".to_owned(), secret: "secret-b".to_owned(), ..fixture.client.clone() };
    let user = ask(&user, "GetCallerIdentity", &[]).await.done();
    assert_eq!(user["IdentityType"], "RAMUser");
    assert_eq!(user["Arn"], "acs:ram::1000000000000001:user/colleague");
}

#[rstest]
#[tokio::test]
async fn an_assumed_role_can_call(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, ..fixture.client };
    let answer = ask(&client, "AssumeRole", &ASSUME).await.done();
    let role = with(&client, &answer);
    let identity = ask(&role, "GetCallerIdentity", &[]).await.done();
    assert_eq!(identity["IdentityType"], "AssumedRoleUser");
    assert_eq!(identity["Arn"], "acs:ram::1000000000000001:assumed-role/clb/test");
    role.slb(READ.0, &READ.1).await.done();

    let expiration: Timestamp =
        answer["Credentials"]["Expiration"].as_str().expect("a time").parse().expect("a time");
    let left = expiration.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_mins(59) && left <= SignedDuration::from_mins(60));
}

#[rstest]
#[tokio::test]
async fn a_token_must_come_be_right_and_not_be_over(
    #[values(SignatureMethod::HmacSha1, SignatureMethod::Acs3)] signature: SignatureMethod,
) {
    let fixture = Fixture::new().await;
    let client = Client { signature, ..fixture.client };
    let role = with(&client, &ask(&client, "AssumeRole", &ASSUME).await.done());
    let refused = async |client: &Client| client.slb(READ.0, &READ.1).await.refused();

    let without = Client { token: None, ..role.clone() };
    let missing = (400, "InvalidSecurityToken.MissingParameter".to_owned());
    assert_eq!(refused(&without).await, missing);
    let wrong = Client { token: Some("another".to_owned()), ..role.clone() };
    let expired = (400, "InvalidSecurityToken.Expired".to_owned());
    assert_eq!(refused(&wrong).await, expired);

    let mixed = Client { token: role.token.clone(), ..client.clone() };
    let mismatch = (400, "InvalidSecurityToken.MismatchWithAccessKey".to_owned());
    assert_eq!(refused(&mixed).await, mismatch);

    role.slb(READ.0, &READ.1).await.done();
    fixture.double.edit(|state| state.sts_tokens[0].expiration = Timestamp::now());
    assert_eq!(refused(&role).await, expired);
}

#[tokio::test]
async fn a_role_is_assumed_by_those_it_trusts() {
    let fixture = Fixture::new().await;
    let user =
        Client { key: "key-b".to_owned(), secret: "secret-b".to_owned(), ..fixture.client.clone() };
    let refused = ask(&user, "AssumeRole", &ASSUME).await.refused();
    assert_eq!(refused, (403, "NoPermission".to_owned()));
    let nobody = [("RoleArn", "acs:ram::1:role/x"), ("RoleSessionName", "test")];
    let refused = ask(&fixture.client, "AssumeRole", &nobody).await.refused();
    assert_eq!(refused, (404, "EntityNotExist.Role".to_owned()));
}

#[tokio::test]
async fn a_token_of_the_identity_provider_needs_no_key() {
    let fixture = Fixture::new().await;
    let provider = "acs:ram::1000000000000001:oidc-provider/example";
    let ask = async |provider: &str, token: &str| {
        let path = format!(
            "/?Action=AssumeRoleWithOIDC&Version={STS}&Format=JSON&RoleArn={ROLE}\
             &RoleSessionName=pod&OIDCProviderArn={provider}&OIDCToken={token}"
        );
        plain(fixture.client.address, "POST", &path, "").await
    };
    let answer = ask(provider, "token-of-a-pod").await.done();
    with(&fixture.client, &answer).slb(READ.0, &READ.1).await.done();

    let wrong = ask(provider, "token-of-a-thief").await.refused();
    assert_eq!(wrong, (400, "AuthenticationFail.OIDCToken.Invalid".to_owned()));
    let other = ask("acs:ram::1:oidc-provider/x", "token-of-a-pod").await.refused();
    assert_eq!(other, (403, "AuthenticationFail.NoPermission".to_owned()));
    let calls = fixture.double.calls();
    assert_eq!(calls[0].parameters["OIDCToken"], "***");
}
