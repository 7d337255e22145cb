//! A Deployment of web servers behind a node port.

use std::time::Duration;

use anyhow::{Context as _, Result};
use clbmigrate_testbed::image::APP;
use clbmigrate_testbed::{Bed, Cluster, Place, wait_for};
use serde_json::json;

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Where the web server listens.
const PORT: u16 = 8080;

/// A Deployment in the bed's cluster, one pod a node at most, and a Service of the same name.
pub struct Scene<'a> {
    cluster: Cluster<'a>,
    name: String,
}

impl<'a> Scene<'a> {
    /// Makes both, of pods without a preStop hook, and waits until every node answers as it shall.
    pub fn new(bed: &'a Bed, name: &str, policy: &str, replicas: u8) -> Result<Self> {
        let cluster = bed.cluster("a")?;
        cluster.apply(&manifests(name, policy, replicas))?;
        let scene = Self { cluster, name: name.to_owned() };
        scene.wait_until_complete()?;
        scene.wait_until_reachable(bed, policy)?;
        Ok(scene)
    }

    /// As the sender is told it.
    pub fn service(&self) -> String {
        format!("default/{}", self.name)
    }

    pub fn wait_until_complete(&self) -> Result<()> {
        let deployment = format!("deployment/{}", self.name);
        self.cluster.ask(&["rollout", "status", &deployment, "--timeout=90s"]).map(drop)
    }

    pub fn scale(&self, replicas: u8) -> Result<()> {
        let (deployment, replicas) =
            (format!("deployment/{}", self.name), format!("--replicas={replicas}"));
        self.cluster.ask(&["scale", &deployment, &replicas]).map(drop)
    }

    /// Deletes one of the pods, which another one replaces.
    pub fn delete_a_pod(&self) -> Result<()> {
        let path = "jsonpath={.items[0].metadata.name}";
        let label = format!("app={}", self.name);
        let pod = self.cluster.ask(&["get", "pods", "-l", &label, "-o", path])?;
        self.cluster.ask(&["delete", "pod", &pod, "--wait=false"]).map(drop)
    }

    /// Rules for a Service are there a moment after its pods are ready.
    fn wait_until_reachable(&self, bed: &Bed, policy: &str) -> Result<()> {
        let path = "jsonpath={.spec.ports[0].nodePort}";
        let port = self.cluster.ask(&["get", "service", &self.name, "-o", path])?;
        let label = format!("app={}", self.name);
        let path = "jsonpath={.items[*].spec.nodeName}";
        let pods = self.cluster.ask(&["get", "pods", "-l", &label, "-o", path])?;
        for node in self.cluster.nodes() {
            if policy == "Local" && !pods.split(' ').any(|name| name == node.name) {
                continue;
            }
            let server = format!("{}:{port}", node.address);
            wait_for(&format!("an answer of {server}"), DEADLINE, || {
                let mut fetch = bed.inside(Place::Internet, bed.app().ok()?).ok()?;
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
