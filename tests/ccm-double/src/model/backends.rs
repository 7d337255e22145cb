//! The backends of one port in the three modes: all nodes, the Pods' nodes, the Pods themselves.

use std::collections::HashSet;

use k8s_openapi::api::core::v1::Node;

use super::weights::{self, WeightSource};
use super::{BuildError, nodes};
use crate::cloud_client::backend::{Backend, ServerType};
use crate::service::Key;

/// What the backends of one port are made of.
pub(super) struct BackendInputs<'a> {
    pub(super) service: &'a Key,
    /// Nodes that may be backends or carry serverless Pods.
    pub(super) candidates: &'a [&'a Node],
    /// The Pods that count.
    pub(super) pods: &'a [Backend],
    pub(super) node_port: i32,
    pub(super) description: &'a str,
    pub(super) weights: WeightSource,
}

/// Pods themselves. Their nodes do not matter, whatever their state.
pub(super) fn eni(parts: &BackendInputs<'_>) -> Vec<Backend> {
    let mut pods: Vec<_> = parts.pods.iter().map(as_eni).collect();
    weights::split_evenly(&mut pods, parts.weights);
    pods
}

/// All nodes, and serverless Pods beside. Pods do not gate nodes.
pub(super) fn cluster(parts: &BackendInputs<'_>) -> Result<Vec<Backend>, BuildError> {
    let mut backends = Vec::new();
    for node in parts.candidates.iter().filter(|node| !nodes::is_excluded(node)) {
        backends.push(parts.node(nodes::instance_id(node)?));
    }
    for pod in parts.pods {
        if parts.node_of(pod)?.is_some_and(nodes::is_virtual) {
            backends.push(as_eni(pod));
        }
    }
    weights::split_evenly(&mut backends, parts.weights);
    Ok(backends)
}

/// The nodes of the Pods, and serverless Pods beside.
pub(super) fn local(parts: &BackendInputs<'_>) -> Result<Vec<Backend>, BuildError> {
    let (mut backends, mut serverless) = (Vec::new(), Vec::new());
    for pod in parts.pods {
        let Some(node) = parts.node_of(pod)? else { continue };
        if nodes::is_virtual(node) {
            serverless.push(as_eni(pod));
        } else if !nodes::is_excluded(node) {
            let node = parts.node(nodes::instance_id(node)?);
            backends.push(Backend { target: pod.target.clone(), node: pod.node.clone(), ..node });
        }
    }
    backends.append(&mut serverless);
    weights::split_by_pods(&mut backends, parts.weights);
    // A node stood there once for each of its Pods.
    let mut seen = HashSet::new();
    backends.retain(|backend| {
        backend.kind != ServerType::Ecs || seen.insert(backend.server_id.clone())
    });
    Ok(backends)
}

impl<'a> BackendInputs<'a> {
    fn node(&self, machine: &str) -> Backend {
        Backend {
            server_id: machine.to_owned(),
            port: self.node_port,
            description: self.description.to_owned(),
            ..Backend::default()
        }
    }

    /// The node of a Pod, `None` if it is no candidate. An endpoint that names no node is an error.
    fn node_of(&self, pod: &Backend) -> Result<Option<&'a Node>, BuildError> {
        let Some(name) = &pod.node else {
            return Err(BuildError(format!(
                "add ecs backends for service[{}] error, NodeName is nil for ip {} ",
                self.service, pod.server_ip
            )));
        };
        let is_it = |node: &&&Node| node.metadata.name.as_ref() == Some(name);
        Ok(self.candidates.iter().find(is_it).copied())
    }
}

fn as_eni(pod: &Backend) -> Backend {
    Backend { kind: ServerType::Eni, ..pod.clone() }
}
