//! The endpoints that count for a port (CCM 2.14: `vgroups.go:614-794`, EndpointSlices on, IPv6 off).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ObjectReference, Pod, ServicePort};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::cloud_client::backend::{Backend, PodRef};
use crate::service::Key;

/// Pods by key, as far as they were asked for and exist.
pub type Pods = BTreeMap<Key, Pod>;

/// A port's endpoints, as Pods with their target port.
#[derive(Debug, Default)]
pub(super) struct EligibleEndpoints {
    pub(super) backends: Vec<Backend>,
    /// Whether an endpoint that does not count may soon.
    pub(super) may_grow: bool,
}

/// The name of the readiness gate of a Service's Pods. It has no namespace and no port.
pub(crate) fn gate(service: &str) -> String {
    format!("service.readiness.alibabacloud.com/{service}")
}

/// The Pods whose gates decide whether their endpoints count.
pub(crate) fn pods_with_gates(slices: &[Arc<EndpointSlice>]) -> BTreeSet<Key> {
    let endpoints = slices.iter().filter(|slice| is_ipv4(slice)).flat_map(|slice| &slice.endpoints);
    let unready = endpoints.filter(|one| !is_terminating(one) && !is_ready(one));
    unready.filter_map(|one| pod_of(one.target_ref.as_ref())).map(|pod| key(&pod)).collect()
}

/// The endpoints that count for a port of a Service. An address counts once, wherever it stands first.
pub(super) fn eligible(
    service: &str,
    port: &ServicePort,
    slices: &[Arc<EndpointSlice>],
    pods: &Pods,
    description: &str,
) -> EligibleEndpoints {
    let gate = gate(service);
    let mut counted = EligibleEndpoints::default();
    let mut seen = BTreeSet::new();
    for slice in slices.iter().filter(|slice| is_ipv4(slice)) {
        let Some(number) = port_in(slice, port) else { continue };
        for endpoint in slice.endpoints.iter().filter(|one| !is_terminating(one)) {
            for address in &endpoint.addresses {
                if seen.contains(address) {
                    continue;
                }
                let pod = pod_of(endpoint.target_ref.as_ref());
                if !is_ready(endpoint) {
                    match pod.as_ref().map(|pod| readiness(pods.get(&key(pod)), &gate)) {
                        Some(Readiness::Ready) => {}
                        Some(Readiness::Pending) => {
                            counted.may_grow = true;
                            continue;
                        }
                        Some(Readiness::NotReady) | None => continue,
                    }
                }
                seen.insert(address.clone());
                counted.backends.push(Backend {
                    server_ip: address.clone(),
                    port: number,
                    description: description.to_owned(),
                    node: endpoint.node_name.clone(),
                    target: pod,
                    ..Backend::default()
                });
            }
        }
    }
    counted
}

/// What a Pod's gate says of an endpoint that is not ready.
enum Readiness {
    Ready,
    Pending,
    NotReady,
}

fn readiness(pod: Option<&Pod>, gate: &str) -> Readiness {
    // What is not found may not have been noticed yet.
    let Some(pod) = pod else { return Readiness::Pending };
    match (has_gate(pod, gate), are_containers_ready(pod)) {
        (true, true) => Readiness::Ready,
        (true, false) => Readiness::Pending,
        (false, _) => Readiness::NotReady,
    }
}

/// Whether a Pod waits for this readiness gate.
pub(crate) fn has_gate(pod: &Pod, gate: &str) -> bool {
    let gates = pod.spec.iter().flat_map(|spec| spec.readiness_gates.iter().flatten());
    gates.into_iter().any(|one| one.condition_type == gate)
}

fn are_containers_ready(pod: &Pod) -> bool {
    let conditions = pod.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.into_iter().any(|one| one.type_ == "ContainersReady" && one.status == "True")
}

fn key(pod: &PodRef) -> Key {
    Key { namespace: pod.namespace.clone(), name: pod.name.clone() }
}

fn pod_of(target: Option<&ObjectReference>) -> Option<PodRef> {
    let target = target.filter(|target| target.kind.as_deref() == Some("Pod"))?;
    Some(PodRef {
        namespace: target.namespace.clone().unwrap_or_default(),
        name: target.name.clone().unwrap_or_default(),
    })
}

fn is_ipv4(slice: &EndpointSlice) -> bool {
    slice.address_type == "IPv4"
}

fn is_ready(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.ready).unwrap_or(false)
}

fn is_terminating(endpoint: &Endpoint) -> bool {
    endpoint.conditions.as_ref().and_then(|conditions| conditions.terminating).unwrap_or(false)
}

/// The port of a slice's Pods: a number is taken as it is, a name leads to the port that is called like the
/// *Service's* port. `None` if the slice has none.
fn port_in(slice: &EndpointSlice, port: &ServicePort) -> Option<i32> {
    if let Some(IntOrString::Int(number)) = &port.target_port {
        return Some(*number);
    }
    let wanted = port.name.as_deref().unwrap_or_default();
    let found = slice.ports.iter().flatten().find(|one| one.name.as_deref() == Some(wanted))?;
    found.port.filter(|number| *number != 0)
}
