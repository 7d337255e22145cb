//! What CCM reads of a Service: whether it is CCM's own, its annotations, ports and labels.

use std::fmt::{self, Display};

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service, ServicePort, ServiceSpec};
use serde::{Serialize, Serializer};

use crate::annotations::{self, Annotations};
use crate::behaviour::BackendType;

/// The finalizer that CCM sets while it has something in the cloud for a Service.
pub const FINALIZER: &str = "service.k8s.alibaba/resources";
/// The label with the hash of the Service as it was in its last successful round.
pub const HASH_LABEL: &str = "service.beta.kubernetes.io/hash";
/// The label with the id of the CLB of the last successful round.
pub const CLB_LABEL: &str = "service.k8s.alibaba/loadbalancer-id";

/// The namespace and the name of an object.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// The key of an object. The namespace of one without a namespace is empty.
    pub fn from_object<K: kube::Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

impl Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// What CCM reads of a Service.
pub(crate) trait ServiceExt {
    fn spec_type(&self) -> &str;
    fn annotations(&self) -> Annotations<'_>;
    fn ports(&self) -> &[ServicePort];
    fn ingress(&self) -> &[LoadBalancerIngress];
    fn label(&self, key: &str) -> Option<&str>;
    /// Whether the CLB controller takes it (CCM 2.14: `NeedCLB`).
    fn needs_clb(&self) -> bool;
    /// Whether it has to be cleaned up, if it ever had a CLB.
    fn needs_cleanup(&self) -> bool;
    fn has_finalizer(&self) -> bool;
    /// Whether its backends are Pods instead of nodes.
    fn is_eni(&self, default: BackendType) -> bool;
    /// Whether its backends are the nodes of its Pods only.
    fn is_local(&self) -> bool;
}

impl ServiceExt for Service {
    fn spec_type(&self) -> &str {
        let declared = self.spec.as_ref().and_then(|spec| spec.type_.as_deref());
        declared.unwrap_or_default()
    }

    fn annotations(&self) -> Annotations<'_> {
        Annotations::new(self.metadata.annotations.as_ref())
    }

    fn ports(&self) -> &[ServicePort] {
        self.spec.as_ref().and_then(|spec| spec.ports.as_deref()).unwrap_or_default()
    }

    fn ingress(&self) -> &[LoadBalancerIngress] {
        self.status
            .as_ref()
            .and_then(|status| status.load_balancer.as_ref()?.ingress.as_deref())
            .unwrap_or_default()
    }

    fn label(&self, key: &str) -> Option<&str> {
        self.metadata.labels.as_ref()?.get(key).map(String::as_str)
    }

    fn needs_clb(&self) -> bool {
        let has_class = |spec: &ServiceSpec| spec.load_balancer_class.is_some();
        self.spec_type() == "LoadBalancer"
            && !self.spec.as_ref().is_some_and(has_class)
            && self.annotations().exact(annotations::TUNNEL_TYPE).is_none()
            && self.annotations().exact(annotations::CLASS).unwrap_or_default().is_empty()
    }

    fn needs_cleanup(&self) -> bool {
        self.metadata.deletion_timestamp.is_some() || self.spec_type() != "LoadBalancer"
    }

    fn has_finalizer(&self) -> bool {
        self.metadata.finalizers.iter().flatten().any(|held| held == FINALIZER)
    }

    fn is_eni(&self, default: BackendType) -> bool {
        match self.annotations().exact(annotations::BACKEND_TYPE) {
            None | Some("") => default == BackendType::Eni,
            Some(declared) => declared == "eni",
        }
    }

    fn is_local(&self) -> bool {
        let spec = self.spec.as_ref();
        spec.and_then(|spec| spec.external_traffic_policy.as_deref()) == Some("Local")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: &Value, annotations: &Value) -> Service {
        serde_json::from_value(json!({"metadata": {"annotations": annotations}, "spec": spec}))
            .expect("a Service")
    }

    #[rstest]
    #[case::load_balancer(json!({"type": "LoadBalancer"}), json!({}), true)]
    #[case::node_port(json!({"type": "NodePort"}), json!({}), false)]
    #[case::load_balancer_class(json!({"type": "LoadBalancer", "loadBalancerClass": "alibabacloud.com/nlb"}), json!({}), false)]
    #[case::class(json!({"type": "LoadBalancer"}), json!({annotations::CLASS: "edge"}), false)]
    #[case::empty_class(json!({"type": "LoadBalancer"}), json!({annotations::CLASS: ""}), true)]
    #[case::empty_tunnel(json!({"type": "LoadBalancer"}), json!({annotations::TUNNEL_TYPE: ""}), false)]
    fn the_clb_controller_takes(#[case] spec: Value, #[case] notes: Value, #[case] takes: bool) {
        assert_eq!(service(&spec, &notes).needs_clb(), takes);
    }

    #[rstest]
    #[case("eni", BackendType::Ecs, true)]
    #[case("ENI", BackendType::Eni, false)]
    #[case("ecs", BackendType::Eni, false)]
    #[case("", BackendType::Eni, true)]
    #[case("", BackendType::Ecs, false)]
    fn the_backend_type_is_compared_exactly(
        #[case] declared: &str,
        #[case] default: BackendType,
        #[case] eni: bool,
    ) {
        let service = service(&json!({}), &json!({annotations::BACKEND_TYPE: declared}));
        assert_eq!(service.is_eni(default), eni);
    }
}
