//! The backends CCM registers for a Service: its local model of vServer groups.
//!
//! Reproduces CCM 2.14 (`vgroups.go`, `backend.go`) with its EndpointSlice gate on and its IPv6
//! gate off, which are the defaults.

mod backend;
mod endpoints;
mod groups;
mod nodes;
mod skip_reason;

pub use backend::{Backend, BackendTarget, Backends};
pub use endpoints::{CountedEndpoint, PodSet, counted_endpoints, is_counted, readiness_gate};
pub use groups::{KnownGroups, is_possible_group_id};
pub use nodes::{
    BackendLabelError, NodeSet, accepted_nodes, backend_label_error, count_labelled_nodes,
    has_eligible_node,
};
pub use skip_reason::SkipReason;

use crate::{
    annotation,
    identity::NamedKey,
    mapping::Mapping,
    object::{EndpointSlice, ExternalTrafficPolicy, Node, Service, ServicePort, TargetPort},
    version::{Behaviour, CcmVersion},
    weight::WeightSetting,
};

/// What the backends of a Service are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Every eligible node is a backend; all have the same weight.
    Cluster,
    /// Nodes with pods of the Service are backends, weighted by the number of these pods.
    Local,
    /// The pods themselves are backends; all have the same weight.
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
    /// The release of CCM.
    pub version: CcmVersion,
}

/// CCM's local model of one Service: the groups as it would write them.
#[derive(Debug, Clone)]
pub struct LocalModel<'a> {
    /// Nodes or pods.
    pub mode: Mode,
    /// One for each port of the Service, in their order.
    pub ports: Vec<PortModel<'a>>,
}

/// What CCM computes of one Service port.
#[derive(Debug, Clone)]
pub struct PortModel<'a> {
    /// The Service port.
    pub port: &'a ServicePort,
    /// The group, or why there is none. CCM 2.12 and later leave such a port out in silence, older
    /// ones fail the whole round.
    pub group: Result<VServerGroup<'a>, SkipReason>,
}

impl<'a> LocalModel<'a> {
    /// The groups of the ports that CCM can build, in the order of the ports.
    pub fn groups(&self) -> impl Iterator<Item = &VServerGroup<'a>> {
        self.ports.iter().filter_map(|port| port.group.as_ref().ok())
    }

    /// The same with one of the nodes alone in each group.
    pub(crate) fn with_one_node(&self) -> Self {
        let ports = self.ports.iter().map(|of| PortModel {
            port: of.port,
            group: of.group.as_ref().map_err(Clone::clone).map(|group| VServerGroup {
                port: group.port,
                vgroup: group.vgroup,
                key: group.key.clone(),
                weight: group.weight,
                backends: group.backends.with_one_node(),
            }),
        });
        Self { mode: self.mode, ports: ports.collect() }
    }

    /// Gives each port that has no node port, and gets none, a backend that stands for those that CCM
    /// would register.
    pub(crate) fn fill_ports_without_node_port(&mut self, service: &Service) {
        if self.mode == Mode::Eni || service.awaits_node_ports() {
            return;
        }
        for of in self.ports.iter_mut().filter(|of| of.port.node_port == 0) {
            if let Ok(group) = &mut of.group {
                group.backends = Backends::unknown(false);
            }
        }
    }

    /// The ports that CCM cannot build, with the reason.
    pub fn skipped(&self) -> impl Iterator<Item = (&'a ServicePort, &SkipReason)> {
        self.ports.iter().filter_map(|port| Some((port.port, port.group.as_ref().err()?)))
    }
}

/// The group of one Service port, as CCM would write it.
#[derive(Debug, Clone)]
pub struct VServerGroup<'a> {
    /// The Service port.
    pub port: &'a ServicePort,
    /// The id of the mapped group; `None` where CCM makes a group of its own.
    pub vgroup: Option<&'a str>,
    /// The description of every backend, and the name of a group that CCM makes: `k8s/…`.
    pub key: String,
    /// The Service's total weight in the group, 0..=100; `None` where no annotation decides it.
    pub weight: Option<u32>,
    /// The backends.
    pub backends: Backends<'a>,
}

/// The mode CCM uses for a Service. Only the exact value `eni` of `backend-type` means pods; an
/// absent or empty one means `eni_by_default` (CCM 2.14).
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

/// Whether a Service says itself what its backends are.
pub fn has_backend_type(service: &Service) -> bool {
    service.metadata.annotations.get(annotation::BACKEND_TYPE).is_some_and(|kind| !kind.is_empty())
}

/// The description that CCM gives the backends of `port`, see [`NamedKey`].
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

/// Computes CCM's local model of a Service. Fails where `backend-label` is malformed, for then CCM
/// fails the whole round.
pub fn local_model<'a>(inputs: &ModelInputs<'a>) -> Result<LocalModel<'a>, BackendLabelError> {
    let mode = mode(inputs.service, inputs.eni_by_default);
    let nodes = accepted_nodes(inputs.service, inputs.nodes)?;
    let ports = inputs.service.spec.ports.iter();
    let ports = ports.map(|port| PortModel { port, group: group(inputs, mode, &nodes, port) });
    Ok(LocalModel { mode, ports: ports.collect() })
}

fn group<'a>(
    inputs: &ModelInputs<'a>,
    mode: Mode,
    nodes: &[&'a Node],
    port: &'a ServicePort,
) -> Result<VServerGroup<'a>, SkipReason> {
    let vgroup = vgroup(inputs, port)?;
    let setting = weight_setting(inputs.service, inputs.version)?;
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

/// The mapping that CCM honours; `None` without a CLB id, or where the mapping is empty.
pub fn mapping(service: &Service) -> Option<Mapping<'_>> {
    mapping_text(service).map(Mapping::parse)
}

/// Whether [`mapping`] returns one.
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

/// Whether `loadbalancer-ignore-weight-update` is `on`, in any case: CCM then leaves a backend
/// alone that differs in its weight only.
/// CCM 2.10 and older do not read it.
pub fn ignores_weight_update(service: &Service, version: CcmVersion) -> bool {
    let switch = service.metadata.annotations.text(annotation::IGNORE_WEIGHT_UPDATE);
    version.has(Behaviour::ReadsIgnoreWeightUpdate) && switch.eq_ignore_ascii_case("on")
}

/// The weights in effect for a Service. CCM reads `loadbalancer-weight` only beside a mapping.
/// Fails with the first value that CCM refuses. CCM 2.13 and older do not read
/// `loadbalancer-default-weight`.
pub fn weight_setting(service: &Service, version: CcmVersion) -> Result<WeightSetting, SkipReason> {
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
    let default = if version.has(Behaviour::ReadsDefaultWeight) {
        read(annotation::DEFAULT_WEIGHT)
            .map_err(|(text, error)| SkipReason::DefaultWeight { text, error })?
    } else {
        None
    };
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
    let nodes_in: Vec<&Node> =
        nodes.iter().copied().filter(|node| !node.is_excluded(inputs.version)).collect();
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
            Some(node) if !node.is_excluded(inputs.version) => {
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
    let eci_weight = if inputs.version.has(Behaviour::KeepsEciPodsApart) {
        setting.local_eci(total)
    } else {
        let weight = setting.local_node(eci.len(), total);
        eci.truncate(1);
        weight
    };
    let on_nodes = instances.iter().map(|(id, pods)| Backend {
        target: BackendTarget::Ecs(id),
        port: port.node_port,
        weight: setting.local_node(*pods, total),
    });
    let on_eci = eci.iter().map(|address| Backend {
        target: BackendTarget::Pod(address.ip),
        port: address.port,
        weight: eci_weight,
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
