use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, Visitor},
};
use thiserror::Error;

use super::{Labels, ObjectMeta, nullable};
use crate::version::{Behaviour, CcmVersion};

/// A Node, with what CCM asks about nodes answered once (CCM 2.14: `backend.go`, `node_utils.go`).
#[derive(Debug, Clone, PartialEq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one of CCM's independent questions")]
pub struct Node {
    /// `metadata`.
    pub metadata: ObjectMeta,
    /// `spec.providerID`, empty where left out.
    pub provider_id: String,
    /// `spec.unschedulable`.
    pub unschedulable: bool,
    /// The version of the node's kubelet as `(major, minor)`.
    pub kubelet: Option<(u32, u32)>,
    /// Whether it is labelled as a virtual node, whose pods are ECI instances.
    pub is_virtual: bool,
    /// Whether CCM leaves it out altogether: it is labelled as a master, tainted by the cluster
    /// autoscaler for deletion, or not Ready.
    pub is_rejected: bool,
    /// Whether Terway runs on it: it has a resource `aliyun/…eni…`, or the condition `SufficientIP`.
    pub has_terway: bool,
    /// Whether it carries a label that excludes it from load balancers.
    has_excluding_label: bool,
    /// The status of its condition `Ready`, `False` where it has none.
    pub ready: String,
    /// The ECS instance behind it, if `provider_id` names one.
    instance: Option<String>,
}

/// Labels of masters. CCM 2.14 does not look at `node-role.kubernetes.io/control-plane`.
const MASTER: &str = "node-role.kubernetes.io/master";
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";
const EXCLUDED_FROM_BALANCERS: [&str; 2] = [
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "alpha.service-controller.kubernetes.io/exclude-balancer",
];
const EXCLUDED_FROM_CCM: [&str; 2] =
    ["service.beta.kubernetes.io/exclude-node", "service.alibabacloud.com/exclude-node"];

/// Why a node's `spec.providerID` names no ECS instance.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProviderIdError {
    /// There is no `providerID`. Holds the node's name.
    #[error("node {0} has no spec.providerID")]
    Missing(String),
    /// The `providerID` has another form.
    #[error(
        "node {node} has spec.providerID {id:?}, not region.instance or alicloud://region.instance"
    )]
    Malformed {
        /// The node's name.
        node: String,
        /// Its `providerID`.
        id: String,
    },
}

impl Node {
    /// Whether it is no backend though its pods may count: it carries a label that excludes it from
    /// load balancers, or belongs to another cloud (which CCM 2.11 and older do not look at).
    pub fn is_excluded(&self, version: CcmVersion) -> bool {
        self.has_excluding_label || self.is_hybrid(version)
    }

    fn is_hybrid(&self, version: CcmVersion) -> bool {
        version.has(Behaviour::ExcludesHybridNodes) && self.provider_id.starts_with("ack-hybrid://")
    }

    /// Whether nothing that happens to the node queues a Service (CCM 2.14: `event_handler.go`).
    pub fn is_ignored(&self, version: CcmVersion) -> bool {
        let mut labels = [MASTER].into_iter().chain(EXCLUDED_FROM_CCM);
        labels.any(|label| self.labels().contains_key(label)) || self.is_hybrid(version)
    }

    /// The node's labels.
    pub fn labels(&self) -> &Labels {
        &self.metadata.labels
    }

    /// The id of the ECS instance behind the node (CCM 2.14: `NodeFromProviderID`). Fails where
    /// `spec.providerID` is missing or names none.
    pub fn instance(&self) -> Result<&str, ProviderIdError> {
        self.instance.as_deref().ok_or_else(|| {
            let (node, id) = (self.metadata.name.clone(), &self.provider_id);
            if id.is_empty() {
                ProviderIdError::Missing(node)
            } else {
                ProviderIdError::Malformed { node, id: id.clone() }
            }
        })
    }

    /// The region of the instance, for example `cn-hangzhou`; `None` where `spec.providerID` names
    /// no instance.
    pub fn region(&self) -> Option<&str> {
        let (region, instance) = plain(&self.provider_id).split_once('.')?;
        (!region.is_empty() && !instance.is_empty()).then_some(region)
    }
}

/// A `providerID` without what other clouds' controllers put before it.
fn plain(provider_id: &str) -> &str {
    match provider_id.strip_prefix("alicloud://") {
        Some(rest) => rest.split("://").next().unwrap_or(rest),
        None => provider_id,
    }
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Wire {
    #[serde(deserialize_with = "nullable")]
    metadata: ObjectMeta,
    #[serde(deserialize_with = "nullable")]
    spec: Spec,
    #[serde(deserialize_with = "nullable")]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Spec {
    #[serde(rename = "providerID", deserialize_with = "nullable")]
    provider_id: String,
    #[serde(deserialize_with = "nullable")]
    unschedulable: bool,
    #[serde(deserialize_with = "nullable")]
    taints: Vec<Taint>,
}

#[derive(Deserialize)]
struct Taint {
    key: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    #[serde(deserialize_with = "nullable")]
    conditions: Vec<Condition>,
    #[serde(deserialize_with = "nullable")]
    node_info: NodeInfo,
    #[serde(rename = "allocatable", deserialize_with = "has_eni_resource")]
    has_eni_resource: bool,
}

/// Whether a map of resources has one of Terway's, for example `aliyun/eni` or `aliyun/member-eni`.
fn has_eni_resource<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    struct Resources;
    impl<'de> Visitor<'de> for Resources {
        type Value = bool;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map of resources")
        }

        fn visit_unit<E: serde::de::Error>(self) -> Result<bool, E> {
            Ok(false)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
            let mut has_eni = false;
            while let Some((name, _)) = map.next_entry::<Cow<'de, str>, IgnoredAny>()? {
                has_eni |= name.strip_prefix("aliyun/").is_some_and(|name| name.contains("eni"));
            }
            Ok(has_eni)
        }
    }
    deserializer.deserialize_any(Resources)
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    #[serde(deserialize_with = "nullable")]
    kubelet_version: String,
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Wire { metadata, spec, status } = Wire::deserialize(deserializer)?;
        let labels = &metadata.labels;
        let is_virtual = labels.get("type").is_some_and(|kind| kind == "virtual-kubelet");
        let is_ready = !status.conditions.is_empty()
            && status.conditions.iter().all(|c| c.kind != "Ready" || c.status == "True");
        let is_rejected = labels.contains_key(MASTER)
            || spec.taints.iter().any(|taint| taint.key == TO_BE_DELETED)
            || !(is_virtual || is_ready);
        let mut excluding = EXCLUDED_FROM_BALANCERS.iter().chain(&EXCLUDED_FROM_CCM);
        let has_excluding_label = excluding.any(|label| labels.contains_key(label));
        let ready = status.conditions.iter().find(|condition| condition.kind == "Ready");
        let ready = ready.map_or_else(|| "False".to_owned(), |ready| ready.status.clone());
        let has_terway =
            status.has_eni_resource || status.conditions.iter().any(|c| c.kind == "SufficientIP");
        Ok(Self {
            kubelet: version(&status.node_info.kubelet_version),
            instance: plain(&spec.provider_id).split('.').nth(1).map(str::to_owned),
            provider_id: spec.provider_id,
            unschedulable: spec.unschedulable,
            metadata,
            is_virtual,
            is_rejected,
            has_excluding_label,
            has_terway,
            ready,
        })
    }
}

/// Major and minor of a version such as `v1.30.4-aliyun.1`.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.strip_prefix('v').unwrap_or(text).split('.');
    let major = parts.next()?.parse().ok()?;
    let minor = parts.next()?.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()?;
    Some((major, minor))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::Node;

    #[rstest]
    #[case::resource(json!({"allocatable": {"cpu": "4", "aliyun/eni": "3"}}), true)]
    #[case::trunk(json!({"allocatable": {"aliyun/member-eni": "20"}}), true)]
    #[case::condition(json!({"conditions": [{"type": "SufficientIP", "status": "True"}]}), true)]
    #[case::other_resources(json!({"allocatable": {"aliyun/gpu-mem": "3", "eni": "1"}}), false)]
    #[case::null(json!({"allocatable": null}), false)]
    #[case::none(json!({}), false)]
    fn terway_shows_on_its_nodes(#[case] status: Value, #[case] has_terway: bool) {
        let object = json!({"metadata": {"name": "n1"}, "status": status}).to_string();
        let node: Node = serde_json::from_str(&object).expect("a Node");
        assert_eq!(node.has_terway, has_terway);
    }
}
