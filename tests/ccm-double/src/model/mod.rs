//! What CCM 2.14 wants a CLB to look like: vServer groups and listeners, computed from a Service, nodes and
//! endpoints.
//!
//! An error about one port loses that port without a word (`vgroups.go:76-83`); any other stops the round.

mod backends;
pub(crate) mod endpoints;
pub(crate) mod interfaces;
pub(crate) mod listeners;
pub(crate) mod mapping;
pub(crate) mod named_key;
pub(crate) mod nodes;
mod weights;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Service, ServicePort};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::behaviour::BackendType;
use crate::cloud_client::CloudClient;
use crate::cloud_client::backend::Backend;
use crate::events::ServiceEvent;
use crate::number;
use crate::service::{Key, ServiceExt};
use backends::BackendInputs;
pub use endpoints::Pods;
use named_key::NamedKey;
use weights::WeightSource;

/// Why CCM builds no group for a port, or no model for a Service, in CCM's words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BuildError(pub(crate) String);

/// What the model is computed from.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The Service.
    pub service: &'a Service,
    /// All nodes of the cluster, by name.
    pub nodes: &'a [Arc<Node>],
    /// The Service's EndpointSlices, by name.
    pub slices: &'a [Arc<EndpointSlice>],
    /// Pods that may have readiness gates.
    pub pods: &'a Pods,
    /// The cluster's id, which is part of every name that CCM gives.
    pub cluster_id: &'a str,
    /// What the backends are where the Service does not say.
    pub default_type: BackendType,
}

/// One port's vServer group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The Service's port.
    pub port: i32,
    /// The group's id; empty until CCM's own is found or made.
    pub id: String,
    /// The name of CCM's own group, and the description of every backend.
    pub name: String,
    /// Whether a person made the group.
    pub is_user_managed: bool,
    /// Whether its backends are Pods by the Service's wish, not serverless ones beside nodes.
    pub is_eni: bool,
    /// The weight that the Service's backends share, 0 to 100; `None` where the annotation is not in effect.
    pub weight: Option<u32>,
    /// Whether a weight that differs is left as it is.
    pub ignores_weights: bool,
    /// The backends that belong into the group.
    pub backends: Vec<Backend>,
    /// The Pods behind it, also where its backends are nodes.
    pub pods: Vec<Backend>,
    /// Pods that belong into the group, but have no network interface.
    pub unknown: Vec<Backend>,
}

/// The groups of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Model {
    /// In the order of the Service's ports.
    pub groups: Vec<Group>,
    /// Ports that are left out, and why.
    pub skipped: Vec<(i32, BuildError)>,
    /// Whether an endpoint that does not count yet may count soon.
    pub may_grow: bool,
    /// Ports for which `backend-label` leaves no node, though there are some.
    pub unlabelled: Vec<i32>,
}

/// The three ways in which a Service has backends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Cluster,
    Local,
    Eni,
}

/// Computes the groups, and asks the cloud for those that a mapping names and for the Pods' interfaces.
///
/// What CCM says meanwhile is added to `events`, also on an error.
pub async fn build(
    inputs: &Inputs<'_>,
    cloud: &CloudClient,
    events: &mut Vec<ServiceEvent>,
) -> Result<Model, BuildError> {
    let service = inputs.service;
    let mode = if service.is_eni(inputs.default_type) {
        Mode::Eni
    } else if service.is_local() {
        Mode::Local
    } else {
        Mode::Cluster
    };
    let label = service.annotations().get("backend-label");
    let candidates = candidates(inputs, mode, label)?;
    let mut model = Model::default();
    for port in service.ports() {
        let built = match find_group(service, port, cloud).await {
            Ok(group) => port_group(inputs, mode, &candidates, port, group),
            Err(stopped) => Err(stopped),
        };
        match built {
            Err(stopped) => model.skipped.push((port.port, stopped)),
            Ok((group, may_grow)) => {
                if group.backends.is_empty() {
                    let event = "There are no available nodes for LoadBalancer";
                    events.push(ServiceEvent::normal("UnAvailableLoadBalancer", event));
                    if mode == Mode::Cluster && !label.is_empty() && has_backends(inputs.nodes) {
                        model.unlabelled.push(port.port);
                    }
                }
                model.may_grow |= may_grow;
                model.groups.push(group);
            }
        }
    }
    interfaces::resolve(&mut model.groups, cloud, events).await?;
    Ok(model)
}

fn has_backends(nodes: &[Arc<Node>]) -> bool {
    nodes.iter().any(|node| nodes::is_candidate(node, false) && !nodes::is_excluded(node))
}

/// The nodes that may be backends or carry serverless Pods. With Pods for backends none does, but a label that cannot
/// be read is an error all the same.
fn candidates<'a>(
    inputs: &Inputs<'a>,
    mode: Mode,
    label: &str,
) -> Result<Vec<&'a Node>, BuildError> {
    let drops_cordoned = inputs.service.annotations().get("remove-unscheduled-backend") == "on";
    let labelled =
        nodes::filter_by_label(inputs.nodes.iter().map(AsRef::as_ref), label).map_err(|error| {
            BuildError(format!("get nodes error: filter nodes by label error: {error}"))
        })?;
    let may_be = |node: &&Node| mode != Mode::Eni && nodes::is_candidate(node, drops_cordoned);
    Ok(labelled.into_iter().filter(may_be).collect())
}

/// The group that the mapping names for a port; empty for one of CCM's own.
async fn find_group(
    service: &Service,
    port: &ServicePort,
    cloud: &CloudClient,
) -> Result<String, BuildError> {
    let annotations = service.annotations();
    let (clb, mapping) = (annotations.get("id"), annotations.get("vgroup-port"));
    if clb.is_empty() || mapping.is_empty() {
        return Ok(String::new());
    }
    let group = mapping::group_of(mapping, port.port)
        .map_err(|error| BuildError(format!("vgroupid parse error: {error}")))?
        .unwrap_or_default();
    if group.is_empty() {
        return Ok(String::new());
    }
    let groups = cloud.groups(clb).await.map_err(|error| {
        BuildError(format!(
            "find vgroupId {group} of lb {clb} error: cannot find vgroup by vgroupId {group} error: {error}"
        ))
    })?;
    match groups.into_iter().find(|found| found.id == group) {
        None => Err(BuildError(format!("can not find vgroupId {group} in lb {clb}"))),
        Some(found) if NamedKey::parse(&found.name).is_some() => {
            Err(BuildError(format!("cannot reuse a ccm created vgroup {group} for slb {clb}")))
        }
        Some(found) => Ok(found.id),
    }
}

/// The group of a port, and whether it may grow.
fn port_group(
    inputs: &Inputs<'_>,
    mode: Mode,
    candidates: &[&Node],
    port: &ServicePort,
    id: String,
) -> Result<(Group, bool), BuildError> {
    let (service, annotations) = (inputs.service, inputs.service.annotations());
    let key = Key::from_object(service);
    let name = group_name(inputs, mode == Mode::Eni, port);
    let is_mapped = !annotations.get("id").is_empty() && !annotations.get("vgroup-port").is_empty();
    let weight = if is_mapped { weight(annotations.get("weight"), "weight")? } else { None };
    let each = weight_of_each(annotations.get("default-weight"))?;
    let counted = endpoints::eligible(&key.name, port, inputs.slices, inputs.pods, &name);
    let parts = BackendInputs {
        service: &key,
        candidates,
        pods: &counted.backends,
        node_port: port.node_port.unwrap_or_default(),
        description: &name,
        weights: WeightSource { total: weight, each },
    };
    let in_mode = |mode: &str, error: &BuildError| {
        BuildError(format!("build {mode} backends error: {error}"))
    };
    let backends = match mode {
        Mode::Eni => backends::eni(&parts),
        Mode::Local => backends::local(&parts).map_err(|error| in_mode("local", &error))?,
        Mode::Cluster => backends::cluster(&parts).map_err(|error| in_mode("cluster", &error))?,
    };
    let group = Group {
        port: port.port,
        is_user_managed: !id.is_empty(),
        is_eni: mode == Mode::Eni,
        id,
        weight,
        ignores_weights: annotations.get("ignore-weight-update").eq_ignore_ascii_case("on"),
        backends,
        pods: counted.backends,
        unknown: Vec::new(),
        name,
    };
    Ok((group, counted.may_grow))
}

fn weight_of_each(declared: &str) -> Result<Option<u32>, BuildError> {
    weight(declared, "default-weight")
}

/// A weight, `None` where nobody says.
fn weight(declared: &str, name: &str) -> Result<Option<u32>, BuildError> {
    if declared.is_empty() {
        return Ok(None);
    }
    let wrong =
        || BuildError(format!("{name} must be integer in range [0,100] , got [{declared}]"));
    number::weight(declared).map(Some).ok_or_else(wrong)
}

/// The name of CCM's own group of a port.
pub(crate) fn group_name(inputs: &Inputs<'_>, is_eni: bool, port: &ServicePort) -> String {
    let number = if is_eni {
        match &port.target_port {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name.clone(),
            None => port.port.to_string(),
        }
    } else {
        port.node_port.unwrap_or_default().to_string()
    };
    let Key { namespace, name } = Key::from_object(inputs.service);
    NamedKey { port: &number, service: &name, namespace: &namespace, cluster: inputs.cluster_id }
        .to_string()
}
