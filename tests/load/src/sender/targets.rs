//! The backends that CCM would have in the CLB's group for a Service.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::{Context as _, Result};
use futures::StreamExt as _;
use futures::stream::{BoxStream, select_all};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::runtime::reflector::{Store, reflector, store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Client, ResourceExt as _};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The port by its name or number; `None` is the first one.
    pub port: Option<String>,
}

/// Returns the targets of a Service and a channel with every change of them.
///
/// Targets are node ports: in `Cluster` mode those of all nodes, in `Local` mode those of nodes with an
/// endpoint that is ready and not terminating. A Service or port that does not exist, or has no node
/// port, is an error. The watches end when the receiver is dropped.
pub async fn watch_targets(
    client: Client,
    port: &ServicePort,
) -> Result<(Vec<SocketAddr>, mpsc::UnboundedReceiver<Vec<SocketAddr>>)> {
    let what = || format!("Service {}/{}", port.namespace, port.name);
    let services = Api::<Service>::namespaced(client.clone(), &port.namespace);
    let service = services.get(&port.name).await.with_context(what)?;
    let node_port = node_port(&service, port.port.as_deref()).with_context(what)?;
    let local = is_local(&service);

    let of_service = format!("kubernetes.io/service-name={}", port.name);
    let slices = Api::<EndpointSlice>::namespaced(client.clone(), &port.namespace);
    let (slices, slice_events) = watched(slices, watcher::Config::default().labels(&of_service));
    let (nodes, node_events) = watched(Api::<Node>::all(client), watcher::Config::default());
    let mut events = select_all([slice_events, node_events]);
    let (sender, receiver) = mpsc::unbounded_channel();
    let targets = {
        let (nodes, slices) = (nodes.clone(), slices.clone());
        move || targets(&nodes.state(), &slices.state(), local, node_port)
    };
    let (first, listed) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let listed = async { (nodes.wait_until_ready().await, slices.wait_until_ready().await) };
        let mut listed = std::pin::pin!(listed);
        // Only what drives the events makes the stores ready.
        loop {
            tokio::select! {
                ready = &mut listed => break drop(ready),
                _ = events.next() => {}
            }
        }
        let mut now = targets();
        let _ = first.send(now.clone());
        loop {
            tokio::select! {
                () = sender.closed() => break,
                event = events.next() => if event.is_none() { break },
            }
            let then = targets();
            if then != now {
                now.clone_from(&then);
                let _ = sender.send(then);
            }
        }
    });
    Ok((listed.await.context("the watch has ended")?, receiver))
}

/// A store and what drives it; errors are met by trying again.
fn watched<K>(api: Api<K>, config: watcher::Config) -> (Store<K>, BoxStream<'static, ()>)
where
    K: kube::Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + Sync + 'static,
{
    let (reader, writer) = store();
    let events = reflector(writer, watcher(api, config).default_backoff());
    (reader, events.map(drop).boxed())
}

fn is_local(service: &Service) -> bool {
    let policy = service.spec.as_ref().and_then(|spec| spec.external_traffic_policy.as_deref());
    policy == Some("Local")
}

fn node_port(service: &Service, wanted: Option<&str>) -> Result<u16> {
    let ports = service.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default();
    let mut ports = ports.iter().filter(|port| {
        wanted.is_none_or(|wanted| {
            port.name.as_deref() == Some(wanted) || port.port.to_string() == wanted
        })
    });
    let port = ports.next().with_context(|| match wanted {
        Some(wanted) => format!("it has no port {wanted}"),
        None => "it has no port".to_owned(),
    })?;
    let node_port = port.node_port.context("its port has no node port")?;
    u16::try_from(node_port).with_context(|| format!("node port {node_port}"))
}

fn targets(
    nodes: &[Arc<Node>],
    slices: &[Arc<EndpointSlice>],
    local: bool,
    port: u16,
) -> Vec<SocketAddr> {
    let with_endpoint = slices
        .iter()
        .flat_map(|slice| &slice.endpoints)
        .filter(|endpoint| {
            let conditions = endpoint.conditions.as_ref();
            // Unknown counts as ready, as Kubernetes has it.
            conditions.and_then(|conditions| conditions.ready).unwrap_or(true)
                && !conditions.and_then(|conditions| conditions.terminating).unwrap_or(false)
        })
        .filter_map(|endpoint| endpoint.node_name.clone())
        .collect::<BTreeSet<_>>();
    let taken = nodes.iter().filter(|node| !local || with_endpoint.contains(&node.name_any()));
    let addresses = taken.filter_map(|node| address(node)).collect::<BTreeSet<_>>();
    addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect()
}

fn address(node: &Node) -> Option<IpAddr> {
    let addresses = node.status.as_ref()?.addresses.as_deref().unwrap_or_default();
    let internal = addresses.iter().find(|address| address.type_ == "InternalIP")?;
    internal.address.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rstest::rstest;
    use serde_json::{Value, json};

    use super::{is_local, node_port, targets};

    fn nodes() -> Vec<Arc<k8s_openapi::api::core::v1::Node>> {
        let node = |number: u8| {
            let address = json!({"type": "InternalIP", "address": format!("10.89.1.1{number}")});
            let name = json!({"type": "Hostname", "address": "a"});
            Arc::new(of(json!({
                "metadata": {"name": format!("a-{number}")},
                "status": {"addresses": [name, address]},
            })))
        };
        vec![node(2), node(1)]
    }

    fn of<K: serde::de::DeserializeOwned>(value: Value) -> K {
        serde_json::from_value(value).expect("an object")
    }

    #[rstest]
    #[case::ready(json!({"ready": true}), true)]
    #[case::not_ready(json!({"ready": false}), false)]
    #[case::unknown(json!({}), true)]
    #[case::terminating_but_still_serving(
        json!({"ready": false, "serving": true, "terminating": true}), false)]
    #[case::terminating_and_published_all_the_same(
        json!({"ready": true, "terminating": true}), false)]
    fn local_mode_takes_nodes_with_an_endpoint_that_stays(
        #[case] conditions: Value,
        #[case] taken: bool,
    ) {
        let endpoint =
            json!({"addresses": ["10.101.1.7"], "nodeName": "a-1", "conditions": conditions});
        let slice = Arc::new(of(json!({"addressType": "IPv4", "endpoints": [endpoint]})));
        let slices = std::slice::from_ref(&slice);
        let found = |local| {
            let targets = targets(&nodes(), slices, local, 30_080);
            targets.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let expected: &[&str] = if taken { &["10.89.1.11:30080"] } else { &[] };
        assert_eq!(found(true), expected);
        assert_eq!(found(false), ["10.89.1.11:30080", "10.89.1.12:30080"]);
    }

    #[test]
    fn a_port_is_found_by_name_and_by_number() {
        let service = of(json!({"spec": {"externalTrafficPolicy": "Local", "ports": [
            {"name": "http", "port": 80, "nodePort": 30_080},
            {"name": "https", "port": 443, "nodePort": 30_443},
            {"name": "metrics", "port": 9},
        ]}}));
        assert!(is_local(&service));
        let port = |wanted| node_port(&service, wanted).map_err(|error| error.to_string());
        assert_eq!(port(None), Ok(30_080));
        assert_eq!(port(Some("https")), Ok(30_443));
        assert_eq!(port(Some("443")), Ok(30_443));
        assert_eq!(port(Some("metrics")), Err("its port has no node port".to_owned()));
        assert_eq!(port(Some("ssh")), Err("it has no port ssh".to_owned()));
    }
}
