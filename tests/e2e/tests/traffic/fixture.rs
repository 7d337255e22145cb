//! Two clusters, machines outside, and a CLB before them all.

use std::{collections::BTreeMap, process::Child, time::Duration};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::{Ccm, Plane, Ran, Tools, ran};
use clbmigrate_load::sender::{Counter, Summary};
use clbmigrate_testbed::{Bed, Cluster, Place, image::APP};
use serde_json::{Value, json};

use crate::{
    cases::CASES,
    route::{MACHINE_PORT, MACHINES, NAMESPACE, NEW, OLD, POD_PORT},
};

/// The machine that the CLB is.
pub const CLB: &str = "clb";
/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Clusters and how many pods they have: not as many on each node.
const PODS: [(&str, u8); 2] = [(OLD, 3), (NEW, 4)];

/// Who answers with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// A pod.
    Pod {
        /// Its cluster.
        cluster: &'static str,
        /// The instance of its node.
        node: String,
        /// Its address.
        address: String,
    },
    /// A machine outside, with this instance.
    Machine(String),
}

/// What runs on the bed for all tests.
#[derive(Debug)]
pub struct Scene {
    tools: Tools,
    counter: Counter,
    plane: Plane,
    who: BTreeMap<String, Who>,
    _ccms: Vec<Ccm>,
    _machines: Vec<Child>,
}

impl Scene {
    /// Deploys pods and Services, then starts the machines' servers, the CLB, and CCM for both
    /// clusters.
    pub fn set(bed: &Bed) -> Result<Self> {
        let (tools, counter) = (Tools::build()?, Counter::build()?);
        for (name, pods) in PODS {
            bed.cluster(name)?.apply(&manifests(name, pods).to_string())?;
        }
        let mut who = BTreeMap::new();
        for (name, _) in PODS {
            let cluster = bed.cluster(name)?;
            let rollout = ["rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout=90s"];
            cluster.ask(&rollout)?;
            who.extend(pods(&cluster, name)?);
        }
        let all: u8 = PODS.iter().map(|(_, pods)| pods).sum();
        ensure!(who.len() == usize::from(all), "names of pods are not unique: {who:?}");
        let addresses = who.values().filter_map(|who| match who {
            Who::Pod { address, .. } => Some(address.clone()),
            Who::Machine(_) => None,
        });
        let addresses = addresses.collect::<Vec<_>>();
        let mut machines = Vec::new();
        for name in MACHINES {
            let instance = bed.machine(name)?.instance.clone();
            let mut server = bed.inside(Place::Machine(name), bed.app()?)?;
            server.args(["serve", &MACHINE_PORT.to_string()]).env("HOSTNAME", &instance);
            machines.push(server.spawn().with_context(|| format!("the server of {name}"))?);
            who.insert(instance.clone(), Who::Machine(instance));
        }
        let entrances = CASES.iter().map(|case| case.route.entrance()).collect::<Vec<_>>();
        let plane = Plane::start(bed, CLB, &entrances, &addresses)?;
        let ccm = |(name, _)| Ccm::with_endpoint(&bed.cluster(name)?, &tools, plane.url(), name);
        let ccms = PODS.into_iter().map(ccm).collect::<Result<Vec<_>>>()?;
        Ok(Self { tools, counter, plane, who, _ccms: ccms, _machines: machines })
    }
}

/// A namespace with pods, the Services before them, and the cluster's id.
fn manifests(cluster: &str, pods: u8) -> Value {
    let labels = json!({"app": "web"});
    let template = json!({
        "metadata": {"labels": labels},
        "spec": {
            "terminationGracePeriodSeconds": 5,
            "topologySpreadConstraints": [{
                "maxSkew": 1, "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {"matchLabels": labels},
            }],
            "containers": [{
                "name": "web", "image": APP, "imagePullPolicy": "Never",
                "readinessProbe": {"tcpSocket": {"port": POD_PORT}, "periodSeconds": 1},
            }],
        },
    });
    let mut items = vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}),
        json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "ack-cluster-profile", "namespace": "kube-system"},
            "data": {"clusterid": cluster},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"replicas": pods, "selector": {"matchLabels": labels}, "template": template},
        }),
    ];
    items.extend(CASES.iter().filter_map(|case| case.route.service(cluster)));
    json!({"apiVersion": "v1", "kind": "List", "items": items})
}

/// The pods of a cluster, by the names that they answer with.
fn pods(cluster: &Cluster<'_>, name: &'static str) -> Result<Vec<(String, Who)>> {
    let list = cluster.ask(&["get", "pods", "-n", NAMESPACE, "-o", "json"])?;
    let list: Value = serde_json::from_str(&list)?;
    let pod = |pod: &Value| -> Result<(String, Who)> {
        let text = |pointer: &str| {
            let value = pod.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("no {pointer} in {pod}"))
        };
        let node = text("/spec/nodeName")?;
        let node = cluster.nodes().iter().find(|of| of.name == node).context("no such node")?;
        let (node, address) = (node.instance.clone(), text("/status/podIP")?);
        Ok((text("/metadata/name")?, Who::Pod { cluster: name, node, address }))
    };
    list["items"].as_array().context("no list")?.iter().map(pod).collect()
}

/// What tests do with it.
pub struct Stage<'s> {
    pub bed: &'s Bed,
    pub scene: &'s Scene,
}

impl Stage<'_> {
    /// `kubectl clbmigrate` with the kubeconfig of both clusters and the credentials of the CLB.
    pub fn clbmigrate(&self, arguments: &str) -> Result<Ran> {
        let cluster = self.bed.cluster(NEW)?;
        let mut command = cluster.kubectl();
        let path = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{path}", self.scene.tools.folder().display());
        command.env("PATH", path).env("KUBECONFIG", self.bed.kubeconfig());
        command.arg("clbmigrate").args(arguments.split_whitespace()).args(["-n", NAMESPACE]);
        ran(self.scene.plane.let_in(&mut command))
    }

    /// Sends so many requests to a listener, each on a connection of its own.
    pub fn count(&self, port: u16, requests: u64) -> Result<Summary> {
        self.scene.counter.count(self.bed, self.scene.plane.listener(port), requests)
    }

    /// Who answers with a name; an unknown one is an error.
    pub fn who(&self, name: &str) -> Result<&Who> {
        self.scene.who.get(name).with_context(|| format!("{name:?} has answered; who is that?"))
    }
}
