//! What becomes of one Service port: its mapped group, a group of CCM's own, or - without a word - nothing.

use k8s_openapi::api::core::v1::{Node, Service, ServicePort};

use super::{Malformed, World, mapping, number};
use crate::nodes;
use crate::service::{Key, ServiceExt};

/// A port that CCM carries out.
#[derive(Debug)]
pub(super) enum Target {
    /// A group that the mapping names.
    Mapped,
    /// A group that CCM makes, with the name it gives it.
    Own(String),
}

/// Where a port goes. On an error CCM 2.14 drops the port and says nothing (`vgroups.go:76-83`).
pub(super) fn target(
    service: &Service,
    port: &ServicePort,
    candidates: &[&Node],
    world: &World<'_>,
) -> Result<Target, Malformed> {
    let notes = service.notes();
    let (clb, mapping) = (notes.get("id"), notes.get("vgroup-port"));
    let mut target = None;
    if !clb.is_empty() && !mapping.is_empty() {
        let group = mapping::group_of(mapping, port.port)?;
        if let Some(group) = group.filter(|group| !group.is_empty()) {
            if !world.behaviour.has_group(clb, group) {
                return Err(Malformed(format!("can not find vgroupId {group} in lb {clb}")));
            }
            target = Some(Target::Mapped);
        }
        check_weight(notes.get("weight"), "weight")?;
    }
    check_weight(notes.get("default-weight"), "default-weight")?;
    if uses_all_nodes(service, world) {
        let mut backends = candidates.iter().filter(|node| !nodes::is_excluded(node));
        backends.try_for_each(|node| nodes::check_machine(node))?;
    }
    Ok(target.unwrap_or_else(|| Target::Own(own_group(service, port, world))))
}

/// Whether every node is a backend, whether it has Pods of the Service or not.
pub(super) fn uses_all_nodes(service: &Service, world: &World<'_>) -> bool {
    !service.is_eni(world.behaviour.backend_type) && !service.is_local()
}

fn check_weight(declared: &str, name: &str) -> Result<(), Malformed> {
    if declared.is_empty() || number::weight(declared).is_some() {
        return Ok(());
    }
    Err(Malformed(format!("{name} must be integer in range [0,100] , got [{declared}]")))
}

fn own_group(service: &Service, port: &ServicePort, world: &World<'_>) -> String {
    let number = if service.is_eni(world.behaviour.backend_type) {
        super::backend_port(port)
    } else {
        port.node_port.unwrap_or_default().to_string()
    };
    let Key { namespace, name } = Key::of(service);
    format!("k8s/{number}/{name}/{namespace}/{}", world.behaviour.cluster_id)
}
