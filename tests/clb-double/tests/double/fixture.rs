//! A double with one CLB, and a client of it.

use clbmigrate_clb_double::{ClbDouble, Options, State};
use serde_json::{Value, json};

use crate::client::{Client, SignatureMethod};

pub struct Fixture {
    pub double: ClbDouble,
    pub client: Client,
}

/// Two groups and a listener, of one CLB among two.
pub fn state() -> Value {
    json!({
        "region": "cn-example",
        "accounts": [
            {"accessKeyId": "key-a", "accessKeySecret": "secret-a"},
            {"accessKeyId": "key-b", "accessKeySecret": "secret-b",
             "arn": "acs:ram::1000000000000001:user/colleague"},
            {"accessKeyId": "key-reader", "accessKeySecret": "secret-reader",
             "arn": "acs:ram::1000000000000001:user/reader",
             "allows": ["slb:Describe*", "slb:List*"]},
        ],
        "roles": [{
            "arn": "acs:ram::1000000000000001:role/clb",
            "trusts": ["key-a"],
            "oidcProviderArn": "acs:ram::1000000000000001:oidc-provider/example",
            "oidcTokens": ["token-of-a-pod"],
        }, {
            "arn": "acs:ram::1000000000000001:role/reader",
            "allows": ["slb:Describe*", "slb:List*"],
        }],
        "metadata": {"role": "clb"},
        "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8", "172.16.0.0/12"]},
        "networkInterfaces": [
            {"id": "eni-1", "ip": "10.0.1.7"},
            {"id": "eni-1", "ip": "10.0.1.8"},
            {"id": "eni-2", "ip": "10.0.1.9"},
        ],
        "instances": {"i-1": "127.0.0.1", "i-2": "127.0.0.1"},
        "loadBalancers": [
            {
                "id": "lb-1", "name": "shop", "address": "127.0.0.1", "tags": {"team": "shop"},
                "groups": [
                    {"id": "rsp-a", "name": "web", "backends": [
                        {"serverId": "i-1", "port": 30080, "weight": 30,
                         "description": "k8s/30080/web/shop/c1"},
                        {"serverId": "i-2", "port": 30080, "weight": 70, "description": "by hand"},
                    ]},
                    {"id": "rsp-b", "name": "empty"},
                ],
                "listeners": [{"port": 80, "vServerGroupId": "rsp-a", "description": "shop-web"}],
            },
            {"id": "lb-2", "name": "other", "addressType": "internet", "networkType": "classic"},
        ],
    })
}

pub fn read(state: &Value) -> State {
    state.to_string().parse().expect("a state")
}

impl Fixture {
    pub async fn new() -> Self {
        Self::with(&state()).await
    }

    pub async fn with(state: &Value) -> Self {
        let double = ClbDouble::start(Options::new(read(state))).await.expect("a double");
        let client = Client::new(double.http().expect("an address"), SignatureMethod::Acs3);
        Self { double, client }
    }

    /// A call that is carried out.
    pub async fn done(&self, action: &str, params: &[(&str, &str)]) -> Value {
        self.client.slb(action, params).await.done()
    }

    /// Status and code of a call that is refused; it has changed nothing.
    pub async fn refused(&self, action: &str, params: &[(&str, &str)]) -> (u16, String) {
        let before = self.double.state();
        let refused = self.client.slb(action, params).await.refused();
        assert_eq!(self.double.state(), before, "a refused call changed something");
        refused
    }

    /// The backends of a group as `server:port weight description`.
    pub async fn backends(&self, group: &str) -> Vec<String> {
        let answer = self.done("DescribeVServerGroupAttribute", &[("VServerGroupId", group)]).await;
        backends(&answer)
    }
}

pub fn backends(answer: &Value) -> Vec<String> {
    let list = answer["BackendServers"]["BackendServer"].as_array().expect("backends");
    list.iter()
        .map(|backend| {
            format!(
                "{}:{} {} {}",
                backend["ServerId"].as_str().expect("an id"),
                backend["Port"].as_u64().expect("a number"),
                backend["Weight"].as_u64().expect("a number"),
                backend["Description"].as_str().expect("text"),
            )
        })
        .collect()
}
