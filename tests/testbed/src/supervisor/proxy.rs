//! kube-proxy: on every node, and beside the API server, which reaches webhooks by their Service
//! only if something in its own network knows Services.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::Context as _;
use serde_json::json;

use super::process::{ProcessSpec, run};
use crate::layout::{ClusterLayout, Layout, Node};
use crate::netns::command_in;

pub(super) fn on_node(
    layout: &Layout,
    cluster: &ClusterLayout,
    node: &Node,
) -> anyhow::Result<ProcessSpec> {
    spec(layout, cluster, &node.name, node, &node.namespace, node.address)
}

/// It says that it is on a node, for without an object of its own it would look for that for half
/// a minute before it works.
pub(super) fn beside_api_server(
    layout: &Layout,
    cluster: &ClusterLayout,
    node: &Node,
    namespace: &str,
) -> anyhow::Result<ProcessSpec> {
    spec(layout, cluster, &cluster.name, node, namespace, cluster.address)
}

/// The name of the process on a node, or beside a cluster's API server.
pub(super) fn name(network: &str) -> String {
    format!("{network}-kube-proxy")
}

/// Where a cluster has one, with the namespaces.
pub(super) fn networks(cluster: &ClusterLayout) -> Vec<(&str, &str)> {
    let nodes = cluster.nodes.iter();
    let mut networks =
        nodes.map(|node| (node.name.as_str(), node.namespace.as_str())).collect::<Vec<_>>();
    if !networks.is_empty() {
        networks.extend(cluster.namespace.as_deref().map(|name| (cluster.name.as_str(), name)));
    }
    networks
}

/// Whether it has written its rules once.
pub(super) fn has_written_rules(namespace: &str) -> bool {
    let mut command = command_in(Some(namespace), "nft");
    run(command.args(["list", "map", "ip", "kube-proxy", "service-ips"]))
        .is_ok_and(|rules| rules.contains(" . tcp . "))
}

fn spec(
    layout: &Layout,
    cluster: &ClusterLayout,
    network: &str,
    node: &Node,
    namespace: &str,
    address: Ipv4Addr,
) -> anyhow::Result<ProcessSpec> {
    let config = json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "nftables",
        "hostnameOverride": node.name,
        "bindAddress": address.to_string(),
        "healthzBindAddress": format!("{address}:10256"),
        "metricsBindAddress": "127.0.0.1:10249",
        "clusterCIDR": cluster.pods,
        "clientConnection": {"kubeconfig": cluster.kubeconfig("proxy")},
        // The size of the machine's connection table is not a node's to set.
        "conntrack": {"maxPerCore": 0},
    });
    let file = cluster.folder.join(format!("{}.json", name(network)));
    fs::write(&file, config.to_string()).with_context(|| format!("{}", file.display()))?;
    let program = layout.binaries.kubernetes(cluster.version).join("kube-proxy");
    let mut spec = ProcessSpec::new(name(network), Some(namespace), program);
    spec.flag("config", file);
    Ok(spec)
}
