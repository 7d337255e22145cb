use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Deserializer};

use super::{Annotations, Labels, ObjectMeta, ObjectRef, fitting, meta, nullable, nullable_object};
use crate::{annotation, backends, hash, mapping::Mapping};

/// A Service.
#[derive(Debug, Clone, PartialEq, Default, Deserialize)]
#[serde(default)]
pub struct Service {
    /// `metadata`.
    #[serde(deserialize_with = "nullable_object")]
    pub metadata: ObjectMeta,
    /// `spec`.
    #[serde(deserialize_with = "nullable_object")]
    pub spec: ServiceSpec,
    /// `status`, which CCM writes; empty in a manifest.
    #[serde(deserialize_with = "nullable_object")]
    pub status: ServiceStatus,
}

/// `status` of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceStatus {
    /// `status.loadBalancer`.
    #[serde(deserialize_with = "nullable")]
    pub load_balancer: LoadBalancerStatus,
}

/// `status.loadBalancer` of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancerStatus {
    /// The addresses under which the Service is reached.
    #[serde(deserialize_with = "nullable")]
    pub ingress: Vec<LoadBalancerIngress>,
}

/// An address under which a Service is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct LoadBalancerIngress {
    /// An IP address; empty where there is a host name instead.
    #[serde(deserialize_with = "nullable")]
    pub ip: String,
    /// A host name; empty where there is an address instead.
    #[serde(deserialize_with = "nullable")]
    pub hostname: String,
}

/// `spec` of a Service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServiceSpec {
    /// `ClusterIP` where left out.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// Whether `clusterIP` is `None`: the Service has no address of its own in the cluster. Its type
    /// cannot become another one.
    #[serde(rename = "clusterIP", deserialize_with = "is_none_text")]
    pub is_headless: bool,
    /// Where it is set, another controller takes the Service (CCM 2.14: `NeedCLB`).
    pub load_balancer_class: Option<String>,
    /// Whether Kubernetes gives the ports node ports; it does where this is left out.
    pub allocate_load_balancer_node_ports: Option<bool>,
    /// The addresses that may reach the Service. CCM hashes them, and nothing else of it here.
    #[serde(deserialize_with = "nullable")]
    pub load_balancer_source_ranges: Vec<String>,
    /// The selector. An empty one selects nothing; the endpoints are then made by hand.
    #[serde(deserialize_with = "meta::loose_strings")]
    pub selector: Labels,
    /// The ports, in order.
    #[serde(deserialize_with = "fitting")]
    pub ports: Vec<ServicePort>,
    /// `Cluster` where left out.
    #[serde(deserialize_with = "nullable")]
    pub external_traffic_policy: ExternalTrafficPolicy,
    /// Annotations that were written into `spec` by mistake. Nobody reads them.
    #[serde(deserialize_with = "nullable")]
    pub annotations: Annotations,
}

/// `spec.externalTrafficPolicy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
pub enum ExternalTrafficPolicy {
    /// Every node forwards to every pod. Kubernetes' default.
    #[default]
    Cluster,
    /// A node forwards to pods of its own only.
    Local,
}

/// One of `spec.ports`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// The port's name; empty where the Service has one unnamed port.
    #[serde(default, deserialize_with = "nullable")]
    pub name: String,
    /// `TCP` where left out, as the API server has it.
    #[serde(default = "tcp", deserialize_with = "protocol")]
    pub protocol: String,
    /// The Service port, which the mapping names.
    pub port: u16,
    /// The pods' port.
    #[serde(default)]
    pub target_port: Option<TargetPort>,
    /// The port on every node; 0 where none is assigned (yet).
    #[serde(default, deserialize_with = "nullable")]
    pub node_port: u16,
}

fn is_none_text<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref() == Some("None"))
}

fn tcp() -> String {
    "TCP".to_owned()
}

fn protocol<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.filter(|text| !text.is_empty()).unwrap_or_else(tcp))
}

impl ServicePort {
    /// The target port; by Kubernetes' default the Service port itself.
    pub fn target(&self) -> TargetPort {
        self.target_port.clone().unwrap_or(TargetPort::Number(self.port))
    }

    fn is_same(&self, other: &Self) -> bool {
        self.port == other.port && self.protocol == other.protocol && self.name == other.name
    }
}

/// `targetPort`: a number, or the name of a container port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum TargetPort {
    /// A port number.
    Number(u16),
    /// A container port's name.
    Name(String),
}

impl fmt::Display for TargetPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Name(name) => name.fmt(f),
        }
    }
}

impl Service {
    /// Whether Kubernetes still gives node ports to the ports that have none, as in a manifest that
    /// is not applied yet.
    pub fn awaits_node_ports(&self) -> bool {
        self.spec.allocate_load_balancer_node_ports != Some(false)
    }

    /// The value of `backend-type`; empty where it is not set, which means the same.
    pub fn backend_type(&self) -> &str {
        self.metadata.annotations.get(annotation::BACKEND_TYPE).unwrap_or_default()
    }

    /// Whether it has the spec and the `backend-type` of an older version.
    pub fn keeps_shape_of(&self, older: &Self) -> bool {
        self.spec == older.spec && self.backend_type() == older.backend_type()
    }

    /// Whether `spec.type` is `LoadBalancer`.
    pub fn is_load_balancer(&self) -> bool {
        self.spec.kind.as_deref() == Some("LoadBalancer")
    }

    /// The Service's name in findings, in the cluster of that context.
    pub fn object_ref(&self, context: Option<&Arc<str>>) -> ObjectRef {
        ObjectRef {
            context: context.cloned(),
            kind: "Service".to_owned(),
            namespace: Some(self.metadata.namespace().to_owned()),
            name: self.metadata.name.clone(),
        }
    }

    /// Whether the selector matches these labels. An empty one matches none.
    pub fn selects(&self, labels: &Labels) -> bool {
        let selector = &self.spec.selector;
        !selector.is_empty() && selector.iter().all(|(key, value)| labels.get(key) == Some(value))
    }

    /// Adds the ports that the mapping names and the Service lacks: some of its ports cannot be read, and
    /// nothing shall be said against those. Neither are node ports missed.
    pub fn add_mapped_ports(&mut self) {
        let mapping = backends::mapping(self);
        let entries = mapping.iter().flat_map(Mapping::entries);
        let named = entries.filter_map(|entry| entry.port?.parse().ok());
        let known = |port: &u16| self.spec.ports.iter().any(|known| known.port == *port);
        let missing: BTreeSet<u16> = named.filter(|port| *port > 0 && !known(port)).collect();
        self.spec.ports.extend(missing.into_iter().map(|port| ServicePort {
            name: String::new(),
            protocol: tcp(),
            port,
            target_port: None,
            node_port: 0,
        }));
        self.spec.allocate_load_balancer_node_ports = None;
    }

    /// Takes over from `old` what a manifest leaves out and others write: node ports, and CCM's
    /// status, labels and finalizer.
    pub(crate) fn keep_what_others_write(&mut self, old: &Self) {
        self.keep_node_ports(old);
        if self.status == ServiceStatus::default() {
            self.status.clone_from(&old.status);
        }
        if self.metadata.finalizers.is_empty() {
            self.metadata.finalizers.clone_from(&old.metadata.finalizers);
        }
        if self.metadata.uid.is_empty() {
            self.metadata.uid.clone_from(&old.metadata.uid);
        }
        for label in [hash::LABEL, annotation::CLB_LABEL] {
            if let (None, Some(value)) =
                (self.metadata.labels.get(label), old.metadata.labels.get(label))
            {
                self.metadata.labels.insert(label.to_owned(), value.clone());
            }
        }
    }

    /// Takes over the node ports of `old` for the ports that leave theirs out, as the API server
    /// does when a manifest is applied. Ports are the same by number, protocol and name.
    fn keep_node_ports(&mut self, old: &Self) {
        for port in self.spec.ports.iter_mut().filter(|port| port.node_port == 0) {
            let known = old.spec.ports.iter().find(|known| known.is_same(port));
            port.node_port = known.map_or(0, |known| known.node_port);
        }
    }
}
