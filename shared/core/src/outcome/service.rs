//! What a round makes of a Service as it is.

use super::{Cause, NoEffect, Outcome, Place, Reason, no_effect::unread_annotations};
use crate::{
    annotation::{self, ValueKind},
    backends::{
        self, Backend, BackendLabelError, Backends, KnownGroups, LocalModel, Mode, ModelInputs,
        NodeSet, PortModel, SkipReason, VServerGroup,
    },
    object::{Service, ServicePort},
    round::{self, Cloud, Failure, RoundInputs},
    snapshot::Cluster,
    version::{Behaviour, CcmVersion},
};

/// What a round of CCM over one Service comes to.
#[derive(Debug, Clone)]
pub struct ServiceOutcome<'a> {
    /// What the Service's backends are; `None` where nothing tells.
    pub mode: Option<Mode>,
    /// Why the round fails; empty where it succeeds.
    pub failures: Vec<Failure>,
    /// The result for each port, in the Service's order.
    pub ports: Vec<PortOutcome<'a>>,
    /// The annotations that CCM does not read, by full key.
    pub unread: Vec<(String, NoEffect)>,
}

/// The result of a round for one port.
#[derive(Debug, Clone)]
pub struct PortOutcome<'a> {
    /// The Service port.
    pub port: &'a ServicePort,
    /// What CCM does about the port.
    pub result: PortResult<'a>,
}

/// What CCM does about a port.
#[derive(Debug, Clone)]
pub enum PortResult<'a> {
    /// CCM writes these backends to the group.
    Applied(VServerGroup<'a>),
    /// The mapping does not name the port: CCM makes a group of its own with these backends.
    Own(VServerGroup<'a>),
    /// CCM leaves the port out, so that its backends leave the group.
    Skipped(SkipReason),
    /// CCM leaves the port out, and its backends stay, for the Service has not changed since CCM's
    /// last success.
    SkippedUntilChange(SkipReason),
    /// CCM finds no eligible node, so that no backend is left.
    NoNode(VServerGroup<'a>),
    /// The cloud refuses the backends, and takes those away that CCM removes.
    Refused(VServerGroup<'a>),
    /// CCM writes backends that cannot be computed. Holds what is not at hand.
    Unknown(&'static str),
    /// CCM writes nothing in this round.
    Frozen,
}

impl<'a> ServiceOutcome<'a> {
    /// The worst outcome; *applied* for a Service without ports.
    pub fn outcome(&self) -> Outcome {
        if let Some(outcome) = of_failures(&self.failures) {
            return outcome;
        }
        let unread = (!self.unread.is_empty()).then_some(Outcome::NoEffect);
        let ports = self.ports.iter().map(|port| port.result.outcome());
        ports.chain(unread).max().unwrap_or(Outcome::Applied)
    }

    /// Whether CCM writes nothing at all.
    pub fn is_frozen(&self) -> bool {
        of_failures(&self.failures) == Some(Outcome::Frozen)
    }

    /// The results for the Service ports of that number. There may be one for TCP and one for UDP.
    pub fn ports_numbered(&self, number: u16) -> impl Iterator<Item = &PortOutcome<'a>> {
        self.ports.iter().filter(move |port| port.port.port == number)
    }

    /// The result for the first Service port of that number; `None` where the Service has no such
    /// port.
    pub fn port(&self, number: u16) -> Option<&PortResult<'a>> {
        self.ports_numbered(number).next().map(|port| &port.result)
    }

    /// Why the outcome is what it is. Empty where all is applied.
    pub fn reasons(&self) -> Vec<Reason> {
        let failures = of_failures(&self.failures).map(|outcome| {
            let failures = self.failures.iter().cloned().map(Cause::Failure);
            failures.map(move |cause| Reason { outcome, place: Place::Service, cause })
        });
        let mut reasons: Vec<Reason> = failures.into_iter().flatten().collect();
        if self.is_frozen() {
            return reasons;
        }
        reasons.extend(self.ports.iter().filter_map(|of| {
            let cause = match &of.result {
                PortResult::Skipped(skip) => Cause::Skipped(skip.clone()),
                PortResult::SkippedUntilChange(skip) => Cause::SkippedUntilChange(skip.clone()),
                PortResult::NoNode(_) => Cause::NoNode,
                PortResult::Own(_) => Cause::Unmapped,
                _ => return None,
            };
            Some(Reason { outcome: of.result.outcome(), place: self.place_of(of.port), cause })
        }));
        reasons.extend(self.unread.iter().map(|(key, why)| Reason {
            outcome: Outcome::NoEffect,
            place: Place::Annotation(key.clone()),
            cause: Cause::NoEffect(*why),
        }));
        reasons
    }

    fn place_of(&self, port: &ServicePort) -> Place {
        let is_shared = self.ports_numbered(port.port).count() > 1;
        Place::Port { port: port.port, protocol: is_shared.then(|| port.protocol.clone()) }
    }
}

/// The outcome of a round that fails; `None` for one that succeeds.
pub(crate) fn of_failures(failures: &[Failure]) -> Option<Outcome> {
    if failures.is_empty() {
        None
    } else if failures.iter().all(Failure::writes_nothing) {
        Some(Outcome::Frozen)
    } else {
        Some(Outcome::Failing)
    }
}

impl<'a> PortResult<'a> {
    /// The outcome for this port alone.
    pub fn outcome(&self) -> Outcome {
        match self {
            Self::Applied(_) | Self::Unknown(_) => Outcome::Applied,
            Self::Own(_) => Outcome::Misrouted,
            Self::Skipped(_) | Self::NoNode(_) => Outcome::Drained,
            Self::SkippedUntilChange(_) | Self::Frozen => Outcome::Frozen,
            Self::Refused(_) => Outcome::Failing,
        }
    }

    /// The backends that CCM computes for a group that it writes to, whether or not the cloud takes
    /// them.
    pub fn computed(&self) -> Option<&Backends<'a>> {
        match self {
            Self::Refused(group) => Some(&group.backends),
            _ => self.expected(),
        }
    }

    /// The backends that CCM would leave in the group. `None` where they cannot be computed, and
    /// where CCM writes nothing.
    pub fn expected(&self) -> Option<&Backends<'a>> {
        match self {
            Self::Applied(group) | Self::NoNode(group) => Some(&group.backends),
            Self::Own(_) | Self::Skipped(_) | Self::Refused(_) => Some(Backends::none()),
            Self::SkippedUntilChange(_) | Self::Unknown(_) | Self::Frozen => None,
        }
    }
}

/// What decides a Service's outcome.
pub(crate) struct ServiceInputs<'s, 'c> {
    pub cluster: &'s Cluster,
    pub service: &'s Service,
    /// `None` where nothing tells.
    pub mode: Option<Mode>,
    pub cluster_id: &'s str,
    /// The groups of its CLB.
    pub groups: KnownGroups<'s>,
    /// Whether the Service is as it was in CCM's last successful round.
    pub is_hash_current: bool,
    /// The CLB with the groups that the Service names, and those that CCM made for it.
    pub cloud: &'c dyn Fn() -> Cloud,
    /// Whether answers tell anything of the CLB itself, or of groups that CCM made for the Service.
    pub is_clb_known: bool,
}

/// Computes the outcome.
pub(crate) fn of_service<'s>(inputs: ServiceInputs<'s, '_>) -> ServiceOutcome<'s> {
    let ServiceInputs { cluster, service, mode, .. } = inputs;
    let version = cluster.ccm_version;
    let nodes = cluster.nodes_for(service, mode);
    let slices = cluster.slices_of(service);
    let model_inputs = ModelInputs {
        service,
        nodes: nodes.unwrap_or(NodeSet::empty()),
        slices: slices.unwrap_or_default(),
        pods: cluster.pods(),
        groups: inputs.groups,
        cluster_id: inputs.cluster_id,
        eni_by_default: mode == Some(Mode::Eni),
        version,
    };
    let mut model = backends::local_model(&model_inputs);
    // CCM meets a malformed label with the first node; that there is one is certain.
    if let (None, Some(error)) = (nodes, backends::backend_label_error(service)) {
        model = Err(error);
    }
    let missing = missing(mode, &model_inputs, nodes.is_some(), slices.is_some());
    if let (Some(_), Some(_), Ok(model)) = (missing, mode, &mut model) {
        model.fill_ports_without_node_port(service);
    }
    let run = || failures(service, &model, (inputs.cluster_id, version), &(inputs.cloud)());
    let failures = if !inputs.is_clb_known && has_nothing_to_fail_at(service, &model, version) {
        debug_assert_eq!(run(), [], "{service:?}");
        Vec::new()
    } else {
        run()
    };
    let takes_none = failures.iter().any(|failure| matches!(failure, Failure::OtherVpc { .. }));
    let ports = match model {
        Ok(model) if of_failures(&failures) != Some(Outcome::Frozen) => {
            let no_node = mode != Some(Mode::Eni)
                && nodes.is_some_and(|nodes| !backends::has_eligible_node(service, nodes, version));
            let of_port = |PortModel { port, group }| {
                let result = result(service, group, missing, no_node, inputs.is_hash_current);
                let result = match result {
                    PortResult::Applied(group) if takes_none => PortResult::Refused(group),
                    result => result,
                };
                PortOutcome { port, result }
            };
            model.ports.into_iter().map(of_port).collect()
        }
        _ => {
            let ports = service.spec.ports.iter();
            ports.map(|port| PortOutcome { port, result: PortResult::Frozen }).collect()
        }
    };
    let unread = unread_annotations(None, service, version);
    ServiceOutcome { mode, failures, ports, unread }
}

/// Whether a Service has nothing that any round could fail at, as most have. It spares them the round.
fn has_nothing_to_fail_at(
    service: &Service,
    model: &Result<LocalModel<'_>, BackendLabelError>,
    version: CcmVersion,
) -> bool {
    let Ok(model) = model else { return false };
    let annotations = &service.metadata.annotations;
    let is_text = |key: &str| {
        let known = annotation::suffix_of(key).and_then(annotation::find_known);
        known.is_none_or(|known| known.kind == ValueKind::Text)
    };
    let is_bound_elsewhere = service
        .metadata
        .labels
        .get(annotation::CLB_LABEL)
        .is_some_and(|label| label != annotations.text(annotation::ID));
    let is_taken = |backend: Backend<'_>| backend.port != 0 && backend.weight <= 100;
    service.is_taken_by(version)
        && !service.needs_clean_up()
        && !is_bound_elsewhere
        && annotation::clb_id_problem(annotations.text(annotation::ID)).is_none()
        && annotations.keys().all(is_text)
        && annotations.text(annotation::FORCE_OVERRIDE) != "true"
        && backends::mapping(service).is_some_and(|mapping| mapping.format_error().is_none())
        && (version.has(Behaviour::LeavesPortsOut) || model.skipped().next().is_none())
        && model.groups().all(|group| group.backends.with_one_node().iter().all(is_taken))
}

/// Why a round after a change of the Service fails. What decides that does not depend on the number
/// of nodes, of which a large cluster has hundreds.
fn failures(
    service: &Service,
    model: &Result<LocalModel<'_>, BackendLabelError>,
    (cluster_id, version): (&str, CcmVersion),
    cloud: &Cloud,
) -> Vec<Failure> {
    let sample = model.as_ref().map(LocalModel::with_one_node).map_err(Clone::clone);
    let inputs = RoundInputs {
        service,
        model: &sample,
        cluster_id,
        hash_changed: true,
        version,
        interface: &|ip| format!("eni-{ip}"),
    };
    round::run(&inputs, cloud).failures
}

/// What is not at hand and decides the backends.
fn missing(
    mode: Option<Mode>,
    inputs: &ModelInputs<'_>,
    nodes: bool,
    slices: bool,
) -> Option<&'static str> {
    let pods_count = match mode {
        None => return Some(BACKEND_TYPE),
        Some(Mode::Eni | Mode::Local) => true,
        Some(Mode::Cluster) => inputs.nodes.iter().any(|node| node.is_virtual),
    };
    if mode != Some(Mode::Eni) && !nodes {
        Some("nodes")
    } else if pods_count && !slices {
        Some("endpoints")
    } else {
        None
    }
}

/// What is not at hand where nothing tells whether pods or nodes are the backends.
pub(crate) const BACKEND_TYPE: &str = "default backend-type";

fn result<'s>(
    service: &Service,
    group: Result<VServerGroup<'s>, SkipReason>,
    missing: Option<&'static str>,
    no_node: bool,
    is_hash_current: bool,
) -> PortResult<'s> {
    let is_refused = |backend: Backend<'_>| {
        (backend.port == 0 && !service.awaits_node_ports()) || backend.weight > 100
    };
    match group {
        Ok(group) if group.vgroup.is_none() && backends::is_mapped(service) => {
            PortResult::Own(group)
        }
        // Whatever the backends are, the cloud takes none with port 0.
        Ok(group)
            if missing.is_some_and(|missing| missing != BACKEND_TYPE)
                && !service.awaits_node_ports()
                && group.backends.iter().any(|backend| backend.port == 0) =>
        {
            PortResult::Refused(VServerGroup { backends: Backends::none().clone(), ..group })
        }
        Ok(_) if missing.is_some() => PortResult::Unknown(missing.unwrap_or_default()),
        Ok(group) if no_node && group.backends.is_empty() => PortResult::NoNode(group),
        Ok(group) if group.backends.with_one_node().iter().any(is_refused) => {
            PortResult::Refused(group)
        }
        Ok(group) => PortResult::Applied(group),
        // A round over a changed Service has met the annotations' own mistakes already. Nodes and
        // endpoints change without one.
        Err(skip @ (SkipReason::Instance(_) | SkipReason::NoNodeName(_))) if is_hash_current => {
            PortResult::SkippedUntilChange(skip)
        }
        // Without nodes and endpoints of the right kind nobody knows.
        Err(SkipReason::Instance(_) | SkipReason::NoNodeName(_)) if missing.is_some() => {
            PortResult::Unknown(missing.unwrap_or_default())
        }
        Err(skip) => PortResult::Skipped(skip),
    }
}

/// Whether the Service's label says that CCM finished a round with it.
pub(crate) fn has_hash(service: &Service) -> bool {
    service.metadata.labels.get(crate::hash::LABEL).is_some_and(|label| !label.is_empty())
}

/// The id of the CLB that the Service names; empty without one.
pub(crate) fn clb_of(service: &Service) -> &str {
    service.metadata.annotations.text(annotation::ID)
}
