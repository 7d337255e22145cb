use serde::Deserialize;
use serde_json::Value;

/// The workload behind a Pod: its controller or, behind a `ReplicaSet` that a Deployment made, the
/// Deployment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Controller {
    /// For example `Deployment`.
    pub kind: String,
    /// Its name, in the Pod's namespace.
    pub name: String,
}

/// Written by the Deployment controller on `ReplicaSets`, whose names end in it, and on their Pods.
const TEMPLATE_HASH: &str = "pod-template-hash";

#[derive(Deserialize)]
struct Reference {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    controller: Option<bool>,
}

impl Controller {
    /// Reads `metadata.ownerReferences` of an object in Kubernetes' JSON; `None` where no
    /// controller owns it.
    pub fn of_object(object: &Value) -> Option<Self> {
        let references = object.pointer("/metadata/ownerReferences")?;
        let references = Vec::<Reference>::deserialize(references).ok()?;
        let owner = references.into_iter().find(|owner| owner.controller == Some(true))?;
        let hash = object.pointer("/metadata/labels").and_then(|labels| labels.get(TEMPLATE_HASH));
        let deployment = hash.and_then(Value::as_str).filter(|_| owner.kind == "ReplicaSet");
        let deployment =
            deployment.and_then(|hash| owner.name.strip_suffix(hash)?.strip_suffix('-'));
        Some(match deployment {
            Some(name) => Self { kind: "Deployment".to_owned(), name: name.to_owned() },
            None => Self { kind: owner.kind, name: owner.name },
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(owners: &Value) -> Value {
        let labels = json!({"pod-template-hash": "5d4f8"});
        json!({"metadata": {"labels": labels, "ownerReferences": owners}})
    }

    fn controller(kind: &str, name: &str) -> Controller {
        Controller { kind: kind.to_owned(), name: name.to_owned() }
    }

    #[test]
    fn a_replica_set_of_a_deployment_stands_for_the_deployment() {
        let owners = json!([{"kind": "ReplicaSet", "name": "web-a-5d4f8", "controller": true}]);
        assert_eq!(Controller::of_object(&pod(&owners)), Some(controller("Deployment", "web-a")));
    }

    #[test]
    fn any_other_controller_stands_for_itself() {
        let owners = json!([
            {"kind": "Node", "name": "n1"},
            {"kind": "ReplicaSet", "name": "alone", "controller": true},
        ]);
        assert_eq!(Controller::of_object(&pod(&owners)), Some(controller("ReplicaSet", "alone")));
        let owners = json!([{"kind": "Job", "name": "once", "controller": true}]);
        assert_eq!(Controller::of_object(&pod(&owners)), Some(controller("Job", "once")));
    }

    #[test]
    fn an_owner_that_does_not_control_is_none() {
        assert_eq!(Controller::of_object(&pod(&json!([{"kind": "Node", "name": "n1"}]))), None);
        assert_eq!(Controller::of_object(&pod(&json!(null))), None);
        assert_eq!(Controller::of_object(&json!({})), None);
    }
}
