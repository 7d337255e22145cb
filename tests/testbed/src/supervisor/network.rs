//! Network namespaces and what joins them: a bridge that stands for the internet, with every network
//! on it, and routes to the pods of every node, as in a VPC.

use std::fs;
use std::io::Write as _;
use std::net::Ipv4Addr;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};

use super::process::run;
use crate::layout::{GATEWAY, Layout};
use crate::netns::command_in;

/// The bridge in the namespace of the internet.
const BRIDGE: &str = "internet";

/// How many inotify instances a user may have, and how many it should be: every kubelet, containerd
/// and kube-proxy has some, and Linux's 128 are used up by a second testbed with nodes.
const WATCHERS: (&str, u32) = ("/proc/sys/fs/inotify/max_user_instances", 1024);

/// Makes all namespaces of a testbed; none for a testbed of control planes only.
pub(super) fn build(layout: &Layout) -> anyhow::Result<()> {
    let Some(internet) = layout.namespace.as_deref() else { return Ok(()) };
    allow_watchers();
    let networks = networks(layout);
    for namespace in [internet].into_iter().chain(networks.iter().map(|&(namespace, _)| namespace))
    {
        run(Command::new("ip").args(["netns", "add", namespace]))?;
        // Every namespace begins with the defaults of the kernel.
        run(command_in(Some(namespace), "sysctl").args(["-qw", "net.ipv4.ip_forward=1"]))?;
    }

    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link add {BRIDGE} type bridge"),
        format!("addr add {GATEWAY}/16 dev {BRIDGE}"),
        format!("link set {BRIDGE} up"),
    ];
    for (position, (namespace, _)) in networks.iter().enumerate() {
        lines.push(format!("link add v{position} type veth peer name eth0 netns {namespace}"));
        lines.push(format!("link set v{position} master {BRIDGE} up"));
    }
    lines.extend(routes(layout, None));
    ip(internet, &lines)?;

    for (namespace, address) in networks {
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("addr add {address}/16 dev eth0"),
            "link set eth0 up".to_owned(),
            // Nothing leads out of the testbed; with a default route programs find an address of
            // their own and packets to nowhere are answered.
            format!("route add default via {GATEWAY}"),
        ];
        lines.extend(routes(layout, Some(address)));
        ip(namespace, &lines)?;
    }
    Ok(())
}

/// Lets this machine's users watch files from more programs at once, if they may not yet. Where that
/// cannot be set, a single testbed runs all the same.
fn allow_watchers() {
    let allowed = fs::read_to_string(WATCHERS.0).ok().and_then(|text| text.trim().parse().ok());
    if allowed.is_some_and(|allowed: u32| allowed < WATCHERS.1) {
        let _ = fs::write(WATCHERS.0, WATCHERS.1.to_string());
    }
}

/// The namespaces on the bridge, with their addresses.
fn networks(layout: &Layout) -> Vec<(&str, Ipv4Addr)> {
    let mut networks = Vec::new();
    for cluster in &layout.clusters {
        networks.extend(cluster.namespace.as_deref().map(|name| (name, cluster.address)));
        networks.extend(cluster.nodes.iter().map(|node| (node.namespace.as_str(), node.address)));
    }
    networks.extend(
        layout.machines.iter().map(|machine| (machine.namespace.as_str(), machine.address)),
    );
    networks
}

/// To the pods of all nodes, but those of the node itself.
fn routes(layout: &Layout, own: Option<Ipv4Addr>) -> impl Iterator<Item = String> {
    let nodes = layout.clusters.iter().flat_map(|cluster| &cluster.nodes);
    nodes
        .filter(move |node| Some(node.address) != own)
        .map(|node| format!("route add {} via {}", node.pods, node.address))
}

/// Runs many `ip` commands in a namespace with one process.
fn ip(namespace: &str, lines: &[String]) -> anyhow::Result<()> {
    let mut child = command_in(Some(namespace), "ip")
        .args(["-batch", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("start ip")?;
    if let Some(mut stdin) = child.stdin.take() {
        // If it ends early, what it says is the better error.
        let _ = writeln!(stdin, "{}", lines.join("\n"));
    }
    let output = child.wait_with_output().context("ip")?;
    if !output.status.success() {
        bail!("ip in {namespace}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}
