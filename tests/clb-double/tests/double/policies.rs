//! Keys whose policy does not allow all actions.

use serde_json::json;

use crate::client::{Client, SLB};
use crate::fixture::Fixture;

const STS: &str = "2015-04-01";
const LB: (&str, &str) = ("LoadBalancerId", "lb-1");

/// Demands that a client may read and not write.
async fn only_reads(fixture: &Fixture, client: &Client) {
    client.slb("DescribeVServerGroups", &[LB]).await.done();
    client.slb("DescribeHealthStatus", &[LB]).await.done();
    let tagged = [("ResourceId.1", "lb-1"), ("ResourceType", "instance")];
    client.slb("ListTagResources", &tagged).await.done();
    let before = fixture.double.state();
    let servers = json!([{"ServerId": "i-1", "Port": 30080, "Weight": 0}]).to_string();
    let write = [("VServerGroupId", "rsp-a"), ("BackendServers", servers.as_str())];
    for (action, params) in [
        ("SetVServerGroupAttribute", &write[..]),
        ("RemoveVServerGroupBackendServers", &write[..]),
        ("DeleteLoadBalancer", &[LB][..]),
        // Whether something is there is not told to somebody who may not do it.
        ("DeleteLoadBalancer", &[("LoadBalancerId", "lb-nosuch")][..]),
    ] {
        let answer = client.call(SLB, action, params).await.expect("an answer");
        assert_eq!(answer.refused(), (403, "Forbidden.RAM".to_owned()), "{action}");
        let message = "User not authorized to operate on the specified resource, or this API \
                       doesn't support RAM.";
        assert_eq!(answer.json()["Message"], message);
    }
    assert_eq!(fixture.double.state(), before);
}

#[tokio::test]
async fn a_user_that_may_read_may_not_write() {
    let fixture = Fixture::new().await;
    let (key, secret) = ("key-reader".to_owned(), "secret-reader".to_owned());
    let reader = Client { key, secret, ..fixture.client.clone() };
    only_reads(&fixture, &reader).await;
    let who = reader.call(STS, "GetCallerIdentity", &[]).await.expect("an answer").done();
    assert_eq!(who["IdentityType"], "RAMUser");
    let ecs = reader.call("2014-05-26", "DescribeNetworkInterfaces", &[]).await.expect("an answer");
    assert_eq!(ecs.refused(), (403, "Forbidden.RAM".to_owned()));
}

#[tokio::test]
async fn a_role_that_may_read_may_not_write() {
    let fixture = Fixture::new().await;
    let role = "acs:ram::1000000000000001:role/reader";
    let assume = [("RoleArn", role), ("RoleSessionName", "test")];
    let answer = fixture.client.call(STS, "AssumeRole", &assume).await.expect("an answer").done();
    let text = |key: &str| answer["Credentials"][key].as_str().expect("text").to_owned();
    let reader = Client {
        key: text("AccessKeyId"),
        secret: text("AccessKeySecret"),
        token: Some(text("SecurityToken")),
        ..fixture.client.clone()
    };
    only_reads(&fixture, &reader).await;
}

#[tokio::test]
async fn a_policy_may_change_while_the_double_runs() {
    let fixture = Fixture::new().await;
    let rename = [LB, ("LoadBalancerName", "new")];
    let allow = |allows: Option<&[&str]>| {
        let allows = allows.map(|all| all.iter().map(|one| (*one).to_owned()).collect());
        fixture.double.edit(|state| state.accounts[0].allows = allows);
    };
    allow(Some(&["slb:Describe*"]));
    let refused = fixture.refused("SetLoadBalancerName", &rename).await;
    assert_eq!(refused, (403, "Forbidden.RAM".to_owned()));
    allow(None);
    fixture.done("SetLoadBalancerName", &rename).await;
}
