//! What a round makes of a Service, by CCM 2.14's rules and in its order: load balancer attributes, groups
//! (errors there are dropped, the silent class A), listeners (errors stop the round, the visible class B),
//! then the CLB as it is.

mod clb;
mod listener;
mod mapping;
mod number;
mod port;

use std::net::IpAddr;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::behaviour::Behaviour;
use crate::nodes;
use crate::outcome::Outcome;
use crate::service::ServiceExt;
use port::Target;

/// A value that CCM cannot read, in its words.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(pub(crate) String);

/// What CCM sees beside the Service.
#[derive(Debug)]
pub struct World<'a> {
    /// The cloud, as far as it is invented.
    pub behaviour: &'a Behaviour,
    /// All nodes of the cluster.
    pub nodes: &'a [Arc<Node>],
    /// Whether the Service differs from that of the last successful round.
    pub hash_changed: bool,
}

/// A successful round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// The CLB that serves it.
    pub clb: String,
    /// Its address.
    pub address: IpAddr,
    /// The worst of its ports: applied, misrouted or drained.
    pub outcome: Outcome,
    /// Why it is not applied, a sentence a port.
    pub reasons: Vec<String>,
    /// How many ports were left without any node, of which CCM writes an event each.
    pub without_nodes: usize,
}

/// A round that stops before anything is written (class B).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The CLB as the event names it: empty if the round stopped before CCM knew it.
    pub clb: String,
    /// What the event says after it.
    pub message: String,
}

/// What a round makes of a Service that wants a CLB.
pub fn round(service: &Service, world: &World<'_>) -> Result<Done, Frozen> {
    let local = local(service, world)
        .map_err(|Malformed(error)| Frozen { clb: String::new(), message: error })?;
    let clb = clb::find(service, world)?;
    Ok(Done {
        address: world.behaviour.address(&clb),
        clb,
        outcome: local.outcome,
        reasons: local.reasons,
        without_nodes: local.without_nodes,
    })
}

/// What a round makes of a Service that is over: the CLB it leaves, if one was found.
pub fn cleanup(service: &Service, world: &World<'_>) -> Result<Option<String>, Frozen> {
    if service.is_over() {
        return clb::leave(service);
    }
    // Another controller's by now: CCM carries it out once more before it lets go.
    round(service, world).map(|done| Some(done.clb))
}

/// The part of a round that needs no cloud.
struct Local {
    outcome: Outcome,
    reasons: Vec<String>,
    without_nodes: usize,
}

fn local(service: &Service, world: &World<'_>) -> Result<Local, Malformed> {
    let in_part = |part: &'static str| {
        move |error: Malformed| Malformed(format!("build lb local model error: {part}: {error}"))
    };
    check_bandwidth(service).map_err(in_part("build lb attribute error"))?;
    let local = groups(service, world).map_err(in_part("build vserver groups error"))?;
    // The misspelling is CCM's.
    listener::check(service).map_err(in_part("builid lb listener error"))?;
    Ok(local)
}

fn check_bandwidth(service: &Service) -> Result<(), Malformed> {
    let bandwidth = service.notes().get("bandwidth");
    let read = if bandwidth.is_empty() { Ok(0) } else { number::atoi(bandwidth) };
    read.map(drop).map_err(|error| {
        Malformed(format!("bandwidth must be integer, got [{bandwidth}], error: {error}"))
    })
}

fn groups(service: &Service, world: &World<'_>) -> Result<Local, Malformed> {
    let notes = service.notes();
    let drops_cordoned = notes.get("remove-unscheduled-backend") == "on";
    let wanted = notes.get("backend-label");
    let labelled =
        nodes::labelled(world.nodes.iter().map(AsRef::as_ref), wanted).map_err(|error| {
            Malformed(format!("get nodes error: filter nodes by label error: {error}"))
        })?;
    let is_candidate = |node: &&Node| nodes::is_candidate(node, drops_cordoned);
    let candidates: Vec<&Node> = labelled.into_iter().filter(is_candidate).collect();

    let all_nodes = port::uses_all_nodes(service, world);
    let no_nodes = all_nodes && candidates.iter().all(|node| nodes::is_excluded(node));
    let any_without_label = world
        .nodes
        .iter()
        .map(AsRef::as_ref)
        .any(|node| is_candidate(&node) && !nodes::is_excluded(node));

    let mut local = Local { outcome: Outcome::Applied, reasons: Vec::new(), without_nodes: 0 };
    let mut worsen = |port: &ServicePort, outcome: Outcome, why: String| {
        local.outcome = local.outcome.max(outcome);
        local.reasons.push(format!("port {}: {why}", port.port));
    };
    for port in service.ports() {
        match port::target(service, port, &candidates, world) {
            Err(Malformed(error)) => worsen(port, Outcome::Drained, error),
            Ok(_) if no_nodes && any_without_label => {
                worsen(port, Outcome::Drained, format!("no node carries {wanted}"));
                local.without_nodes += 1;
            }
            Ok(target) => {
                if let (Target::Own(group), true) = (target, lacks_listener(service)) {
                    worsen(port, Outcome::Misrouted, format!("goes to CCM's own group {group}"));
                }
                local.without_nodes += usize::from(no_nodes);
            }
        }
    }
    Ok(local)
}

/// Whether no listener leads to a group that CCM makes: on a CLB whose listeners it leaves alone.
fn lacks_listener(service: &Service) -> bool {
    let notes = service.notes();
    !notes.get("id").is_empty() && notes.get("force-override-listeners") != "true"
}

/// The port of a Pod, by number or name.
fn backend_port(port: &ServicePort) -> String {
    match &port.target_port {
        Some(IntOrString::Int(number)) => number.to_string(),
        Some(IntOrString::String(name)) => name.clone(),
        None => port.port.to_string(),
    }
}

#[cfg(test)]
mod tests;
