//! Two clusters with pods, machines outside, and what tests do with them.

use std::{
    collections::BTreeMap,
    process::{Child, Command},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::Tools;
use clbmigrate_load::sender::{FixedCountSender, Summary};
use clbmigrate_testbed::{Cluster, Network, Testbed, image::APP};
use clbmigrate_testkit::{
    CommandOutput, Kubectl,
    manifests::{self, cluster_profile, list},
    run,
};
use serde_json::{Value, json};

use crate::{
    pod_ends,
    requests::Table,
    route::{MACHINE_PORT, MACHINES, NEW, OLD, POD_PORT},
    site::Site,
};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);
/// Where all pods are.
const NAMESPACE: &str = "web";
/// Clusters and how many pods they have: not as many on each node.
const PODS: [(&str, u8); 2] = [(OLD, 3), (NEW, 4)];

/// Who answers with a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Responder {
    /// A pod.
    Pod(Pod),
    /// A machine outside, with this instance.
    Machine(String),
}

/// A pod that answers with its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    pub cluster: &'static str,
    /// The name of its node.
    pub node: String,
    /// The instance of its node.
    pub instance: String,
    pub address: String,
}

/// What runs on the testbed for all tests.
#[derive(Debug)]
pub struct Fixture {
    pub tools: Tools,
    counter: FixedCountSender,
    responders: BTreeMap<String, Responder>,
    _machines: Vec<Child>,
}

impl Fixture {
    /// Deploys pods and starts the machines' servers.
    pub fn start(testbed: &Testbed) -> Result<Self> {
        let (tools, counter) = (Tools::build()?, FixedCountSender::build()?);
        for (name, pods) in PODS {
            testbed.cluster(name)?.apply(&manifests(name, pods).to_string())?;
        }
        testbed.cluster(NEW)?.apply(&pod_ends::pods().to_string())?;
        let mut responders = BTreeMap::new();
        for (name, _) in PODS {
            let cluster = testbed.cluster(name)?;
            let rollout = ["rollout", "status", "deployment/web", "-n", NAMESPACE, "--timeout=90s"];
            cluster.run_kubectl(&rollout)?;
            responders.extend(pods(&cluster, name)?);
        }
        let all: u8 = PODS.iter().map(|(_, pods)| pods).sum();
        ensure!(
            responders.len() == usize::from(all),
            "names of pods are not unique: {responders:?}"
        );
        let mut machines = Vec::new();
        for name in MACHINES {
            let instance = testbed.machine(name)?.instance.clone();
            let mut server = testbed.command_in(Network::Machine(name), testbed.app()?)?;
            server.args(["serve", &MACHINE_PORT.to_string()]).env("HOSTNAME", &instance);
            machines.push(server.spawn().with_context(|| format!("the server of {name}"))?);
            responders.insert(instance.clone(), Responder::Machine(instance));
        }
        Ok(Self { tools, counter, responders, _machines: machines })
    }

    /// The pods of both clusters.
    pub fn pods(&self) -> impl Iterator<Item = &Pod> {
        self.responders.values().filter_map(|responder| match responder {
            Responder::Pod(pod) => Some(pod),
            Responder::Machine(_) => None,
        })
    }
}

/// A namespace with pods, and the cluster's id.
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
                "readinessProbe": {"tcpSocket": {"port": POD_PORT}, "periodSeconds": 1, "timeoutSeconds": 10},
            }],
        },
    });
    list(&[
        manifests::namespace(NAMESPACE, &json!({})),
        cluster_profile(cluster),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": NAMESPACE},
            "spec": {"replicas": pods, "selector": {"matchLabels": labels}, "template": template},
        }),
    ])
}

/// The pods of a cluster, by the names that they answer with.
fn pods(cluster: &Cluster<'_>, name: &'static str) -> Result<Vec<(String, Responder)>> {
    let list = cluster.run_kubectl(&["get", "pods", "-n", NAMESPACE, "-o", "json"])?;
    let list: Value = serde_json::from_str(&list)?;
    let pod = |pod: &Value| -> Result<(String, Responder)> {
        let text = |pointer: &str| {
            let value = pod.pointer(pointer).and_then(Value::as_str);
            value.map(str::to_owned).with_context(|| format!("no {pointer} in {pod}"))
        };
        let node = text("/spec/nodeName")?;
        let of = cluster.nodes().iter().find(|of| of.name == node).context("no such node")?;
        let (instance, address) = (of.instance.clone(), text("/status/podIP")?);
        let pod = Pod { cluster: name, node, instance, address };
        Ok((text("/metadata/name")?, Responder::Pod(pod)))
    };
    list["items"].as_array().context("no list")?.iter().map(pod).collect()
}

/// What tests do with it.
pub struct TestContext<'s> {
    pub testbed: &'s Testbed,
    pub fixture: &'s Fixture,
    /// The CLB of the test, and what is behind it.
    pub site: &'s Site,
    /// The test, as the table of counts names it.
    pub title: &'s str,
    pub table: &'s Table,
}

impl TestContext<'_> {
    /// Runs the plugin with the kubeconfig of both clusters and the credentials of the CLB.
    pub fn run_plugin(&self, arguments: &str) -> Result<CommandOutput> {
        run(&mut self.plugin(arguments)?)
    }

    /// The same, to be started. It runs without kubectl, which would only cost time.
    pub fn plugin(&self, arguments: &str) -> Result<Command> {
        let tools = &self.fixture.tools;
        let kubectl = Kubectl::new(self.testbed.cluster(NEW)?, &[tools.folder()])?;
        let mut command = kubectl.with_kubeconfig(self.testbed.kubeconfig()).program(&tools.plugin);
        command.args(arguments.split_whitespace()).args(["-n", self.site.namespace]);
        self.site.clb.add_credentials(&mut command);
        Ok(command)
    }

    /// Sends so many requests to a listener, each on a connection of its own.
    pub fn count(&self, port: u16, requests: u64) -> Result<Summary> {
        self.fixture.counter.send(self.testbed, self.site.clb.listener(port), requests)
    }

    /// Who answers with a name; an unknown one is an error.
    pub fn responder(&self, name: &str) -> Result<&Responder> {
        self.fixture
            .responders
            .get(name)
            .with_context(|| format!("{name:?} has answered; who is that?"))
    }
}
