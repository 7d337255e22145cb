//! A CLB double in this process, on a port of its own, and the CCM double's client of it.

use std::sync::Arc;

use clbmigrate_ccm_double::cloud_client::{AccessKey, CloudClient, HttpTransport};
use clbmigrate_clb_double::state::{Backend, LoadBalancer};
use clbmigrate_clb_double::{ClbDouble, Fault, FaultEffect, LoggedCall, Options, State};
use serde_json::{Value, json};

const KEY: (&str, &str) = ("key-ccm", "secret-ccm");
const VPC: &str = "vpc-test";

pub struct TestCloud {
    double: ClbDouble,
}

impl TestCloud {
    /// Starts it with these CLBs, network interfaces and nothing else, as the double's state has them.
    pub async fn start(load_balancers: &Value, network_interfaces: &Value) -> Self {
        let state = json!({
            "region": "cn-example",
            "accounts": [{"accessKeyId": KEY.0, "accessKeySecret": KEY.1, "backendsPerCall": 40}],
            "vpc": {"id": VPC, "cidrs": ["10.0.0.0/8"]},
            "networkInterfaces": network_interfaces,
            "loadBalancers": load_balancers,
        });
        let state: State = state.to_string().parse().expect("a state");
        Self { double: ClbDouble::start(Options::new(state)).await.expect("a CLB double") }
    }

    pub fn transport(&self) -> HttpTransport {
        let key = AccessKey { id: KEY.0.to_owned(), secret: KEY.1.into(), token: None };
        let endpoint = format!("http://{}", self.double.http().expect("an address"));
        HttpTransport::new(&endpoint, "cn-example", "clusterid", key).expect("an endpoint")
    }

    pub fn client(&self) -> CloudClient {
        CloudClient::new(Arc::new(self.transport()), self.state().vpc.id)
    }

    /// The calls since the last time, in the order in which they came.
    pub fn take_calls(&self) -> Vec<LoggedCall> {
        let calls = self.double.calls();
        self.double.clear_calls();
        calls
    }

    pub fn state(&self) -> State {
        self.double.state()
    }

    /// Changes the state behind the API's back, as the console would.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.double.edit(change)
    }

    /// Changes one CLB behind the API's back.
    pub fn edit_load_balancer<T>(
        &self,
        id: &str,
        change: impl FnOnce(&mut LoadBalancer) -> T,
    ) -> T {
        self.edit(|state| {
            change(state.load_balancers.iter_mut().find(|lb| lb.id == id).expect("a CLB"))
        })
    }

    pub fn load_balancer(&self, id: &str) -> Option<LoadBalancer> {
        self.state().load_balancers.into_iter().find(|lb| lb.id == id)
    }

    /// The backends of a group, in the order in which they came.
    pub fn backends(&self, group: &str) -> Vec<Backend> {
        let state = self.state();
        let mut groups = state.load_balancers.into_iter().flat_map(|lb| lb.groups);
        groups.find(|known| known.id == group).map(|known| known.backends).unwrap_or_default()
    }

    /// Adds a backend to a group as a person would, or changes the one at its place.
    pub fn put_backend(&self, group: &str, backend: Backend) {
        self.edit(|state| {
            let mut groups = state.load_balancers.iter_mut().flat_map(|lb| &mut lb.groups);
            let group = groups.find(|known| known.id == group).expect("a group");
            group.backends.retain(|known| known.key() != backend.key());
            group.backends.push(backend);
        });
    }

    pub fn fault(&self, fault: Fault) {
        self.double.fault(fault);
    }

    pub fn clear_faults(&self) {
        self.double.clear_faults();
    }

    /// Refuses calls of an action from now on: so many, after so many that succeed.
    pub fn refuse(&self, action: &str, skip: u32, count: u32, code: &str, message: &str) {
        let (code, message) = (code.to_owned(), message.to_owned());
        let effect = FaultEffect::Error { status: 400, code, message };
        self.double.fault(Fault::new(effect).for_action(action).after(skip).times(count));
    }
}

/// A parameter of a call; empty if it was not given.
pub fn parameter<'a>(call: &'a LoggedCall, name: &str) -> &'a str {
    call.parameters.get(name).map(String::as_str).unwrap_or_default()
}
