//! A Deployment of web servers behind a node port.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clbmigrate_testbed::image::APP;
use clbmigrate_testbed::{Cluster, Network, Testbed, wait_for};
use serde_json::json;

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Where the web server listens.
const PORT: u16 = 8080;

/// A Deployment in the testbed's cluster, one pod a node at most, and a Service of the same name.
pub struct TestDeployment<'a> {
    cluster: Cluster<'a>,
    name: String,
}

impl<'a> TestDeployment<'a> {
    /// Makes both, of pods without a preStop hook, and waits until every node answers as it shall.
    pub fn new(testbed: &'a Testbed, name: &str, policy: &str, replicas: u8) -> Result<Self> {
        let cluster = testbed.cluster("a")?;
        cluster.apply(&manifests(name, policy, replicas))?;
        let deployment = Self { cluster, name: name.to_owned() };
        deployment.wait_until_complete()?;
        deployment.wait_until_reachable(testbed, policy)?;
        Ok(deployment)
    }

    /// As the sender is told it.
    pub fn service(&self) -> String {
        format!("default/{}", self.name)
    }

    pub fn wait_until_complete(&self) -> Result<()> {
        let deployment = format!("deployment/{}", self.name);
        self.cluster.run_kubectl(&["rollout", "status", &deployment, "--timeout=90s"]).map(drop)
    }

    pub fn scale(&self, replicas: u8) -> Result<()> {
        let (deployment, replicas) =
            (format!("deployment/{}", self.name), format!("--replicas={replicas}"));
        self.cluster.run_kubectl(&["scale", &deployment, &replicas]).map(drop)
    }

    /// Deletes one of the pods, which another one replaces.
    pub fn delete_a_pod(&self) -> Result<()> {
        let path = "jsonpath={.items[0].metadata.name}";
        let label = format!("app={}", self.name);
        let pod = self.cluster.run_kubectl(&["get", "pods", "-l", &label, "-o", path])?;
        self.cluster.run_kubectl(&["delete", "pod", &pod, "--wait=false"]).map(drop)
    }

    /// Rules for a Service are there a moment after its pods are ready.
    fn wait_until_reachable(&self, testbed: &Testbed, policy: &str) -> Result<()> {
        let path = "jsonpath={.spec.ports[0].nodePort}";
        let port = self.cluster.run_kubectl(&["get", "service", &self.name, "-o", path])?;
        let label = format!("app={}", self.name);
        let path = "jsonpath={.items[*].spec.nodeName}";
        let pods = self.cluster.run_kubectl(&["get", "pods", "-l", &label, "-o", path])?;
        for node in self.cluster.nodes() {
            if policy == "Local" && !pods.split(' ').any(|name| name == node.name) {
                continue;
            }
            let server = format!("{}:{port}", node.address);
            wait_for(&format!("an answer of {server}"), DEADLINE, || {
                let mut fetch = testbed.command_in(Network::Internet, testbed.app().ok()?).ok()?;
                let output = fetch.args(["fetch", &server]).output().ok()?;
                output.status.success().then_some(())
            })
            .with_context(|| format!("{policy}, pods on {pods}"))?;
        }
        Ok(())
    }
}

fn manifests(name: &str, policy: &str, replicas: u8) -> String {
    let labels = json!({"app": name});
    let pod = json!({
        "terminationGracePeriodSeconds": 5,
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": labels},
        }],
        "containers": [{
            "name": "web",
            "image": APP,
            "imagePullPolicy": "Never",
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        }],
    });
    let template = json!({"metadata": {"labels": labels}, "spec": pod});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template},
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {
                "type": "NodePort",
                "externalTrafficPolicy": policy,
                "selector": labels,
                "ports": [{"port": 80, "targetPort": PORT}],
            },
        },
    ]})
    .to_string()
}
