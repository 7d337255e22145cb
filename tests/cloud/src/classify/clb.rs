//! The CLB of a Service: the one it names, or the one that CCM makes for it.

use k8s_openapi::api::core::v1::Service;

use super::{Frozen, Malformed, World, mapping};
use crate::service::{CLB_LABEL, ServiceExt};

/// The CLB that serves a Service.
pub(super) fn find(service: &Service, world: &World<'_>) -> Result<String, Frozen> {
    let named = service.notes().get("id");
    let clb = if named.is_empty() { own(service) } else { named.to_owned() };
    let exists = !named.is_empty() || service.label(CLB_LABEL) == Some(&clb);
    if exists {
        check_mapping(service, &clb)?;
    }
    if world.hash_changed && !exists && !service.ingress().is_empty() {
        return Err(refusal(
            String::new(),
            &format!(
                "alicloud: can not find loadbalancer, but it's defined in service [{}] this may happen when \
                 you delete the loadbalancer",
                first_address(service)
            ),
        ));
    }
    if world.hash_changed && !named.is_empty() {
        check_address(service, &clb, world)?;
    }
    Ok(clb)
}

/// The CLB that a Service leaves; `None` if there is none.
pub(super) fn leave(service: &Service) -> Result<Option<String>, Frozen> {
    let named = service.notes().get("id");
    let clb = if named.is_empty() { own(service) } else { named.to_owned() };
    if named.is_empty() && service.label(CLB_LABEL) != Some(&clb) {
        return Ok(None);
    }
    check_mapping(service, &clb)?;
    Ok(Some(clb))
}

/// The invented id of the CLB that CCM makes for a Service: found again in its label.
fn own(service: &Service) -> String {
    let uid = service.metadata.uid.as_deref().unwrap_or_default().replace('-', "");
    format!("lb-{}", uid.get(..20).unwrap_or(&uid))
}

fn check_mapping(service: &Service, clb: &str) -> Result<(), Frozen> {
    mapping::check(service.notes().get("vgroup-port")).map_err(|Malformed(error)| Frozen {
        clb: clb.to_owned(),
        message: format!(
            "apply model error: get lb backend from remote error: DescribeVServerGroups error: {error}"
        ),
    })
}

/// A Service keeps the address that its clients know.
fn check_address(service: &Service, clb: &str, world: &World<'_>) -> Result<(), Frozen> {
    let address = world.behaviour.address(clb).to_string();
    let fits = service.ingress().iter().any(|known| match known.ip.as_deref() {
        None | Some("") => known.hostname.as_deref().is_some_and(|name| !name.is_empty()),
        Some(ip) => ip == address,
    });
    if fits || service.ingress().is_empty() || service.notes().get("external-ip-type") == "eip" {
        return Ok(());
    }
    Err(refusal(
        clb.to_owned(),
        &format!(
            "alicloud: the loadbalancer {clb} can not be reused, service has been associated with ip [{}], \
             cannot be bound to ip [{address}]",
            first_address(service)
        ),
    ))
}

fn first_address(service: &Service) -> &str {
    service.ingress().first().and_then(|ingress| ingress.ip.as_deref()).unwrap_or_default()
}

fn refusal(clb: String, why: &str) -> Frozen {
    Frozen { clb, message: format!("apply model error: update lb attribute error: {why}") }
}
