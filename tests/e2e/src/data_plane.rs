//! The double of the CLB as a program on a machine of the testbed, where it forwards connections.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr},
    process::Command,
    time::Duration,
};

use anyhow::{Context, ensure};
use clbmigrate_clb_double::{Fault, SetHealth, State};
use clbmigrate_testbed::{Network, Testbed, programs};
use clbmigrate_testkit::HttpProcess;
use serde_json::{Value, json};

use crate::clb::{CCM, REGION, USER, accounts, environment};

/// A listener of the CLB, with the group behind it.
#[derive(Debug, Clone)]
pub struct Listener {
    /// The listener's port, 1 to 65535.
    pub port: u16,
    /// The group's id.
    pub group: String,
    /// What is in the group at the start: ids of machines, their ports and weights of 0 to 100.
    pub servers: Vec<(String, u16, u8)>,
    /// How many seconds a health check waits for a connection. A server that is not there refuses at once, and on a busy
    /// machine one that is there may be slow, so that this is short only where packets are dropped.
    pub check_seconds: u8,
    /// Whether connections to a backend that is removed may end by themselves; without that they are cut.
    pub drains: bool,
}

/// A cloud with one CLB that answers its API and forwards connections until it is dropped.
#[derive(Debug)]
pub struct DataPlane {
    process: HttpProcess,
    address: Ipv4Addr,
}

impl DataPlane {
    /// Starts it on a machine of the testbed; `id` is that of the CLB. It finds all nodes and machines by their instances,
    /// and pods of these addresses by interfaces of their own. Its listeners count weights and check
    /// health every second.
    pub fn start(
        testbed: &Testbed,
        (machine, id): (&str, &str),
        listeners: &[Listener],
        pods: &[String],
    ) -> anyhow::Result<Self> {
        let machine = testbed.machine(machine)?;
        let groups = listeners.iter().map(|of| {
            let server = |(id, port, weight): &(String, u16, u8)| json!({"serverId": id, "port": port, "weight": weight});
            json!({"id": of.group, "backends": of.servers.iter().map(server).collect::<Vec<_>>()})
        });
        let of_state = listeners.iter().map(|of| {
            json!({
                "port": of.port, "vServerGroupId": of.group, "connectionDrain": of.drains,
                "healthCheck": {"interval": 1, "connectTimeout": of.check_seconds},
            })
        });
        let interface =
            |pod: &String| json!({"id": format!("eni-{}", pod.replace('.', "x")), "ip": pod});
        let state = json!({
            "region": REGION,
            "accounts": accounts(),
            // Where ccm-double says that its cluster is, if it is told nothing else.
            "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8"]},
            "instances": testbed.instances(),
            "networkInterfaces": pods.iter().map(interface).collect::<Vec<_>>(),
            "loadBalancers": [{
                "id": id, "name": "shop", "address": machine.address,
                "groups": groups.collect::<Vec<_>>(), "listeners": of_state.collect::<Vec<_>>(),
            }],
        });
        let file = testbed.folder().join(format!("{}.json", machine.name));
        fs::write(&file, state.to_string())?;
        let program = programs::build(&["clb-double"])?.pop().context("no clb-double")?;
        let mut command = testbed.command_in(Network::Machine(&machine.name), program)?;
        command.arg("--state").arg(&file).arg("--data-plane");
        command.args(["--listen", &SocketAddr::from((machine.address, 0)).to_string()]);
        let (process, lines) = HttpProcess::start_and_read(&mut command, listeners.len())?;
        for (listener, line) in listeners.iter().zip(lines) {
            ensure!(line.starts_with("forwarding from"), "port {}: {line}", listener.port);
        }
        Ok(Self { process, address: machine.address })
    }

    /// How long a change of weights, backends or listeners takes until connections go by it. The API tells of it at
    /// once.
    pub fn set_effect_delay(&self, delay: Duration) -> anyhow::Result<()> {
        let delay = u64::try_from(delay.as_millis())?;
        self.patch_behaviour(&json!({"effectDelayMs": delay}))
    }

    /// Sets the health of backends, in place of what was set before. The first entry that fits a backend holds; where
    /// none fits, it is what the checks find. A backend that is not healthy gets no connections.
    pub fn set_health(&self, health: &[SetHealth]) -> anyhow::Result<()> {
        self.patch_behaviour(&json!({"health": health}))
    }

    fn patch_behaviour(&self, patch: &Value) -> anyhow::Result<()> {
        self.process.request_ok("PATCH", "/behaviour", &patch.to_string()).map(drop)
    }

    /// Adds a fault for calls of the user.
    pub fn fail_user_calls(&self, fault: Fault) -> anyhow::Result<()> {
        self.add_fault(&fault.for_access_key(USER.0))
    }

    /// Adds a fault for calls of CCM, in all clusters.
    pub fn fail_ccm_calls(&self, fault: Fault) -> anyhow::Result<()> {
        self.add_fault(&fault.for_access_key(CCM.0))
    }

    fn add_fault(&self, fault: &Fault) -> anyhow::Result<()> {
        let fault = serde_json::to_string(fault)?;
        self.process.request_ok("POST", "/faults", &fault).map(drop)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) -> anyhow::Result<()> {
        self.process.request_ok("DELETE", "/faults", "").map(drop)
    }

    /// The weights in a group, by server, as the API tells of them.
    pub fn weights(&self, group: &str) -> anyhow::Result<Vec<(String, u8)>> {
        let state: State = self.process.request_ok("GET", "/state", "")?.parse()?;
        let groups = state.load_balancers.into_iter().flat_map(|lb| lb.groups);
        let backends = groups.filter(|of| of.id == group).flat_map(|of| of.backends);
        Ok(backends.map(|backend| (backend.server_id, backend.weight)).collect())
    }

    /// How many calls of an action the user has made.
    pub fn user_calls(&self, action: &str) -> anyhow::Result<usize> {
        let calls: Value = serde_json::from_str(&self.process.request_ok("GET", "/calls", "")?)?;
        let is_meant = |call: &&Value| {
            let has = |key: &str, value: &str| call.get(key).is_some_and(|of| of == value);
            has("action", action) && has("accessKeyId", USER.0)
        };
        Ok(calls.as_array().context("no list of calls")?.iter().filter(is_meant).count())
    }

    /// Where its API is.
    pub fn url(&self) -> String {
        self.process.url()
    }

    /// Where clients connect.
    pub fn listener(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// Gives a command the user's credentials and the endpoints of the APIs, which are not on this
    /// machine's loopback, and speak HTTP.
    pub fn add_credentials<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        let url = self.url();
        let command = command.envs(environment(&url)).env("ALIBABA_CLOUD_ENDPOINT", url);
        command.env("CLBMIGRATE_ALLOW_HTTP", "true")
    }
}
