//! The testbed's web server as a workload: a Deployment, and a Service with a node port.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::cluster::Cluster;
use crate::image::APP;
use crate::layout::Network;
use crate::testbed::Testbed;
use crate::wait::wait_for;

/// The port on which the web server of [`crate::image::APP`] listens.
pub const PORT: u16 = 8080;

/// How long a rollout or an answer may take.
const DEADLINE: Duration = Duration::from_secs(90);

/// What [`WebServer::deploy`] creates.
#[derive(Clone, Copy, Debug)]
pub struct WebServerSpec<'a> {
    /// The name of the Deployment and of the Service, and the value of the Pods' label `app`.
    pub name: &'a str,
    /// The number of Pods. They are spread evenly over the nodes.
    pub replicas: u8,
    /// The Service's `externalTrafficPolicy`: `Cluster` or `Local`.
    pub external_traffic_policy: &'a str,
    /// The image, whose program must serve on [`PORT`].
    pub image: &'a str,
    /// The seconds that a preStop hook sleeps; 0 makes no hook.
    pub pre_stop_seconds: u8,
}

impl Default for WebServerSpec<'_> {
    /// One Pod of the testbed's own image, policy `Cluster`, no hook.
    fn default() -> Self {
        Self {
            name: "web",
            replicas: 1,
            external_traffic_policy: "Cluster",
            image: APP,
            pre_stop_seconds: 0,
        }
    }
}

/// Web servers in the namespace `default` of a cluster with nodes.
#[derive(Clone, Debug)]
pub struct WebServer<'a> {
    cluster: Cluster<'a>,
    name: String,
    is_local: bool,
}

/// A Pod of a web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WebServerPod {
    /// Its name, with which it answers requests.
    pub name: String,
    /// The name of its node.
    pub node: String,
    /// Its own address, which is reachable from everywhere in the testbed.
    pub address: Ipv4Addr,
}

impl<'a> WebServer<'a> {
    /// Creates the Deployment and the Service, and waits until all Pods are ready.
    pub fn deploy(cluster: Cluster<'a>, spec: WebServerSpec<'_>) -> anyhow::Result<Self> {
        cluster.apply(&manifests(spec).to_string())?;
        let is_local = spec.external_traffic_policy == "Local";
        let server = Self { cluster, name: spec.name.to_owned(), is_local };
        server.wait_until_rolled_out()?;
        Ok(server)
    }

    /// The Service as `NAMESPACE/NAME`.
    pub fn service(&self) -> String {
        format!("default/{}", self.name)
    }

    /// Waits until all Pods are ready and those that were replaced are gone.
    pub fn wait_until_rolled_out(&self) -> anyhow::Result<()> {
        let timeout = format!("--timeout={}s", DEADLINE.as_secs());
        self.cluster.run_kubectl(&["rollout", "status", &self.deployment(), &timeout]).map(drop)
    }

    /// Changes the number of Pods, without waiting for it.
    pub fn scale(&self, replicas: u8) -> anyhow::Result<()> {
        let replicas = format!("--replicas={replicas}");
        self.cluster.run_kubectl(&["scale", &self.deployment(), &replicas]).map(drop)
    }

    /// Deletes one of the Pods that are not ending already, without waiting for it. The Deployment
    /// replaces it.
    pub fn delete_a_pod(&self) -> anyhow::Result<()> {
        let pods = self.pod_objects()?;
        let is_ending = |pod: &&Value| pod.pointer("/metadata/deletionTimestamp").is_some();
        let pod = pods.iter().find(|pod| !is_ending(pod)).context("all Pods are ending")?;
        let name = pod.pointer("/metadata/name").and_then(Value::as_str).context("no name")?;
        self.cluster.run_kubectl(&["delete", "pod", name, "--wait=false"]).map(drop)
    }

    /// The Service's node port.
    pub fn node_port(&self) -> anyhow::Result<u16> {
        let path = "jsonpath={.spec.ports[0].nodePort}";
        Ok(self.cluster.run_kubectl(&["get", "service", &self.name, "-o", path])?.parse()?)
    }

    /// The Pods that there are. An error if one of them has no address yet.
    pub fn pods(&self) -> anyhow::Result<Vec<WebServerPod>> {
        self.pod_objects()?.iter().map(pod).collect()
    }

    fn pod_objects(&self) -> anyhow::Result<Vec<Value>> {
        let label = format!("app={}", self.name);
        let list = self.cluster.run_kubectl(&["get", "pods", "-l", &label, "-o", "json"])?;
        let mut list: Value = serde_json::from_str(&list)?;
        match list.get_mut("items").map(Value::take) {
            Some(Value::Array(pods)) => Ok(pods),
            _ => bail!("no list of Pods: {list}"),
        }
    }

    /// Waits until the node port answers on every node that should answer: with the policy `Local`, on
    /// those that have a Pod. kube-proxy writes its rules a moment after Pods are ready.
    pub fn wait_until_reachable(&self, testbed: &Testbed) -> anyhow::Result<()> {
        let (port, pods) = (self.node_port()?, self.pods()?);
        for node in self.cluster.nodes() {
            if self.is_local && !pods.iter().any(|pod| pod.node == node.name) {
                continue;
            }
            let server = SocketAddr::from((node.address, port));
            wait_for(&format!("an answer of {server}"), DEADLINE, || {
                testbed.fetch(Network::Internet, server).ok()
            })
            .with_context(|| format!("{}, Pods {pods:?}", self.name))?;
        }
        Ok(())
    }

    fn deployment(&self) -> String {
        format!("deployment/{}", self.name)
    }
}

fn pod(pod: &Value) -> anyhow::Result<WebServerPod> {
    let text = |pointer: &str| {
        let text = pod.pointer(pointer).and_then(Value::as_str);
        text.map(ToOwned::to_owned).with_context(|| format!("a Pod without {pointer}"))
    };
    Ok(WebServerPod {
        name: text("/metadata/name")?,
        node: text("/spec/nodeName")?,
        address: text("/status/podIP")?.parse()?,
    })
}

fn manifests(spec: WebServerSpec<'_>) -> Value {
    let name = spec.name;
    let labels = json!({"app": name});
    let mut container = json!({
        "name": "web",
        "image": spec.image,
        "imagePullPolicy": "Never",
        "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "timeoutSeconds": 10},
    });
    if let Some(container) = container.as_object_mut().filter(|_| spec.pre_stop_seconds > 0) {
        let hook = json!({"preStop": {"sleep": {"seconds": spec.pre_stop_seconds}}});
        container.insert("lifecycle".to_owned(), hook);
    }
    let pod = json!({
        "terminationGracePeriodSeconds": 30,
        "topologySpreadConstraints": [{
            "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": labels},
        }],
        "containers": [container],
    });
    let deployment = json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": spec.replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": pod},
        },
    });
    let service = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "type": "NodePort",
            "externalTrafficPolicy": spec.external_traffic_policy,
            "selector": labels,
            "ports": [{"port": 80, "targetPort": PORT}],
        },
    });
    json!({"apiVersion": "v1", "kind": "List", "items": [deployment, service]})
}
