//! The pod templates that a workload had before.

use clbmigrate_core::object::PodTemplate;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::core::Selector;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::WorkloadRef;

/// The selector of a stored workload's pods, as a label selector in a query. The objects that keep its
/// past carry the labels of their templates (Kubernetes: `getNewReplicaSet` of the Deployment
/// controller, `NewControllerRevision`), so it finds them. Empty where it cannot be read: the past is
/// looked for among all objects of the namespace then.
pub(crate) fn stored_selector(workload: Option<&RawValue>) -> String {
    #[derive(Deserialize)]
    struct Workload {
        spec: Option<Spec>,
    }
    #[derive(Deserialize)]
    struct Spec {
        selector: Option<LabelSelector>,
    }
    let workload = workload.and_then(|raw| serde_json::from_str::<Workload>(raw.get()).ok());
    let selector = workload.and_then(|workload| workload.spec?.selector);
    let selector = selector.and_then(|selector| Selector::try_from(selector).ok());
    selector.map(|selector| selector.to_string()).unwrap_or_default()
}

/// A `ReplicaSet` or a `ControllerRevision`: the first keeps its template in `spec`, the second in
/// `data.spec`.
#[derive(Deserialize)]
pub(super) struct Revision {
    metadata: RevisionMeta,
    spec: Option<RevisionSpec>,
    data: Option<RevisionData>,
}

#[derive(Deserialize)]
struct RevisionData {
    spec: Option<RevisionSpec>,
}

#[derive(Deserialize)]
struct RevisionSpec {
    template: Option<PodTemplate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevisionMeta {
    #[serde(default)]
    owner_references: Vec<OwnerReference>,
}

#[derive(Deserialize)]
struct OwnerReference {
    kind: String,
    name: String,
}

impl RevisionMeta {
    fn is_owned_by(&self, workload: &WorkloadRef<'_>) -> bool {
        let mut owners = self.owner_references.iter();
        owners.any(|owner| owner.kind == workload.kind.as_str() && owner.name == workload.name)
    }
}

impl Revision {
    /// The template that it keeps; `None` if it is another workload's.
    pub fn template_of(self, workload: &WorkloadRef<'_>) -> Option<PodTemplate> {
        if !self.metadata.is_owned_by(workload) {
            return None;
        }
        let spec = self.spec.or_else(|| self.data.and_then(|data| data.spec));
        spec?.template
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    #[rstest]
    #[case(json!({"matchLabels": {"app": "web", "tier": "front"}}), "app=web,tier=front")]
    #[case(
        json!({"matchLabels": {"app": "web"}, "matchExpressions": [
            {"key": "track", "operator": "In", "values": ["stable", "canary"]},
            {"key": "zone", "operator": "NotIn", "values": ["a"]},
            {"key": "example.com/owner", "operator": "Exists"},
            {"key": "old", "operator": "DoesNotExist"},
        ]}),
        "app=web,track in (canary,stable),zone notin (a),example.com/owner,!old"
    )]
    #[case(json!({}), "")]
    #[case(json!(null), "")]
    #[case(json!({"matchExpressions": [{"key": "a", "operator": "Like", "values": ["b"]}]}), "")]
    fn a_selector_becomes_a_parameter_of_a_query(#[case] selector: Value, #[case] text: &str) {
        let workload = json!({"spec": {"selector": selector}}).to_string();
        let workload: &RawValue = serde_json::from_str(&workload).expect("JSON");
        assert_eq!(stored_selector(Some(workload)), text);
    }

    #[test]
    fn a_workload_without_a_selector_has_none() {
        let workload: &RawValue = serde_json::from_str(r#"{"metadata": {}}"#).expect("JSON");
        assert_eq!((stored_selector(Some(workload)), stored_selector(None)), Default::default());
    }
}
