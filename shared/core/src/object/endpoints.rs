use std::collections::BTreeSet;

use serde::Deserialize;

use super::{ObjectMeta, fitting, nullable};

/// An EndpointSlice of discovery.k8s.io/v1.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// `metadata`; the label `kubernetes.io/service-name` names the Service.
    pub metadata: ObjectMeta,
    /// `IPv4`, `IPv6` or `FQDN`.
    #[serde(default)]
    pub address_type: String,
    /// The endpoints.
    #[serde(default, deserialize_with = "fitting")]
    pub endpoints: Vec<Endpoint>,
    /// The ports they serve.
    #[serde(default, deserialize_with = "fitting")]
    pub ports: Vec<EndpointPort>,
}

impl EndpointSlice {
    /// Whether CCM reads the slice. It reads IPv4 slices only (CCM 2.14, with its IPv6 gate off),
    /// so that a pod with addresses of both families counts once.
    pub fn is_read(&self) -> bool {
        self.address_type == "IPv4"
    }

    /// The endpoints in the slices that CCM reads.
    pub fn endpoints_of(slices: &[Self]) -> impl Iterator<Item = &Endpoint> {
        slices.iter().filter(|slice| slice.is_read()).flat_map(|slice| &slice.endpoints)
    }

    /// How many addresses the slices that CCM reads have.
    pub fn addresses_in(slices: &[Self]) -> usize {
        Self::endpoints_of(slices).map(|endpoint| endpoint.addresses.len()).sum()
    }

    /// How many different addresses are ready in the slices that CCM reads.
    pub fn ready_in(slices: &[Self]) -> usize {
        let ready = Self::endpoints_of(slices).filter(|endpoint| endpoint.is_ready());
        ready.flat_map(|endpoint| &endpoint.addresses).collect::<BTreeSet<_>>().len()
    }

    /// The name of the Service that the slice belongs to: its label `kubernetes.io/service-name`.
    pub fn service(&self) -> Option<&str> {
        self.metadata.labels.get("kubernetes.io/service-name").map(String::as_str)
    }
}

/// One endpoint of a slice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Endpoint {
    /// Its addresses.
    #[serde(default, deserialize_with = "fitting")]
    pub addresses: Vec<String>,
    /// Whether it is ready, and whether it ends.
    #[serde(default, deserialize_with = "nullable")]
    pub conditions: EndpointConditions,
    /// The object behind it, usually a pod.
    #[serde(default)]
    pub target_ref: Option<TargetRef>,
    /// The name of the node it runs on.
    #[serde(default)]
    pub node_name: Option<String>,
}

/// The conditions of an endpoint.
#[derive(Debug, Clone, PartialEq, Copy, Default, Deserialize)]
#[serde(default)]
pub struct EndpointConditions {
    /// `None` where left out; CCM counts that as not ready.
    pub ready: Option<bool>,
    /// `None` where left out, which means no.
    pub terminating: Option<bool>,
}

impl Endpoint {
    /// Whether the endpoint is terminating. CCM skips it then.
    pub fn is_terminating(&self) -> bool {
        self.conditions.terminating == Some(true)
    }

    /// Whether the endpoint is ready and not terminating.
    pub fn is_ready(&self) -> bool {
        self.conditions.ready == Some(true) && !self.is_terminating()
    }
}

/// The object that an endpoint stands for.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct TargetRef {
    /// Usually `Pod`.
    #[serde(deserialize_with = "nullable")]
    pub kind: String,
    /// Its namespace.
    #[serde(deserialize_with = "nullable")]
    pub namespace: String,
    /// Its name.
    #[serde(deserialize_with = "nullable")]
    pub name: String,
}

/// A port of a slice.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct EndpointPort {
    /// The name of the Service port that it belongs to.
    pub name: Option<String>,
    /// The port on the pod; 0 where left out.
    #[serde(default, deserialize_with = "nullable")]
    pub port: u16,
}
