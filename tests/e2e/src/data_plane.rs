//! The double of the CLB as a program on a machine of a bed, where it forwards connections.

use std::{
    fs,
    io::{BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use clbmigrate_testbed::{Bed, Place, programs};
use serde_json::json;

use crate::clb::{REGION, accounts, environment};

/// A port of the CLB, with the group behind it.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The listener's port, 1 to 65535.
    pub port: u16,
    /// The group's id.
    pub group: String,
    /// What is in the group at the start: ids of machines, their ports and weights of 0 to 100.
    pub servers: Vec<(String, u16, u8)>,
}

/// A cloud with one CLB, `lb-bp1example`, that answers its API and forwards connections until it is
/// dropped.
#[derive(Debug)]
pub struct Plane {
    child: Child,
    url: String,
    address: std::net::Ipv4Addr,
}

impl Plane {
    /// Starts it on a machine of a bed. It finds all nodes and machines of the bed by their
    /// instances, and pods of these addresses by interfaces of their own. Its listeners count
    /// weights and check health every second.
    pub fn start(
        bed: &Bed,
        machine: &str,
        entrances: &[Entrance],
        pods: &[String],
    ) -> anyhow::Result<Self> {
        let machine = bed.machine(machine)?;
        let groups = entrances.iter().map(|of| {
            let server = |(id, port, weight): &(String, u16, u8)| json!({"serverId": id, "port": port, "weight": weight});
            json!({"id": of.group, "backends": of.servers.iter().map(server).collect::<Vec<_>>()})
        });
        // A server that is not there refuses at once; on a busy machine one that is may be slow.
        let check = json!({"interval": 1, "connectTimeout": 60});
        let listeners = entrances
            .iter()
            .map(|of| json!({"port": of.port, "vServerGroupId": of.group, "healthCheck": check}));
        let interface =
            |pod: &String| json!({"id": format!("eni-{}", pod.replace('.', "x")), "ip": pod});
        let state = json!({
            "region": REGION,
            "accounts": accounts(),
            // Where ccm-double says that its cluster is, if it is told nothing else.
            "vpc": {"id": "vpc-example", "cidrs": ["10.0.0.0/8"]},
            "instances": bed.instances(),
            "networkInterfaces": pods.iter().map(interface).collect::<Vec<_>>(),
            "loadBalancers": [{
                "id": "lb-bp1example", "name": "shop", "address": machine.address,
                "groups": groups.collect::<Vec<_>>(), "listeners": listeners.collect::<Vec<_>>(),
            }],
        });
        let file = bed.folder().join("clb.json");
        fs::write(&file, state.to_string())?;
        let program = programs::build(&["clb-double"])?.pop().context("no clb-double")?;
        let mut command = bed.inside(Place::Machine(&machine.name), program)?;
        command.arg("--state").arg(&file).arg("--data-plane");
        command.args(["--listen", &SocketAddr::from((machine.address, 0)).to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child = command.spawn().context("clb-double")?;
        let out = child.stdout.take().context("its standard output")?;
        let mut plane = Self { child, url: String::new(), address: machine.address };
        let mut lines = BufReader::new(out).lines();
        let line = lines.next().context("clb-double has ended without a word")??;
        line.strip_prefix("listening on ").context(line.clone())?.clone_into(&mut plane.url);
        for of in entrances {
            let line = lines.next().context("clb-double has ended")??;
            ensure!(line.starts_with("forwarding from"), "port {}: {line}", of.port);
        }
        Ok(plane)
    }

    /// Where its API is.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where clients connect.
    pub fn listener(&self, port: u16) -> SocketAddr {
        (self.address, port).into()
    }

    /// Gives a command the credentials, as the `aliyun` command line takes them, and the endpoints.
    pub fn let_in<'c>(&self, command: &'c mut Command) -> &'c mut Command {
        command.envs(environment(&self.url)).env("ALIBABA_CLOUD_ENDPOINT", &self.url)
    }
}

impl Drop for Plane {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
