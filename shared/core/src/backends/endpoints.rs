use std::collections::{HashMap, HashSet};

use super::ModelInputs;
use crate::object::{Endpoint, EndpointSlice, Pod, Service, ServicePort, TargetPort};

/// A cluster's pods, by namespace and name.
#[derive(Debug, Clone, Default)]
pub struct PodSet(HashMap<String, HashMap<String, Pod>>);

impl PodSet {
    /// Adds a pod; one of the same namespace and name is replaced.
    pub fn insert(&mut self, pod: Pod) {
        let namespace = self.0.entry(pod.metadata.namespace().to_owned()).or_default();
        namespace.insert(pod.metadata.name.clone(), pod);
    }

    /// Adds all pods of another set; those of the same namespace and name are replaced.
    pub fn extend(&mut self, pods: &Self) {
        pods.0.values().flat_map(HashMap::values).for_each(|pod| self.insert(pod.clone()));
    }

    /// The pod of that namespace and name, if it is in the set.
    pub fn get(&self, namespace: &str, name: &str) -> Option<&Pod> {
        self.0.get(namespace)?.get(name)
    }
}

impl FromIterator<Pod> for PodSet {
    fn from_iter<I: IntoIterator<Item = Pod>>(pods: I) -> Self {
        let mut set = Self::default();
        pods.into_iter().for_each(|pod| set.insert(pod));
        set
    }
}

/// An address that CCM counts for a Service port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CountedEndpoint<'a> {
    /// The pod's address.
    pub ip: &'a str,
    /// The port on the pod.
    pub port: u16,
    /// The name of the node it runs on, if the slice has it.
    pub node: Option<&'a str>,
}

/// The type of the readiness gate that CCM writes for a Service of that name. Neither namespace nor
/// port is in it (CCM 2.14: `pod_utils.go`).
pub fn readiness_gate(service: &str) -> String {
    format!("service.readiness.alibabacloud.com/{service}")
}

/// The endpoints of `port` that CCM counts, each address once, in the order of the slices. See
/// [`is_counted`].
pub fn counted_endpoints<'a>(
    inputs: &ModelInputs<'a>,
    port: &ServicePort,
) -> Vec<CountedEndpoint<'a>> {
    let mut seen = HashSet::new();
    let mut counted = Vec::new();
    for slice in inputs.slices.iter().filter(|slice| slice.is_read()) {
        let Some(number) = port_on(slice, port) else { continue };
        let endpoints = slice.endpoints.iter();
        for endpoint in endpoints.filter(|e| is_counted(inputs.service, inputs.pods, e)) {
            for ip in endpoint.addresses.iter().filter(|ip| seen.insert(ip.as_str())) {
                counted.push(CountedEndpoint {
                    ip,
                    port: number,
                    node: endpoint.node_name.as_deref(),
                });
            }
        }
    }
    counted
}

/// A numeric target port is used as it is, whatever the slice says; a named one is looked up in the
/// slice under the *Service port's* name.
fn port_on(slice: &EndpointSlice, port: &ServicePort) -> Option<u16> {
    match port.target() {
        TargetPort::Number(number) => Some(number),
        TargetPort::Name(_) => {
            let named = slice.ports.iter().find(|p| p.name.as_deref() == Some(port.name.as_str()));
            named.map(|port| port.port).filter(|number| *number != 0)
        }
    }
}

/// Whether CCM counts an endpoint of a Service: it does not end, and it is ready, or its pod's
/// containers are ready and its pod has CCM's readiness gate.
pub fn is_counted(service: &Service, pods: &PodSet, endpoint: &Endpoint) -> bool {
    if endpoint.is_ready() || endpoint.is_terminating() {
        return endpoint.is_ready();
    }
    let Some(target) = endpoint.target_ref.as_ref().filter(|target| target.kind == "Pod") else {
        return false;
    };
    let gate = readiness_gate(&service.metadata.name);
    pods.get(&target.namespace, &target.name)
        .is_some_and(|pod| pod.status.containers_ready && pod.spec.readiness_gates.contains(&gate))
}
