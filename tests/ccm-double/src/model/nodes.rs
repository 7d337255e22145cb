//! What CCM makes of nodes: which events count, and which nodes become backends (CCM 2.14: `node_utils.go`,
//! `backend.go`).

use k8s_openapi::api::core::v1::Node;

use super::BuildError;

const MASTER: &str = "node-role.kubernetes.io/master";
const VIRTUAL_KUBELET: (&str, &str) = ("type", "virtual-kubelet");
const EXCLUDED_FROM_CCM: [&str; 2] =
    ["service.beta.kubernetes.io/exclude-node", "service.alibabacloud.com/exclude-node"];
const EXCLUDED_FROM_BALANCERS: [&str; 2] = [
    "node.kubernetes.io/exclude-from-external-load-balancers",
    "alpha.service-controller.kubernetes.io/exclude-balancer",
];
const TAINT_OF_AUTOSCALER: &str = "ToBeDeletedByClusterAutoscaler";
const HYBRID: &str = "ack-hybrid://";

fn label<'a>(node: &'a Node, key: &str) -> Option<&'a str> {
    node.metadata.labels.as_ref()?.get(key).map(String::as_str)
}

fn has_label(node: &Node, keys: &[&str]) -> bool {
    keys.iter().any(|key| label(node, key).is_some())
}

/// Whether nothing that happens to a node matters.
pub(crate) fn is_ignored(node: &Node) -> bool {
    has_label(node, &[MASTER]) || has_label(node, &EXCLUDED_FROM_CCM) || is_hybrid(node)
}

/// Whether it is a machine outside the cloud.
fn is_hybrid(node: &Node) -> bool {
    provider_id(node).starts_with(HYBRID)
}

/// Whether a change of a node makes CCM look at every Service again; a taint does not.
pub(crate) fn changed(old: &Node, new: &Node) -> bool {
    let labels = |node: &Node| node.metadata.labels.clone().unwrap_or_default();
    !(is_ignored(old) && is_ignored(new))
        && (labels(old) != labels(new)
            || is_unschedulable(old) != is_unschedulable(new)
            || ready(old) != ready(new))
}

fn is_unschedulable(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

/// The status of the `Ready` condition, `False` without one.
fn ready(node: &Node) -> &str {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions.filter(|c| c.type_ == "Ready").map(|c| c.status.as_str()).next().unwrap_or("False")
}

/// The nodes that a Service's `backend-label` (`key=value,key=value`) leaves; all of them if it is empty.
pub(crate) fn filter_by_label<'a>(
    nodes: impl Iterator<Item = &'a Node>,
    wanted: &str,
) -> Result<Vec<&'a Node>, BuildError> {
    if wanted.is_empty() {
        return Ok(nodes.collect());
    }
    let mut kept = Vec::new();
    for node in nodes {
        if carries(node, wanted)? {
            kept.push(node);
        }
    }
    Ok(kept)
}

/// Stops at the first pair that differs, so a pair without `=` after it goes unnoticed, as in CCM.
fn carries(node: &Node, wanted: &str) -> Result<bool, BuildError> {
    for pair in wanted.split(',') {
        let mut parts = pair.split('=');
        let (key, value) = (parts.next().unwrap_or_default(), parts.next());
        let value = value
            .ok_or_else(|| BuildError(format!("parse backend label: {pair}, [k1=v1,k2=v2]")))?;
        if label(node, key) != Some(value) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether a node is one for backends at all. With `drops_cordoned` a cordoned one is not.
pub(crate) fn is_candidate(node: &Node, drops_cordoned: bool) -> bool {
    let leaving = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
        .any(|taint| taint.key == TAINT_OF_AUTOSCALER);
    if has_label(node, &[MASTER]) || leaving || (drops_cordoned && is_unschedulable(node)) {
        return false;
    }
    if is_virtual(node) {
        return true;
    }
    let mut conditions =
        node.status.iter().flat_map(|status| status.conditions.iter().flatten()).peekable();
    conditions.peek().is_some() && conditions.all(|c| c.type_ != "Ready" || c.status == "True")
}

/// Whether a candidate is kept out of load balancers.
pub(crate) fn is_excluded(node: &Node) -> bool {
    has_label(node, &EXCLUDED_FROM_BALANCERS)
        || has_label(node, &EXCLUDED_FROM_CCM)
        || is_hybrid(node)
}

fn provider_id(node: &Node) -> &str {
    node.spec.as_ref().and_then(|spec| spec.provider_id.as_deref()).unwrap_or_default()
}

/// The machine of a node, after its region: `region.i-…` with or without `alicloud://`.
pub(crate) fn instance_id(node: &Node) -> Result<&str, BuildError> {
    let id = provider_id(node);
    let plain = id.strip_prefix("alicloud://").unwrap_or(id);
    plain.split('.').nth(1).ok_or_else(|| {
        BuildError(format!(
            "normal parse providerid: {id}. expected: ${{regionid}}.${{nodeid}}, alicloud: unable to split \
             instanceid and region from providerID, error unexpected providerID={plain}"
        ))
    })
}

/// Whether a node stands for no machine, but for serverless Pods.
pub(crate) fn is_virtual(node: &Node) -> bool {
    let (key, value) = VIRTUAL_KUBELET;
    label(node, key) == Some(value)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn node(patch: &Value) -> Node {
        let mut node = json!({
            "metadata": {"name": "n", "labels": {"zone": "a"}},
            "spec": {"providerID": "cn-bed.i-1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        json_patch::merge(&mut node, patch);
        serde_json::from_value(node).expect("a Node")
    }

    #[rstest]
    #[case::as_it_is(json!({}), true, false)]
    #[case::control_plane(json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}}), true, false)]
    #[case::master(json!({"metadata": {"labels": {"node-role.kubernetes.io/master": ""}}}), false, false)]
    #[case::excluded_even_with_false(json!({"metadata": {"labels": {"node.kubernetes.io/exclude-from-external-load-balancers": "false"}}}), true, true)]
    #[case::excluded_from_ccm(json!({"metadata": {"labels": {"service.alibabacloud.com/exclude-node": ""}}}), true, true)]
    #[case::hybrid(json!({"spec": {"providerID": "ack-hybrid://x"}}), true, true)]
    #[case::leaving(json!({"spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}}), false, false)]
    #[case::other_taint(json!({"spec": {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}}), true, false)]
    #[case::no_conditions(json!({"status": {"conditions": []}}), false, false)]
    #[case::not_ready(json!({"status": {"conditions": [{"type": "Ready", "status": "Unknown"}]}}), false, false)]
    #[case::nothing_about_ready(json!({"status": {"conditions": [{"type": "DiskPressure", "status": "True"}]}}), true, false)]
    #[case::virtual_kubelet(json!({"metadata": {"labels": {"type": "virtual-kubelet"}}, "status": null}), true, false)]
    fn a_node_is_a_candidate_and_excluded(
        #[case] patch: Value,
        #[case] candidate: bool,
        #[case] excluded: bool,
    ) {
        let node = node(&patch);
        assert_eq!((is_candidate(&node, false), is_excluded(&node)), (candidate, excluded));
    }

    #[test]
    fn a_cordoned_node_is_dropped_only_on_demand() {
        let node = node(&json!({"spec": {"unschedulable": true}}));
        assert!(is_candidate(&node, false) && !is_candidate(&node, true));
    }

    #[rstest]
    #[case::label(json!({"metadata": {"labels": {"zone": "b"}}}), true)]
    #[case::cordon(json!({"spec": {"unschedulable": true}}), true)]
    #[case::ready(json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}}), true)]
    #[case::taint(json!({"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}), false)]
    #[case::annotation(json!({"metadata": {"annotations": {"a": "b"}}}), false)]
    fn a_change_of_a_node_counts(#[case] patch: Value, #[case] counts: bool) {
        assert_eq!(changed(&node(&json!({})), &node(&patch)), counts);
    }

    #[rstest]
    #[case::master(json!({"metadata": {"labels": {"node-role.kubernetes.io/master": ""}}}))]
    #[case::excluded(json!({"metadata": {"labels": {"service.alibabacloud.com/exclude-node": ""}}}))]
    #[case::hybrid(json!({"spec": {"providerID": "ack-hybrid://x"}}))]
    fn nothing_that_happens_to_some_nodes_counts(#[case] patch: Value) {
        let (before, mut after) = (node(&patch), node(&patch));
        after.status = None;
        assert!(!changed(&before, &after));
    }

    #[rstest]
    #[case("cn-bed.i-1", Some("i-1"))]
    #[case("alicloud://cn-bed.i-1", Some("i-1"))]
    #[case("", None)]
    #[case("i-1", None)]
    fn a_machine_is_named_by_region_and_id(#[case] id: &str, #[case] named: Option<&str>) {
        assert_eq!(instance_id(&node(&json!({"spec": {"providerID": id}}))).ok(), named);
    }

    #[rstest]
    #[case("", Some(1))]
    #[case("zone=a", Some(1))]
    #[case("zone=b", Some(0))]
    #[case("zone=a, zone=a", Some(0))]
    #[case("zone", None)]
    #[case("zone=b,zone", Some(0))]
    fn backend_label_leaves(#[case] wanted: &str, #[case] left: Option<usize>) {
        let node = node(&json!({}));
        assert_eq!(
            filter_by_label([&node].into_iter(), wanted).ok().map(|nodes| nodes.len()),
            left
        );
    }
}
