//! The double of the CLB, and the credentials it knows.

use std::{net::IpAddr, process::Command};

use anyhow::Context;
use clbmigrate_clb_double::{
    Behaviour, ClbDouble, Fault, FaultEffect, Health, LoggedCall, Options, SetHealth, State,
    state::NetworkInterface,
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The region that the nodes of tests are in.
pub(crate) const REGION: &str = "cn-bed";
/// Key and secret of the plugin's user.
pub(crate) const USER: (&str, &str) = ("key-e2e", "secret-e2e");
/// Those of CCM, so that a fault can be for one of the two.
pub(crate) const CCM: (&str, &str) = ("key-ccm", "secret-ccm");

/// The accounts that a double's state has.
pub(crate) fn accounts() -> Value {
    let account = |(key, secret), backends: usize| json!({"accessKeyId": key, "accessKeySecret": secret, "backendsPerCall": backends});
    // CCM 2.14 sends up to 40 backends a call, of which 20 are documented.
    json!([account(USER, 20), account(CCM, 40)])
}

/// The user's credentials, as the `aliyun` command line takes them, and where their owner is asked for.
pub(crate) fn environment(url: &str) -> Vec<(&'static str, String)> {
    vec![
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", USER.0.to_owned()),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", USER.1.to_owned()),
        ("CLBMIGRATE_STS_ENDPOINT", url.to_owned()),
    ]
}

/// The policy of a RAM user that may read and not write.
pub const READ_ONLY: &[&str] = &["slb:Describe*", "slb:List*", "ecs:Describe*", "vpc:Describe*"];

/// A cloud with one CLB, `lb-bp1example`, that answers over HTTP until it is dropped. It has no data plane: every
/// backend is healthy where its listener has a health check, unless a test says otherwise.
#[derive(Debug)]
pub struct CloudApi {
    double: ClbDouble,
    _runtime: Runtime,
}

impl CloudApi {
    /// Starts it with these groups and listeners, as the double's state has them.
    pub fn start(groups: &Value, listeners: &Value) -> anyhow::Result<Self> {
        let state = json!({
            "region": REGION,
            "accounts": accounts(),
            // Where ccm-double says that its cluster is, if it is told nothing else.
            "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8"]},
            "loadBalancers": [{
                "id": "lb-bp1example", "name": "shop", "address": "203.0.113.10",
                "groups": groups, "listeners": listeners,
            }],
        });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let options = Options::new(state.to_string().parse()?);
        let double = runtime.block_on(ClbDouble::start(options))?;
        let cloud = Self { double, _runtime: runtime };
        cloud.set_health(&[]);
        Ok(cloud)
    }

    /// Where its API is.
    pub fn url(&self) -> anyhow::Result<String> {
        Ok(format!("http://{}", self.double.http().context("it does not listen")?))
    }

    /// The plugin's flag that names this API.
    pub fn endpoint_flag(&self) -> anyhow::Result<String> {
        Ok(format!("--clb-endpoint {}", self.url()?))
    }

    /// Gives a command the user's credentials, as the `aliyun` command line takes them.
    pub fn add_credentials<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(self.environment())
    }

    /// The same as variables.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        environment(&self.url().unwrap_or_default())
    }

    /// Has the API throttle so many of the user's next calls of an action.
    pub fn throttle(&self, action: &str, times: u32) {
        self.double.fault(
            Fault::new(FaultEffect::Throttle {})
                .for_action(action)
                .for_access_key(USER.0)
                .times(times),
        );
    }

    /// Has the API answer the user's calls with a fault from now on: all calls, or the next one of an
    /// action.
    pub fn fail_user_calls(&self, what: FaultEffect, action: Option<&str>) {
        let fault = Fault::new(what).for_access_key(USER.0);
        self.double.fault(match action {
            Some(action) => fault.for_action(action).times(1),
            None => fault,
        });
    }

    /// Has the API answer one of the user's calls of an action with a fault: the one after so many that it answers as
    /// usual. A write of more than 20 servers is several calls: with 1 the second of them fails.
    pub fn fail_later_user_call(&self, what: FaultEffect, action: &str, after: u32) {
        let fault = Fault::new(what).for_action(action).for_access_key(USER.0);
        self.double.fault(fault.after(after).times(1));
    }

    /// Has the API answer so many of CCM's next calls of an action with a fault, or all of them.
    pub fn fail_ccm_calls(&self, what: FaultEffect, action: &str, times: Option<u32>) {
        let fault = Fault::new(what).for_action(action).for_access_key(CCM.0);
        self.double.fault(match times {
            Some(times) => fault.times(times),
            None => fault,
        });
    }

    /// Restricts the user to these actions of RAM, such as [`READ_ONLY`]; `None` allows all. Other calls are refused with
    /// 403 `Forbidden.RAM`.
    pub fn set_user_policy(&self, allowed: Option<&[&str]>) {
        self.set_policy(USER.0, allowed);
    }

    /// The same for CCM.
    pub fn set_ccm_policy(&self, allowed: Option<&[&str]>) {
        self.set_policy(CCM.0, allowed);
    }

    fn set_policy(&self, access_key_id: &str, allowed: Option<&[&str]>) {
        let allowed: Option<Vec<String>> =
            allowed.map(|actions| actions.iter().map(|one| (*one).to_owned()).collect());
        self.double.edit(|state| {
            for account in state.accounts.iter_mut().filter(|of| of.access_key_id == access_key_id)
            {
                account.allows.clone_from(&allowed);
            }
        });
    }

    /// Sets the health of backends, in place of what was set before. The first entry that fits a backend holds; where
    /// none fits, the backend is healthy.
    pub fn set_health(&self, health: &[SetHealth]) {
        let mut health = health.to_vec();
        health.push(SetHealth::of_all(Health::Normal));
        let behaviour = self.double.behaviour();
        self.double.set_behaviour(Behaviour { health, ..behaviour });
    }

    /// Switches the health check of a port's listeners on or off. Without one the health of backends is `unavailable`.
    pub fn set_health_check(&self, port: u16, enabled: bool) {
        self.double.edit(|state| {
            let listeners = state.load_balancers.iter_mut().flat_map(|lb| &mut lb.listeners);
            for listener in listeners.filter(|listener| listener.port == port) {
                listener.health_check.enabled = enabled;
            }
        });
    }

    /// Has a network interface at an address from now on: without one CCM cannot register the Pod there.
    pub fn add_interface(&self, id: &str, address: IpAddr) {
        let interface = NetworkInterface { id: id.to_owned(), ip: address };
        self.double.edit(|state| state.network_interfaces.push(interface));
    }

    /// Has no network interface at an address any more.
    pub fn remove_interface(&self, address: IpAddr) {
        self.double.edit(|state| state.network_interfaces.retain(|of| of.ip != address));
    }

    /// The CLBs beside `lb-bp1example`, such as those that CCM creates for Services without an id: each id, with its
    /// address.
    pub fn other_clbs(&self) -> Vec<(String, Option<IpAddr>)> {
        let all = self.double.state().load_balancers.into_iter();
        all.filter(|lb| lb.id != "lb-bp1example").map(|lb| (lb.id, lb.address)).collect()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.double.clear_faults();
    }

    /// Changes the state without a call of the API.
    pub fn edit<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        self.double.edit(change)
    }

    /// Sets a server's weight in every group, as somebody does in the console.
    pub fn set_weight(&self, id: &str, weight: u8) {
        self.double.edit(|state| {
            let balancers = state.load_balancers.iter_mut();
            for group in balancers.flat_map(|balancer| &mut balancer.groups) {
                for backend in group.backends.iter_mut().filter(|of| of.server_id == id) {
                    backend.weight = weight;
                }
            }
        });
    }

    /// How many calls the user has made until now.
    pub fn calls_of_user(&self) -> usize {
        self.double
            .calls()
            .iter()
            .filter(|call| call.access_key_id.as_deref() == Some(USER.0))
            .count()
    }

    /// Has the API throttle lookups of groups by CCM, one for each number: the one after so many
    /// that have succeeded.
    pub fn throttle_ccm(&self, after: &[u32]) {
        for passed in after {
            let fault = Fault::new(FaultEffect::Throttle {})
                .for_action("DescribeVServerGroups")
                .for_access_key(CCM.0);
            self.double.fault(fault.after(*passed).times(1));
        }
    }

    /// The weights in a group, by server.
    pub fn weights(&self, group: &str) -> Vec<(String, u32)> {
        let state = serde_json::to_value(self.double.state()).unwrap_or_default();
        let groups = state.pointer("/loadBalancers/0/groups").and_then(Value::as_array);
        let of_group = |of: &&Value| of.get("id").is_some_and(|id| id == group);
        let backends = groups.into_iter().flatten().filter(of_group);
        let backends = backends.filter_map(|of| of.get("backends")?.as_array()).flatten();
        let weight = |of: &Value| {
            let weight = of.get("weight")?.as_u64()?.try_into().ok()?;
            Some((of.get("serverId")?.as_str()?.to_owned(), weight))
        };
        backends.filter_map(weight).collect()
    }

    /// Who has changed backends since [`CloudApi::forget_calls`], in order, each once in a row: a
    /// cluster's id, or `user`.
    pub fn writers(&self) -> Vec<String> {
        let of = |call: &LoggedCall| {
            let backends = call.parameters.get("BackendServers")?;
            let is_write = !call.action.starts_with("Describe") && call.status == Some(200);
            let is_user = call.access_key_id.as_deref() == Some(USER.0);
            let cluster = backends.split("c-").nth(1).map(|rest| {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
                format!("c-{}", rest.get(..end).unwrap_or_default())
            });
            is_write.then(|| if is_user { "user".to_owned() } else { cluster.unwrap_or_default() })
        };
        let mut writers: Vec<String> = self.double.calls().iter().filter_map(of).collect();
        writers.dedup();
        writers
    }

    /// Forgets all calls until now.
    pub fn forget_calls(&self) {
        self.double.clear_calls();
    }

    /// All calls since [`CloudApi::forget_calls`], in order.
    pub fn logged_calls(&self) -> Vec<LoggedCall> {
        self.double.calls()
    }

    /// The actions that were called, in order.
    pub fn calls(&self) -> Vec<String> {
        self.logged_calls().into_iter().map(|call| call.action).collect()
    }
}
