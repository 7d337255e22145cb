//! The backends CCM registers for a Service: its local model of vServer groups.
//!
//! Reproduces CCM 2.14 (`vgroups.go`, `backend.go`) with its EndpointSlice gate on and its IPv6
//! gate off, which are the defaults.

mod backend;
mod endpoints;
mod nodes;

use thiserror::Error;

pub use backend::{Backend, BackendTarget, Backends};
pub use endpoints::{CountedEndpoint, PodSet, counted_endpoints, is_counted, readiness_gate};
pub use nodes::{
    BackendLabelError, NodeSet, accepted_nodes, backend_label_error, count_labelled_nodes,
    has_eligible_node,
};

use crate::{
    annotation::{self, ValueError},
    identity::NamedKey,
    mapping::{Mapping, MappingFormatError},
    object::{
        EndpointSlice, ExternalTrafficPolicy, Node, ProviderIdError, Service, ServicePort,
        TargetPort,
    },
    weight::WeightSetting,
};

/// How traffic gets from the CLB to the pods.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every eligible node is a backend.
    Cluster,
    /// Nodes with pods are backends, weighted by their pods.
    Local,
    /// Pods are backends themselves.
    Eni,
}

impl Mode {
    /// The mode's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cluster => "Cluster",
            Self::Local => "Local",
            Self::Eni => "ENI",
        }
    }
}

/// What is known of the groups in a Service's CLB.
#[derive(Debug, Clone, Default)]
pub enum KnownGroups<'a> {
    /// Nothing: every group that a mapping names is taken to be there and to be reusable, if only
    /// its id can be one.
    #[default]
    Unknown,
    /// All of them, as `(id, name)`.
    Listed(Vec<(&'a str, &'a str)>),
}

impl KnownGroups<'_> {
    /// What CCM says of reusing group `id`.
    fn check(&self, id: &str) -> Result<(), SkipReason> {
        let Self::Listed(groups) = self else {
            return if is_possible_group_id(id) {
                Ok(())
            } else {
                Err(SkipReason::NoSuchGroup(id.to_owned()))
            };
        };
        match groups.iter().find(|(known, _)| *known == id) {
            None => Err(SkipReason::NoSuchGroup(id.to_owned())),
            Some((_, name)) if NamedKey::parse(name).is_some() => {
                Err(SkipReason::MadeByCcm(id.to_owned()))
            }
            Some(_) => Ok(()),
        }
    }
}

/// Whether a text can be the id of a vServer group at all.
pub fn is_possible_group_id(id: &str) -> bool {
    !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
}

/// What CCM reads to compute a Service's backends.
#[derive(Debug, Clone)]
pub struct ModelInputs<'a> {
    /// The Service.
    pub service: &'a Service,
    /// The cluster's nodes.
    pub nodes: &'a NodeSet,
    /// The Service's EndpointSlices.
    pub slices: &'a [EndpointSlice],
    /// The pods behind endpoints that are not ready.
    pub pods: &'a PodSet,
    /// The groups of the Service's CLB.
    pub groups: KnownGroups<'a>,
    /// The cluster's id.
    pub cluster_id: &'a str,
    /// Whether pods are backends where the Service does not say (CCM's environment or cloud-config).
    pub eni_by_default: bool,
}

/// CCM's local model of one Service.
#[derive(Debug, Clone)]
pub struct LocalModel<'a> {
    /// Nodes or pods.
    pub mode: Mode,
    /// One group for each port that CCM could build, in the order of the ports.
    pub groups: Vec<VServerGroup<'a>>,
    /// Ports that CCM left out, without a word.
    pub skipped: Vec<(u16, SkipReason)>,
}

/// The backends of one Service port.
#[derive(Debug, Clone)]
pub struct VServerGroup<'a> {
    /// The Service port.
    pub port: &'a ServicePort,
    /// The mapped group; `None` where CCM makes a group of its own.
    pub vgroup: Option<&'a str>,
    /// Name of a group of CCM's own, and description of every backend.
    pub key: String,
    /// The weight in effect.
    pub weight: Option<u32>,
    /// The backends.
    pub backends: Backends<'a>,
}

/// Why CCM leaves a port out. It says nothing and reports success; since any annotation edit makes
/// it clean up afterwards, the Service's backends leave the group (CCM 2.12 to 2.14).
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SkipReason {
    /// The mapping cannot be read as far as this port.
    #[error("{path}: {0}", path = annotation::VGROUP_PORT)]
    Mapping(MappingFormatError),
    /// The group is not in the Service's CLB.
    #[error("group {0:?} is not in this CLB")]
    NoSuchGroup(String),
    /// The group is one of CCM's own.
    #[error("group {0:?} was made by CCM itself, which refuses to reuse it")]
    MadeByCcm(String),
    /// The weight cannot be used.
    #[error("weight {text:?}: {error}")]
    Weight {
        /// The value.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// The default weight cannot be used.
    #[error("default-weight {text:?}: {error}")]
    DefaultWeight {
        /// The value.
        text: String,
        /// What is wrong with it.
        error: ValueError,
    },
    /// A node's instance is unknown.
    #[error(transparent)]
    Instance(#[from] ProviderIdError),
    /// An endpoint's node is unknown.
    #[error("endpoint {0} has no nodeName")]
    NoNodeName(String),
}

/// The mode CCM uses for a Service (CCM 2.14: only the exact value `eni` means pods).
pub fn mode(service: &Service, eni_by_default: bool) -> Mode {
    let eni = match service.metadata.annotations.get(annotation::BACKEND_TYPE) {
        None | Some("") => eni_by_default,
        Some(value) => value == "eni",
    };
    match service.spec.external_traffic_policy {
        _ if eni => Mode::Eni,
        ExternalTrafficPolicy::Local => Mode::Local,
        ExternalTrafficPolicy::Cluster => Mode::Cluster,
    }
}

/// The description CCM gives the backends of `port`.
pub fn backend_description(
    service: &Service,
    port: &ServicePort,
    mode: Mode,
    cluster_id: &str,
) -> String {
    let number = match mode {
        Mode::Eni => port.target(),
        Mode::Cluster | Mode::Local => TargetPort::Number(port.node_port),
    };
    NamedKey {
        port: &number.to_string(),
        service: &service.metadata.name,
        namespace: service.metadata.namespace(),
        cluster_id,
    }
    .to_string()
}

/// Computes CCM's local model. A malformed `backend-label` fails the whole round.
pub fn local_model<'a>(inputs: &ModelInputs<'a>) -> Result<LocalModel<'a>, BackendLabelError> {
    let mode = mode(inputs.service, inputs.eni_by_default);
    let nodes = accepted_nodes(inputs.service, inputs.nodes)?;
    let mut model = LocalModel { mode, groups: Vec::new(), skipped: Vec::new() };
    for port in &inputs.service.spec.ports {
        match group(inputs, mode, &nodes, port) {
            Ok(group) => model.groups.push(group),
            Err(skip) => model.skipped.push((port.port, skip)),
        }
    }
    Ok(model)
}

fn group<'a>(
    inputs: &ModelInputs<'a>,
    mode: Mode,
    nodes: &[&'a Node],
    port: &'a ServicePort,
) -> Result<VServerGroup<'a>, SkipReason> {
    let vgroup = vgroup(inputs, port)?;
    let setting = weight_setting(inputs.service)?;
    let addresses = counted_endpoints(inputs, port);
    let backends = match mode {
        Mode::Eni => pods(&addresses, setting).into(),
        Mode::Local => local(inputs, nodes, port, &addresses, setting)?.into(),
        Mode::Cluster => cluster(inputs, nodes, port, &addresses, setting)?,
    };
    let key = backend_description(inputs.service, port, mode, inputs.cluster_id);
    Ok(VServerGroup { port, vgroup, key, weight: setting.total, backends })
}

fn vgroup<'a>(inputs: &ModelInputs<'a>, port: &ServicePort) -> Result<Option<&'a str>, SkipReason> {
    let Some(mapping) = mapping(inputs.service) else { return Ok(None) };
    let Some(group) = mapping.group_of(port.port).map_err(SkipReason::Mapping)? else {
        return Ok(None);
    };
    inputs.groups.check(group)?;
    Ok(Some(group))
}

/// The mapping that CCM honours: only beside a CLB id, and not empty.
pub fn mapping(service: &Service) -> Option<Mapping<'_>> {
    mapping_text(service).map(Mapping::parse)
}

/// Whether there is a mapping that CCM honours.
pub fn is_mapped(service: &Service) -> bool {
    mapping_text(service).is_some()
}

fn mapping_text(service: &Service) -> Option<&str> {
    let annotations = &service.metadata.annotations;
    if annotations.text(annotation::ID).is_empty() {
        return None;
    }
    Some(annotations.text(annotation::VGROUP_PORT)).filter(|text| !text.is_empty())
}

/// Whether CCM leaves backends alone that differ in weight only: `on` in any case.
pub fn ignores_weight_update(service: &Service) -> bool {
    let switch = service.metadata.annotations.text(annotation::IGNORE_WEIGHT_UPDATE);
    switch.eq_ignore_ascii_case("on")
}

/// The weights in effect. `loadbalancer-weight` counts, and is looked at, only beside a mapping.
pub fn weight_setting(service: &Service) -> Result<WeightSetting, SkipReason> {
    let annotations = &service.metadata.annotations;
    let read = |suffix| match annotations.text(suffix) {
        "" => Ok(None),
        text => annotation::parse_weight(text).map(Some).map_err(|error| (text.to_owned(), error)),
    };
    let total = if is_mapped(service) {
        read(annotation::WEIGHT).map_err(|(text, error)| SkipReason::Weight { text, error })?
    } else {
        None
    };
    let default = read(annotation::DEFAULT_WEIGHT)
        .map_err(|(text, error)| SkipReason::DefaultWeight { text, error })?;
    Ok(WeightSetting { total, default })
}

fn pods<'a>(addresses: &[CountedEndpoint<'a>], setting: WeightSetting) -> Vec<Backend<'a>> {
    let weight = setting.even(addresses.len());
    addresses
        .iter()
        .map(|a| Backend { target: BackendTarget::Pod(a.ip), port: a.port, weight })
        .collect()
}

fn cluster<'a>(
    inputs: &ModelInputs<'a>,
    nodes: &[&'a Node],
    port: &ServicePort,
    addresses: &[CountedEndpoint<'a>],
    setting: WeightSetting,
) -> Result<Backends<'a>, SkipReason> {
    let nodes_in: Vec<&Node> = nodes.iter().copied().filter(|node| !node.is_excluded).collect();
    for node in &nodes_in {
        node.instance()?;
    }
    let mut eci = Vec::new();
    for address in addresses {
        let node = node_of(inputs, nodes, address)?;
        if node.is_some_and(|node| node.is_virtual) {
            eci.push(address);
        }
    }
    let weight = setting.even(nodes_in.len() + eci.len());
    let on_eci = eci.into_iter().map(|address| Backend {
        target: BackendTarget::Pod(address.ip),
        port: address.port,
        weight,
    });
    Ok(Backends {
        nodes: nodes_in,
        node_port: port.node_port,
        node_weight: weight,
        others: on_eci.collect(),
    })
}

fn local<'a>(
    inputs: &ModelInputs<'a>,
    nodes: &[&'a Node],
    port: &ServicePort,
    addresses: &[CountedEndpoint<'a>],
    setting: WeightSetting,
) -> Result<Vec<Backend<'a>>, SkipReason> {
    let mut instances: Vec<(&str, usize)> = Vec::new();
    let mut eci: Vec<&CountedEndpoint<'a>> = Vec::new();
    for address in addresses {
        match node_of(inputs, nodes, address)? {
            Some(node) if node.is_virtual => eci.push(address),
            Some(node) if !node.is_excluded => {
                let id = node.instance()?;
                match instances.iter_mut().find(|(known, _)| *known == id) {
                    Some((_, pods)) => *pods += 1,
                    None => instances.push((id, 1)),
                }
            }
            _ => {}
        }
    }
    let total = instances.iter().map(|(_, pods)| pods).sum::<usize>() + eci.len();
    let on_nodes = instances.iter().map(|(id, pods)| Backend {
        target: BackendTarget::Ecs(id),
        port: port.node_port,
        weight: setting.local_node(*pods, total),
    });
    let on_eci = eci.iter().map(|address| Backend {
        target: BackendTarget::Pod(address.ip),
        port: address.port,
        weight: setting.local_eci(total),
    });
    Ok(on_nodes.chain(on_eci).collect())
}

/// The accepted node an endpoint runs on; `None` where CCM does not accept that node.
fn node_of<'a>(
    inputs: &ModelInputs<'a>,
    nodes: &[&'a Node],
    address: &CountedEndpoint<'_>,
) -> Result<Option<&'a Node>, SkipReason> {
    let name = address.node.ok_or_else(|| SkipReason::NoNodeName(address.ip.to_owned()))?;
    let found = inputs.nodes.by_name(name);
    Ok(found.filter(|node| nodes.iter().any(|accepted| std::ptr::eq(*accepted, *node))))
}
