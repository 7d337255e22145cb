use serde::{Deserialize, Deserializer};

use super::ObjectMeta;

/// An object's controller: of its owner references the one with `controller: true`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ControllerReference {
    /// The API group, for example `apps`; empty for the core's.
    pub group: String,
    /// For example `ReplicaSet`.
    pub kind: String,
    /// Its name, in the object's namespace.
    pub name: String,
}

/// Written by the Deployment controller on `ReplicaSets`, whose names end in it, and on their Pods.
pub(super) const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// The same, written by Argo Rollouts (argo-rollouts: `DefaultRolloutUniqueLabelKey`).
pub(super) const ROLLOUT_HASH: &str = "rollouts-pod-template-hash";

impl ControllerReference {
    /// The workload behind a Pod: its controller or, behind a `ReplicaSet` that a Deployment or a
    /// Rollout made, that one. `None` where no controller owns the Pod.
    pub fn behind(pod: &ObjectMeta) -> Option<Self> {
        let owner = pod.controller.as_deref()?;
        let named_by = |label: &str| {
            let hash = pod.labels.get(label).filter(|_| owner.kind == "ReplicaSet")?;
            Some(owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?.to_owned())
        };
        let of = |group: &str, kind: &str, name| Self {
            group: group.to_owned(),
            kind: kind.to_owned(),
            name,
        };
        let deployment = || named_by(POD_TEMPLATE_HASH).map(|name| of("apps", "Deployment", name));
        let rollout = || named_by(ROLLOUT_HASH).map(|name| of("argoproj.io", "Rollout", name));
        Some(deployment().or_else(rollout).unwrap_or_else(|| owner.clone()))
    }
}

/// Reads `ownerReferences`.
pub(super) fn controller<'de, D>(
    deserializer: D,
) -> Result<Option<Box<ControllerReference>>, D::Error>
where
    D: Deserializer<'de>,
{
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    #[derive(Default)]
    struct OwnerReference {
        #[serde(deserialize_with = "super::nullable")]
        api_version: String,
        #[serde(deserialize_with = "super::nullable")]
        kind: String,
        #[serde(deserialize_with = "super::nullable")]
        name: String,
        #[serde(deserialize_with = "super::nullable")]
        controller: bool,
    }
    let owners = Option::<Vec<OwnerReference>>::deserialize(deserializer)?.unwrap_or_default();
    let controller = owners.into_iter().find(|owner| owner.controller);
    Ok(controller.map(|OwnerReference { api_version, kind, name, .. }| {
        let group = api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
        Box::new(ControllerReference { group, kind, name })
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn behind(labels: &Value, owners: &Value) -> Option<(String, String)> {
        let meta = json!({"name": "p", "labels": labels, "ownerReferences": owners});
        let meta = ObjectMeta::deserialize(&meta).expect("metadata");
        ControllerReference::behind(&meta).map(|owner| (owner.kind, owner.name))
    }

    fn named(kind: &str, name: &str) -> (String, String) {
        (kind.to_owned(), name.to_owned())
    }

    fn owned_by(kind: &str, name: &str) -> Value {
        json!([{"kind": "Node", "name": "n1"}, {"kind": kind, "name": name, "controller": true}])
    }

    #[test]
    fn a_replica_set_of_a_deployment_stands_for_the_deployment() {
        let labels = json!({"pod-template-hash": "5d4f8"});
        let owners = owned_by("ReplicaSet", "web-a-5d4f8");
        assert_eq!(behind(&labels, &owners), Some(named("Deployment", "web-a")));
    }

    #[test]
    fn a_replica_set_of_a_rollout_stands_for_the_rollout() {
        let labels = json!({"rollouts-pod-template-hash": "5d4f8"});
        let owners = owned_by("ReplicaSet", "web-a-5d4f8");
        assert_eq!(behind(&labels, &owners), Some(named("Rollout", "web-a")));
    }

    #[test]
    fn any_other_controller_stands_for_itself() {
        let labels = json!({"pod-template-hash": "5d4f8"});
        let alone = owned_by("ReplicaSet", "alone");
        assert_eq!(behind(&labels, &alone), Some(named("ReplicaSet", "alone")));
        assert_eq!(behind(&labels, &owned_by("Job", "once")), Some(named("Job", "once")));
        assert_eq!(
            behind(&json!({}), &owned_by("Game", "g-5d4f8")),
            Some(named("Game", "g-5d4f8"))
        );
    }

    #[test]
    fn an_owner_that_does_not_control_is_none() {
        assert_eq!(behind(&json!({}), &json!([{"kind": "Node", "name": "n1"}])), None);
        assert_eq!(behind(&json!({}), &json!(null)), None);
    }
}
