//! kube-proxy: on every node, and beside the API server, which reaches webhooks by their Service
//! only if something in its own network knows Services.

use std::fs;
use std::net::Ipv4Addr;

use anyhow::Context as _;
use serde_json::json;

use super::process::{Launch, run};
use crate::enter::inside;
use crate::site::{ClusterSite, Node, Site};

pub(super) fn on_node(site: &Site, cluster: &ClusterSite, node: &Node) -> anyhow::Result<Launch> {
    launch(site, cluster, &node.name, node, &node.namespace, node.address)
}

/// It says that it is on a node, for without an object of its own it would look for that for half
/// a minute before it works.
pub(super) fn beside_api_server(
    site: &Site,
    cluster: &ClusterSite,
    node: &Node,
    namespace: &str,
) -> anyhow::Result<Launch> {
    launch(site, cluster, &cluster.name, node, namespace, cluster.address)
}

/// The name of the process at a place.
pub(super) fn name(place: &str) -> String {
    format!("{place}-kube-proxy")
}

/// Where a cluster has one, with the namespaces.
pub(super) fn places(cluster: &ClusterSite) -> Vec<(&str, &str)> {
    let nodes = cluster.nodes.iter();
    let mut places =
        nodes.map(|node| (node.name.as_str(), node.namespace.as_str())).collect::<Vec<_>>();
    if !places.is_empty() {
        places.extend(cluster.namespace.as_deref().map(|name| (cluster.name.as_str(), name)));
    }
    places
}

/// Whether it has written its rules once.
pub(super) fn has_worked(namespace: &str) -> bool {
    let mut command = inside(Some(namespace), "nft");
    run(command.args(["list", "map", "ip", "kube-proxy", "service-ips"]))
        .is_ok_and(|rules| rules.contains(" . tcp . "))
}

fn launch(
    site: &Site,
    cluster: &ClusterSite,
    place: &str,
    node: &Node,
    namespace: &str,
    address: Ipv4Addr,
) -> anyhow::Result<Launch> {
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
    let file = cluster.folder.join(format!("{}.json", name(place)));
    fs::write(&file, config.to_string()).with_context(|| format!("{}", file.display()))?;
    let program = site.binaries.kubernetes(cluster.version).join("kube-proxy");
    let mut launch = Launch::new(name(place), Some(namespace), program);
    launch.flag("config", file);
    Ok(launch)
}
