//! What a whole round of CCM does about a Service as it is.

use crate::{
    annotation,
    backends::{
        self, Backends, LocalModel, Mode, ModelInputs, PortModel, SkipReason, VServerGroup,
    },
    clb_answers::ClbAnswers,
    listener,
    object::{Service, ServicePort},
    snapshot::Cluster,
    version::CcmVersion,
};

/// The outcome of a round, the worse the greater. A format error anywhere stops the round before
/// anything is written, so that *frozen* outranks *drained* (CCM 2.14).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// The group carries what the annotations say.
    Applied,
    /// CCM makes a group of its own, which no listener forwards to.
    Misrouted,
    /// CCM takes the Service's backends out of the group and reports success.
    Drained,
    /// CCM reports failure and writes nothing: backends stay, new pods are not registered.
    Frozen,
}

impl Outcome {
    /// The outcome's name in reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Applied => "applied",
            Self::Misrouted => "misrouted",
            Self::Drained => "drained",
            Self::Frozen => "frozen",
        }
    }
}

/// A round of CCM over one Service.
#[derive(Debug, Clone)]
pub struct Round<'a> {
    /// What the Service's backends are.
    pub mode: Mode,
    /// The format errors for which nothing is written; empty where something is.
    pub frozen_by: Vec<String>,
    /// The result for each port, in the Service's order.
    pub ports: Vec<PortRound<'a>>,
}

/// The result of a round for one port.
#[derive(Debug, Clone)]
pub struct PortRound<'a> {
    /// The Service port.
    pub port: &'a ServicePort,
    /// What CCM does about the port.
    pub result: PortResult<'a>,
}

/// What CCM does about a port.
#[derive(Debug, Clone)]
pub enum PortResult<'a> {
    /// CCM writes these backends to the mapped group.
    Applied(VServerGroup<'a>),
    /// The mapping does not name the port: CCM makes a group of its own with these backends.
    Own(VServerGroup<'a>),
    /// CCM leaves the port out, so that its backends leave the group.
    Skipped(SkipReason),
    /// CCM finds no eligible node, so that no backend is left.
    NoNode(VServerGroup<'a>),
    /// CCM writes backends that cannot be computed, for `nodes` or `endpoints` are not at hand.
    Unknown(&'static str),
    /// CCM writes nothing in this round.
    Frozen,
}

impl<'a> Round<'a> {
    /// The worst outcome of a port; *applied* for a Service without ports.
    pub fn outcome(&self) -> Outcome {
        self.ports.iter().map(|port| port.result.outcome()).max().unwrap_or(Outcome::Applied)
    }

    /// The result for the Service port of that number; `None` where the Service has no such port.
    pub fn port(&self, number: u16) -> Option<&PortResult<'a>> {
        self.ports.iter().find(|port| port.port.port == number).map(|port| &port.result)
    }

    /// Why the outcome is what it is, one sentence a cause. Empty where all is applied.
    pub fn reasons(&self) -> Vec<String> {
        if !self.frozen_by.is_empty() {
            return self.frozen_by.clone();
        }
        let reasons = self.ports.iter().filter_map(|PortRound { port, result }| match result {
            PortResult::Skipped(skip) => Some(format!("port {}: {skip}", port.port)),
            PortResult::NoNode(_) => Some(format!("port {}: no node is eligible", port.port)),
            PortResult::Own(_) => Some(format!("port {} is not in the mapping", port.port)),
            _ => None,
        });
        reasons.collect()
    }
}

impl<'a> PortResult<'a> {
    /// The outcome for this port alone.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Applied(_) | Self::Unknown(_) => Outcome::Applied,
            Self::Own(_) => Outcome::Misrouted,
            Self::Skipped(_) | Self::NoNode(_) => Outcome::Drained,
            Self::Frozen => Outcome::Frozen,
        }
    }

    /// The backends that CCM would leave in the mapped group. `None` where they cannot be computed,
    /// and where CCM writes nothing.
    pub fn expected(&self) -> Option<&Backends<'a>> {
        match self {
            Self::Applied(group) | Self::NoNode(group) => Some(&group.backends),
            Self::Own(_) | Self::Skipped(_) => Some(Backends::none()),
            Self::Unknown(_) | Self::Frozen => None,
        }
    }
}

/// Computes a round. `sole_clb` tells whether the Service's CLB is the only one known, see
/// [`ClbAnswers::groups_of`].
pub fn round<'a>(
    cluster: &'a Cluster,
    service: &'a Service,
    clb_answers: &'a ClbAnswers,
    sole_clb: bool,
) -> Round<'a> {
    let eni_by_default = cluster.pods_by_default().unwrap_or_default();
    let mode = backends::mode(service, eni_by_default);
    let mut frozen_by = format_errors(service, cluster.ccm_version);
    let clb = service.metadata.annotations.text(annotation::ID);
    let nodes = cluster.nodes_for(service, mode);
    let slices = cluster.slices_of(service);
    let inputs = ModelInputs {
        service,
        nodes: nodes.unwrap_or(backends::NodeSet::empty()),
        slices: slices.unwrap_or_default(),
        pods: cluster.pods(),
        groups: clb_answers
            .groups_of(clb, sole_clb)
            .map_or_else(Default::default, backends::KnownGroups::Listed),
        cluster_id: cluster.id.as_deref().unwrap_or("?"),
        eni_by_default,
        version: cluster.ccm_version,
    };
    let model = backends::local_model(&inputs);
    if let Err(error) = &model {
        frozen_by.push(error.to_string());
    } else if nodes.is_none() {
        frozen_by.extend(backends::backend_label_error(service).map(|error| error.to_string()));
    }
    let missing = missing(&inputs, mode, nodes.is_some(), slices.is_some());
    let ports = match model {
        Ok(model) if frozen_by.is_empty() => {
            let no_node = mode != Mode::Eni
                && nodes.is_some_and(|nodes| {
                    !backends::has_eligible_node(service, nodes, cluster.ccm_version)
                });
            results(service, model, missing, no_node)
        }
        _ => {
            let ports = service.spec.ports.iter();
            ports.map(|port| PortRound { port, result: PortResult::Frozen }).collect()
        }
    };
    Round { mode, frozen_by, ports }
}

/// Values that stop a round before anything is written, apart from `backend-label`.
fn format_errors(service: &Service, version: CcmVersion) -> Vec<String> {
    let mapping = backends::mapping(service).and_then(|mapping| mapping.format_error());
    let mapping = mapping.map(|error| format!("{}: {error}", annotation::VGROUP_PORT));
    let listeners = listener::unreadable_annotations(service, version).into_iter();
    mapping.into_iter().chain(listeners.map(|unreadable| unreadable.to_string())).collect()
}

/// What is not at hand and decides the backends.
fn missing(
    inputs: &ModelInputs<'_>,
    mode: Mode,
    nodes: bool,
    slices: bool,
) -> Option<&'static str> {
    let pods_count = match mode {
        Mode::Eni | Mode::Local => true,
        Mode::Cluster => inputs.nodes.iter().any(|node| node.is_virtual),
    };
    if mode != Mode::Eni && !nodes {
        Some("nodes")
    } else if pods_count && !slices {
        Some("endpoints")
    } else {
        None
    }
}

fn results<'a>(
    service: &'a Service,
    model: LocalModel<'a>,
    missing: Option<&'static str>,
    no_node: bool,
) -> Vec<PortRound<'a>> {
    let is_mapped = backends::is_mapped(service);
    let results = model.ports.into_iter().map(|PortModel { port, group }| {
        let result = match group {
            Ok(group) if group.vgroup.is_none() && is_mapped => PortResult::Own(group),
            Ok(_) if missing.is_some() => PortResult::Unknown(missing.unwrap_or_default()),
            Ok(group) if no_node && group.backends.is_empty() => PortResult::NoNode(group),
            Ok(group) => PortResult::Applied(group),
            Err(skip) => PortResult::Skipped(skip),
        };
        PortRound { port, result }
    });
    results.collect()
}
