//! What is missing at the CLB for a Service that joins it, as commands of the `aliyun` command line.
//! Nothing of it is run here: listeners and groups are their owner's.
//!
//! CLB documentation (API of 2014-05-15): `CreateVServerGroup`, `AddVServerGroupBackendServers`,
//! `CreateLoadBalancerTCPListener`, `SetLoadBalancerTCPListenerAttribute` and those of the other
//! protocols, `StartLoadBalancerListener`. A new listener is stopped.

use std::fmt::Write as _;

use clbmigrate_core::{
    clb_answers::{ClbAnswers, Listener},
    identity::NamedKey,
    object::Service,
};
use serde_json::{Value, json};

use crate::clb::Routes;

/// How many servers one call takes (CLB documentation: `AddVServerGroupBackendServers`).
const SERVERS_PER_CALL: usize = 20;

/// What stands for the id of a group that is still to be made.
const NEW_GROUP: &str = "NEW_GROUP_ID";

/// A server outside of clusters, as the API takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server {
    id: String,
    ip: String,
    port: u16,
    weight: u32,
    kind: String,
}

/// Makes the commands for one CLB.
struct Writer<'w> {
    answers: &'w ClbAnswers,
    clb: &'w str,
    region: &'w str,
    lines: Vec<String>,
}

/// The commands that make at the CLB what these routes of a Service need there; empty where all is
/// there, and where the answers do not tell.
pub(super) fn commands(
    answers: &ClbAnswers,
    routes: &Routes,
    (region, service): (&str, &Service),
) -> Vec<String> {
    let clb = routes.clb.as_str();
    let Some(known) = answers.groups_of(clb, false) else { return Vec::new() };
    let mut writer = Writer { answers, clb, region, lines: Vec::new() };
    for (group, ports) in &routes.ports {
        let usable = |(id, name): &(&str, &str)| id == group && NamedKey::parse(name).is_none();
        let is_there = known.iter().any(usable);
        if !is_there {
            let meta = &service.metadata;
            let name = format!("{}-{}", meta.namespace(), meta.name);
            writer.call("CreateVServerGroup", &[("VServerGroupName", &name)]);
            if let Some(line) = writer.lines.last_mut() {
                *line += "  # its VServerGroupId is ";
                *line += NEW_GROUP;
                *line += "; give it to --vgroup";
            }
        }
        let id = if is_there { group } else { NEW_GROUP };
        for port in ports {
            let of_service = service.spec.ports.iter().find(|of| of.port == *port);
            let Some(of_service) = of_service else { continue };
            writer.listener(id, *port, &of_service.protocol.to_lowercase());
        }
    }
    let mut lines = writer.lines;
    lines.dedup();
    lines
}

impl Writer<'_> {
    /// What it takes to have a running listener send to a group. It is the one of the Service port.
    fn listener(&mut self, group: &str, port: u16, protocol: &str) {
        let answers = self.answers;
        let Some(listeners) = answers.listeners_of(self.clb, false) else { return };
        if !answers.shows_all_listeners(self.clb, false) {
            return;
        }
        let mut senders = listeners.iter().filter(|of| of.vgroup == group).peekable();
        if senders.peek().is_some() {
            if !senders.clone().any(|of| of.is_running())
                && let Some(stopped) = senders.next()
            {
                self.start(stopped.port, &stopped.protocol);
            }
            return;
        }
        // TCP, HTTP and HTTPS share the ports of a CLB; UDP has its own.
        let is_udp = protocol == "udp";
        let present =
            listeners.iter().find(|of| of.port == port && (of.protocol == "udp") == is_udp);
        if present.is_some_and(|of| of.forward_port().is_some()) {
            return;
        }
        self.servers(group, port, present.copied());
        let number = port.to_string();
        let mut parameters = vec![("ListenerPort", number.as_str())];
        let Some(present) = present else {
            // Healthy and unhealthy are 3 checks, as in the console.
            let checks: &[(&str, &str)] = if is_udp {
                &[("HealthCheckInterval", "5"), ("HealthCheckConnectTimeout", "10")]
            } else {
                &[
                    ("HealthCheckType", "tcp"),
                    ("HealthCheckInterval", "2"),
                    ("HealthCheckConnectTimeout", "5"),
                ]
            };
            parameters.extend([
                ("Bandwidth", "-1"),
                ("Scheduler", "wrr"),
                ("VServerGroupId", group),
            ]);
            parameters.extend(checks);
            parameters.extend([("HealthyThreshold", "3"), ("UnhealthyThreshold", "3")]);
            let name = protocol.to_uppercase();
            self.call(&format!("CreateLoadBalancer{name}Listener"), &parameters);
            self.start(port, protocol);
            return;
        };
        parameters.extend([("VServerGroup", "on"), ("VServerGroupId", group)]);
        // Only these two heed weights (CLB documentation: schedulers).
        if !["wrr", "wlc"].contains(&present.scheduler.as_str()) {
            parameters.push(("Scheduler", "wrr"));
        }
        let name = present.protocol.to_uppercase();
        self.call(&format!("SetLoadBalancer{name}ListenerAttribute"), &parameters);
        if !present.is_running() {
            self.start(port, &present.protocol);
        }
    }

    fn start(&mut self, port: u16, protocol: &str) {
        let port = port.to_string();
        let parameters = [("ListenerPort", port.as_str()), ("ListenerProtocol", protocol)];
        self.call("StartLoadBalancerListener", &parameters);
    }

    /// Has the servers that serve the port now join the group. They lose its traffic otherwise.
    fn servers(&mut self, group: &str, port: u16, listener: Option<&Listener>) {
        let held = self.answers.groups.get(group);
        let is_held = |server: &Server| {
            held.is_some_and(|of| {
                let mut backends = of.backends.iter();
                backends.any(|of| of.server_id == server.id && of.port == server.port)
            })
        };
        let mut servers = self.present_servers(port, listener);
        servers.retain(|server| !is_held(server));
        for some in servers.chunks(SERVERS_PER_CALL) {
            let some: Vec<Value> = some.iter().map(Server::to_json).collect();
            let some = format!("'{}'", Value::Array(some));
            self.line(
                "AddVServerGroupBackendServers",
                &[("VServerGroupId", group), ("BackendServers", &some)],
            );
        }
    }

    /// The servers outside of clusters that serve a port now: those of the group that its listener
    /// sends to, or of the CLB's default group.
    fn present_servers(&self, port: u16, listener: Option<&Listener>) -> Vec<Server> {
        let vgroup = listener.map_or("", |of| of.vgroup.as_str());
        if !vgroup.is_empty() {
            let backends = self.answers.groups.get(vgroup).map(|of| of.backends.as_slice());
            let outside = backends.unwrap_or_default().iter();
            let outside = outside.filter(|of| NamedKey::parse(&of.description).is_none());
            let server = outside.map(|of| Server {
                id: of.server_id.clone(),
                ip: of.server_ip.clone(),
                port: of.port,
                weight: of.weight,
                kind: of.kind.clone(),
            });
            return server.collect();
        }
        let port = listener.map(|of| of.backend_port).filter(|port| *port > 0).unwrap_or(port);
        let balancer = self.answers.balancers.get(self.clb);
        let servers = balancer.map(|of| of.default_servers.as_slice()).unwrap_or_default();
        let server = servers.iter().map(|of| Server {
            id: of.server_id.clone(),
            ip: of.server_ip.clone(),
            port,
            weight: of.weight,
            kind: of.kind.clone(),
        });
        server.collect()
    }

    /// A call about the CLB.
    fn call(&mut self, action: &str, parameters: &[(&str, &str)]) {
        let clb = self.clb;
        let all: Vec<(&str, &str)> =
            [("LoadBalancerId", clb)].into_iter().chain(parameters.iter().copied()).collect();
        self.line(action, &all);
    }

    fn line(&mut self, action: &str, parameters: &[(&str, &str)]) {
        let mut line = format!("aliyun slb {action} --RegionId {}", self.region);
        for (name, value) in parameters {
            // A value that begins with a dash would be a flag.
            let between = if value.starts_with('-') { '=' } else { ' ' };
            // Writing to a String cannot fail.
            let _ = write!(line, " --{name}{between}{value}");
        }
        self.lines.push(line);
    }
}

impl Server {
    fn to_json(&self) -> Value {
        let kind = if self.kind.is_empty() { "ecs" } else { &self.kind };
        let port = self.port;
        let (id, weight) = (&self.id, self.weight);
        if kind == "ecs" || self.ip.is_empty() {
            return json!({"ServerId": id, "Port": port, "Weight": weight, "Type": kind});
        }
        json!({
            "ServerId": id, "Port": port, "Weight": weight, "Type": kind, "ServerIp": self.ip,
        })
    }
}

#[cfg(test)]
#[path = "missing_tests.rs"]
mod tests;
