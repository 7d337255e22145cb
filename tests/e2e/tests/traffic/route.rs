//! Where traffic can go: Services of both clusters, and machines outside.

use clbmigrate_e2e::Listener;
use clbmigrate_testkit::manifests::key;
use serde_json::{Value, json};

/// A cluster with two nodes; also its id.
pub const OLD: &str = "old";
/// A cluster with three.
pub const NEW: &str = "new";
/// Machines that are in no cluster. Their instances are `i-NAME`.
pub const MACHINES: [&str; 2] = ["ecs1", "ecs2"];
/// Where they listen.
pub const MACHINE_PORT: u16 = 80;
/// Where pods listen.
pub const POD_PORT: u16 = 8080;

/// How long a health check waits where a server that is not there refuses at once.
const CHECK_SECONDS: u8 = 60;

/// How traffic gets to a Service's pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Cluster,
    Local,
    Eni,
}

/// Services of one name and machines outside, in one group.
#[derive(Debug)]
pub struct Route {
    /// The Services' name.
    pub name: &'static str,
    /// Of the listener and the Services.
    pub port: u16,
    /// Cluster, mode and weight of each Service.
    pub services: &'static [(&'static str, Mode, u8)],
    /// Name and weight of each machine.
    pub machines: &'static [(&'static str, u8)],
}

impl Route {
    pub fn group(&self) -> String {
        format!("rsp-bp1{}", self.name)
    }

    /// The mode in a cluster that has a Service of it.
    pub fn mode(&self, cluster: &str) -> Option<Mode> {
        self.services.iter().find(|(name, ..)| *name == cluster).map(|(_, mode, _)| *mode)
    }

    /// The Service of a cluster that has one, in a namespace and behind a CLB.
    pub fn service(&self, cluster: &str, (namespace, clb): (&str, &str)) -> Option<Value> {
        let (_, mode, weight) = self.services.iter().find(|(name, ..)| *name == cluster)?;
        let mut annotations = json!({});
        annotations[key("id")] = json!(clb);
        annotations[key("vgroup-port")] = json!(format!("{}:{}", self.group(), self.port));
        annotations[key("weight")] = json!(weight.to_string());
        if *mode == Mode::Eni {
            annotations["service.beta.kubernetes.io/backend-type"] = json!("eni");
        }
        let policy = if *mode == Mode::Local { "Local" } else { "Cluster" };
        Some(json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": self.name, "namespace": namespace, "annotations": annotations},
            "spec": {
                "type": "LoadBalancer",
                "externalTrafficPolicy": policy,
                "ports": [{"name": "http", "port": self.port, "targetPort": POD_PORT}],
            },
        }))
    }

    /// The CLB's side of it, as it is before any cluster is there.
    pub fn listener(&self) -> Listener {
        let machine = |(name, weight): &(&str, u8)| (format!("i-{name}"), MACHINE_PORT, *weight);
        Listener {
            port: self.port,
            group: self.group(),
            servers: self.machines.iter().map(machine).collect(),
            check_seconds: CHECK_SECONDS,
            drains: false,
        }
    }
}
