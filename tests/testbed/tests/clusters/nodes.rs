//! Beds with nodes: pods, Services as a CLB reaches them, and networks that fail.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use clbmigrate_testbed::image::{Image, write};
use clbmigrate_testbed::suite::SharedTestbed;
use clbmigrate_testbed::web_server::{PORT, WebServer, WebServerSpec};
use clbmigrate_testbed::{
    Cluster, Isolation, Network, Plan, Testbed, Version, try_wait_for, wait_for,
};
use libtest_mimic::Trial;

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(60);
/// The clusters of this testbed; no test but [`isolated`] uses `c` and `ecs2`.
pub fn testbed() -> Arc<SharedTestbed> {
    let plan = Plan::new()
        .cluster("a", Version::NEWEST)
        .nodes(3)
        .cluster("b", Version::OLDEST)
        .nodes(1)
        .cluster("c", Version::OLDEST)
        .nodes(1)
        .machine("ecs1")
        .machine("ecs2");
    SharedTestbed::new(plan)
}

pub fn trials(shared: &Arc<SharedTestbed>) -> Vec<Trial> {
    vec![
        shared.trial("nodes have the ids that the cloud would give them", ids),
        shared.trial("kubelets take requests of the API server and of nobody unknown", kubelets),
        shared.trial("a preStop hook delays the end of its pod, which answers meanwhile", pre_stop),
        shared.trial(
            "node ports and pods are reached from outside, in Cluster and Local policy",
            ports,
        ),
        shared.trial("the network of the API server knows Services", services),
        shared.trial(
            "an isolated network rejects or drops packets, and works again when reconnected",
            isolated,
        ),
        shared.trial("an image of one's own runs on every node", images),
    ]
}

fn deploy<'a>(cluster: &Cluster<'a>, spec: WebServerSpec<'_>) -> anyhow::Result<WebServer<'a>> {
    WebServer::deploy(cluster.clone(), spec)
}

/// Waits for an answer: rules for a Service are there a moment after its pods are ready.
fn answer(testbed: &Testbed, from: Network<'_>, to: Ipv4Addr, port: u16) -> anyhow::Result<String> {
    let what = format!("an answer of {to}:{port}");
    wait_for(&what, DEADLINE, || testbed.fetch(from, (to, port).into()).ok())
}

/// Waits until there is none, and says why.
fn no_answer(
    testbed: &Testbed,
    from: Network<'_>,
    to: Ipv4Addr,
    port: u16,
) -> anyhow::Result<String> {
    let what = format!("no answer of {to}:{port}");
    wait_for(&what, DEADLINE, || {
        testbed.fetch(from, (to, port).into()).err().map(|error| error.to_string())
    })
}

fn ids(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let path = r#"jsonpath={range .items[*]}{.metadata.name} {.spec.providerID} {.status.addresses[?(@.type=="InternalIP")].address}{"\n"}{end}"#;
    let output = cluster.run_kubectl(&["get", "nodes", "-o", path])?;
    let wanted = cluster
        .nodes()
        .iter()
        .map(|node| format!("{} cn-bed.{} {}\n", node.name, node.instance, node.address));
    ensure!(output == wanted.collect::<String>(), "{output}");
    ensure!(output.starts_with("a-1 cn-bed.i-a1 10."), "{output}");
    let machine = testbed.machine("ecs1")?;
    ensure!(machine.instance == "i-ecs1");
    let (all, node) = (testbed.instances(), &cluster.nodes()[0]);
    ensure!(all.len() == 7 && all["i-ecs1"] == machine.address && all["i-a1"] == node.address);
    Ok(())
}

fn kubelets(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("b")?;
    deploy(&cluster, WebServerSpec { name: "logged", ..WebServerSpec::default() })?;
    // Through the API server, which shows its certificate.
    let output =
        cluster.kubectl().args(["exec", "deploy/logged", "--", "/app", "help"]).output()?;
    let output = String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.contains("usage: app"), "{output}");

    // A kubelet's own identity may not change another node.
    let node = "system:node:b-1";
    let user =
        cluster.kubeconfig_for(node, &["system:nodes"], clbmigrate_testbed::Validity::Valid)?;
    let label = |name: &str| -> anyhow::Result<String> {
        let mut kubectl = cluster.kubectl();
        kubectl.env("KUBECONFIG", &user).args(["label", "node", name, "bed=1", "--overwrite"]);
        let output = kubectl.output()?;
        Ok(String::from_utf8_lossy(&output.stderr).into_owned())
    };
    ensure!(label("b-1")?.is_empty());
    ensure!(label("b-2")?.contains("Forbidden"), "{}", label("b-2")?);

    // Straight to the kubelet, whose certificate is of the same authority.
    let server = format!("--server=https://{}:10250", cluster.nodes()[0].address);
    let pods = ["get", "--raw", "/pods", &server];
    ensure!(cluster.run_kubectl(&pods)?.contains("PodList"));
    let refused = |user: std::path::PathBuf| -> anyhow::Result<String> {
        let output = cluster.kubectl().env("KUBECONFIG", user).args(pods).output()?;
        ensure!(!output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        Ok(String::from_utf8(output.stderr)?)
    };
    let output = refused(cluster.developer_kubeconfig())?;
    ensure!(output.contains("Forbidden"), "{output}");
    // Valid for the other cluster, whose authority this kubelet does not know.
    let certificate = testbed.cluster("a")?.client_certificate()?;
    let output = refused(cluster.kubeconfig_with("stranger", &certificate)?)?;
    ensure!(output.contains("must be logged in"), "{output}");
    Ok(())
}

fn pre_stop(testbed: &Testbed) -> anyhow::Result<()> {
    const SECONDS: u8 = 4;
    let cluster = testbed.cluster("b")?;
    let slow =
        WebServerSpec { name: "slow", pre_stop_seconds: SECONDS, ..WebServerSpec::default() };
    let server = deploy(&cluster, slow)?;
    let found = server.pods()?;
    let pod = found.first().context("no pod")?;
    answer(testbed, Network::Machine("ecs1"), pod.address, PORT)?;

    server.scale(0)?;
    let begin = Instant::now();
    let mut answers = 0;
    try_wait_for("the end of the pod", DEADLINE, || {
        let gone = testbed.fetch(Network::Machine("ecs1"), (pod.address, PORT).into()).is_err();
        answers += u32::from(!gone);
        Ok(gone.then_some(()))
    })?;
    // A lower bound: the hook sleeps that long before the program is output to end.
    let lasted = begin.elapsed();
    ensure!(lasted >= Duration::from_secs(u64::from(SECONDS) - 1), "it ended after {lasted:?}");
    ensure!(answers > 0, "it did not answer while the hook ran");
    cluster
        .run_kubectl(&["wait", "--for=delete", &format!("pod/{}", pod.name), "--timeout=60s"])
        .map(drop)
}

fn ports(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    let two = WebServerSpec { replicas: 2, ..WebServerSpec::default() };
    let everywhere = deploy(&cluster, WebServerSpec { name: "everywhere", ..two })?;
    let local =
        deploy(&cluster, WebServerSpec { name: "local", external_traffic_policy: "Local", ..two })?;
    let outside = [Network::Internet, Network::Machine("ecs1")];

    let port = everywhere.node_port()?;
    for node in cluster.nodes() {
        for network in outside {
            answer(testbed, network, node.address, port)?;
        }
    }
    for pod in everywhere.pods()? {
        for network in outside {
            ensure!(answer(testbed, network, pod.address, PORT)? == pod.name);
        }
    }

    let port = local.node_port()?;
    let pods = local.pods()?;
    for node in cluster.nodes() {
        match pods.iter().find(|pod| pod.node == node.name) {
            // Never another one: the node must not pass it on.
            Some(pod) => {
                ensure!(answer(testbed, Network::Internet, node.address, port)? == pod.name);
            }
            None => no_answer(testbed, Network::Internet, node.address, port).map(drop)?,
        }
    }
    ensure!(pods.len() < cluster.nodes().len(), "every node has a pod: nothing was compared");
    Ok(())
}

fn services(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("a")?;
    deploy(&cluster, WebServerSpec { name: "hook", ..WebServerSpec::default() })?;
    let path = "jsonpath={.spec.clusterIP}";
    let address = cluster.run_kubectl(&["get", "service", "hook", "-o", path])?.parse()?;
    let name = answer(testbed, Network::ControlPlane("a"), address, 80)?;
    ensure!(name.starts_with("hook-"), "{name}");
    Ok(())
}

fn isolated(testbed: &Testbed) -> anyhow::Result<()> {
    let cluster = testbed.cluster("c")?;
    let server = deploy(&cluster, WebServerSpec::default())?;
    let node = &cluster.nodes()[0];
    let network = Network::Node(&node.name);
    let port = server.node_port()?;
    let pod = server.pods()?.first().context("no pod")?.address;
    let targets = [(node.address, port), (pod, PORT)];
    let from = Network::Machine("ecs2");
    for (address, port) in targets {
        answer(testbed, from, address, port)?;
    }
    // The second one replaces the first.
    for (how, why) in [(Isolation::Reject, "ConnectionRefused"), (Isolation::Drop, "TimedOut")] {
        testbed.isolate(network, how)?;
        for (address, port) in targets {
            let output = no_answer(testbed, from, address, port)?;
            ensure!(output.contains(why), "{how:?} of {address}:{port}: {output}");
        }
        // Others are not cut off.
        let other = testbed.cluster("a")?.run_kubectl(&["get", "--raw", "/readyz"])?;
        ensure!(other == "ok");
    }
    testbed.reconnect(network)?;
    for (address, port) in targets {
        answer(testbed, from, address, port)?;
    }

    testbed.isolate(Network::ControlPlane("c"), Isolation::Reject)?;
    let refused = cluster.run_kubectl(&["get", "--raw", "/readyz"]);
    let output = refused.map_err(|error| format!("{error:#}"));
    ensure!(output.as_ref().is_err_and(|output| output.contains("refused")), "{output:?}");
    testbed.reconnect(Network::ControlPlane("c"))?;
    cluster.run_kubectl(&["get", "--raw", "/readyz"])?;

    testbed.isolate(from, Isolation::Drop)?;
    let output = no_answer(testbed, from, node.address, port)?;
    ensure!(output.contains("TimedOut"), "{output}");
    testbed.reconnect(from)?;
    answer(testbed, from, node.address, port).map(drop)
}

fn images(testbed: &Testbed) -> anyhow::Result<()> {
    const NAME: &str = "clbmigrate.test/own:2";
    let cluster = testbed.cluster("a")?;
    let archive = testbed.folder().join("own.tar");
    let image = Image { name: NAME, program: testbed.app()?, arguments: &["serve"] };
    write(&archive, &[image])?;
    cluster.import_image(&archive)?;
    let own = WebServerSpec { name: "own", replicas: 3, image: NAME, ..WebServerSpec::default() };
    let mut nodes =
        deploy(&cluster, own)?.pods()?.into_iter().map(|pod| pod.node).collect::<Vec<_>>();
    nodes.sort_unstable();
    ensure!(nodes == ["a-1", "a-2", "a-3"], "{nodes:?}");
    Ok(())
}
