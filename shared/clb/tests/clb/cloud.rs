//! The CLB double as the cloud of a test: CLB API, STS and instance metadata.

use std::{net::SocketAddr, ops::Deref, time::Duration};

use clbmigrate_clb::{BackendKey, ClbClient, Error, Options, Weight};
use clbmigrate_clb_double::{ClbDouble, Fault, FaultEffect, Options as DoubleOptions};
use serde_json::{Value, json};

use crate::environment::FakeEnvironment;

pub(crate) const CLB: &str = "lb-bp1example";
pub(crate) const GROUP: &str = "rsp-bp1example";

/// A running double whose state a test has made up.
pub(crate) struct TestCloud(ClbDouble);

impl Deref for TestCloud {
    type Target = ClbDouble;

    fn deref(&self) -> &ClbDouble {
        &self.0
    }
}

impl TestCloud {
    /// A cloud in `cn-example` with the access key of [`FakeEnvironment::with_access_key`], and
    /// beside it what `state` says.
    pub(crate) async fn start(state: Value) -> Self {
        let mut whole = json!({
            "region": "cn-example",
            "accounts": [{"accessKeyId": "LTAIexample", "accessKeySecret": "secret-1",
                          "accountId": "1000000000000001"}],
        });
        let fields = whole.as_object_mut().expect("an object");
        fields.extend(state.as_object().expect("an object").clone());
        let any = Some(SocketAddr::from(([127, 0, 0, 1], 0)));
        let state = whole.to_string().parse().expect("a state");
        let options =
            DoubleOptions { listen_tls: any, listen_metadata: any, ..DoubleOptions::new(state) };
        Self(ClbDouble::start(options).await.expect("a double"))
    }

    /// A cloud with one CLB, [`CLB`], that has these groups and no listeners.
    pub(crate) async fn with_groups(groups: Value) -> Self {
        Self::start(json!({"loadBalancers": [{"id": CLB, "groups": groups}]})).await
    }

    /// A cloud whose group [`GROUP`] has instances `i-00`, `i-01`, … at weight 10.
    pub(crate) async fn with_backends(count: usize) -> Self {
        let backends: Vec<Value> = (0..count)
            .map(|number| {
                json!({"serverId": format!("i-{number:02}"), "port": 80, "weight": 10,
                       "description": "by hand"})
            })
            .collect();
        Self::with_groups(json!([{"id": GROUP, "name": "web", "backends": backends}])).await
    }

    /// A cloud in which the next call of `action`, and each after it, meets this fault.
    pub(crate) async fn with_fault(action: &str, fault: FaultEffect) -> Self {
        let cloud = Self::with_backends(2).await;
        cloud.fault(Fault::new(fault).for_action(action));
        cloud
    }

    /// Options with short times: a test that waits for their end should not wait long.
    pub(crate) fn options(&self) -> Options {
        Options {
            sts_endpoint: url(self.http()),
            metadata_endpoint: url(self.metadata()),
            ..options(&url(self.http()).expect("HTTP"))
        }
    }

    /// A client with an access key.
    pub(crate) async fn client(&self) -> ClbClient {
        self.connect(FakeEnvironment::with_access_key()).await.expect("a client")
    }

    pub(crate) async fn connect(&self, environment: FakeEnvironment) -> Result<ClbClient, Error> {
        environment.connect_with(self.options()).await
    }

    /// The actions called until now.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call.action).collect()
    }

    /// Action and access key of every call until now.
    pub(crate) fn signers(&self) -> Vec<(String, String)> {
        let calls = self.calls().into_iter();
        calls.map(|call| (call.action, call.access_key_id.unwrap_or_default())).collect()
    }

    /// The weights of all backends, by server, in the order of their names.
    pub(crate) fn weights(&self) -> Vec<(String, u32)> {
        let state = self.state();
        let backends = state.load_balancers[0].groups[0].backends.iter();
        let mut weights: Vec<_> =
            backends.map(|backend| (backend.server_id.clone(), backend.weight.into())).collect();
        weights.sort();
        weights
    }
}

/// Options for a server that answers at one address for everything.
pub(crate) fn options(endpoint: &str) -> Options {
    Options {
        endpoint: Some(endpoint.to_owned()),
        attempt_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(20),
        ..Options::default()
    }
}

/// The instances `i-00`, `i-01`, … with the weight each is to have.
pub(crate) fn weights(count: usize, weight: u32) -> Vec<(BackendKey, Weight)> {
    let weight = Weight::try_from(weight).expect("a weight");
    (0..count).map(|number| (BackendKey::ecs(format!("i-{number:02}"), 80), weight)).collect()
}

/// A refusal as the API words it.
pub(crate) fn refusal(status: u16, code: &str, message: &str) -> FaultEffect {
    FaultEffect::Error { status, code: code.to_owned(), message: message.to_owned() }
}

fn url(address: Option<SocketAddr>) -> Option<String> {
    Some(format!("http://{}", address?))
}
