//! 0xx: nodes, endpoints and names that CCM cannot register.

use clbmigrate_core::annotation::{
    BACKEND_LABEL, BACKEND_TYPE, REMOVE_UNSCHEDULED, VGROUP_PORT, WEIGHT,
};
use serde_json::{Value, json};

use super::{Rule, rule};
use crate::support::{
    TestSnapshot, endpoint, healthy, healthy_eni, healthy_local, merged, node, pod, slice,
};

const EXCLUDE: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

fn all_nodes(patch: &Value) -> TestSnapshot {
    healthy().each("Node", patch)
}

fn labelled(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}})
}

/// The Service under another name and namespace, of so many characters together.
fn named(characters: usize) -> TestSnapshot {
    let name = "w".repeat(characters - 4);
    healthy().edit("Service", &json!({"metadata": {"name": name}}))
}

/// The first endpoint, with a patch.
fn first_endpoint(setup: TestSnapshot, patch: &Value) -> TestSnapshot {
    let endpoints = [merged(endpoint(1, 1), patch), endpoint(2, 2), endpoint(3, 3)];
    setup.edit("EndpointSlice", &json!({"endpoints": endpoints}))
}

fn no_node(setup: TestSnapshot) -> TestSnapshot {
    first_endpoint(setup, &json!({"nodeName": null}))
}

#[allow(clippy::too_many_lines, reason = "a table")]
pub fn rules() -> Vec<Rule> {
    let not_ready = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
    let no_id = json!({"spec": {"providerID": null}});
    vec![
        rule("CLB017")
            .warning("36 characters beside an ACK cluster id and a node port", named(36))
            .saying("81")
            .silent("35 characters", named(35))
            .silent("36 characters where the target port is shorter", {
                named(36).key(BACKEND_TYPE, "eni")
            })
            .silent("36 characters beside a shorter cluster id", named(36).id(Some("c1")))
            .warning("a candidate without mapping too", named(36).bare(VGROUP_PORT).bare(WEIGHT)),
        rule("CLB020")
            .error("no node carries the label", healthy().note(BACKEND_LABEL, "pool=wbe"))
            .error("no node carries both", healthy().note(BACKEND_LABEL, "pool=web,zone=a"))
            .warning("nothing is lost at weight 0", {
                healthy().note(BACKEND_LABEL, "pool=wbe").note(WEIGHT, "0")
            })
            .error("in Local mode too", healthy_local().note(BACKEND_LABEL, "pool=wbe"))
            .silent("a node carries the label", healthy().note(BACKEND_LABEL, "pool=web"))
            .silent("without the annotation", healthy())
            .silent("pods need no label", healthy_eni().note(BACKEND_LABEL, "pool=wbe"))
            .silent("nodes that carry it but are not Ready are another matter (CLB026)", {
                all_nodes(&not_ready).note(BACKEND_LABEL, "pool=web")
            })
            .silent("the space is the mistake (CLB016)", {
                healthy().note(BACKEND_LABEL, "pool=web, zone=a")
            })
            .blind("not all nodes are at hand", {
                healthy().without("Node").add(node(1)).note(BACKEND_LABEL, "pool=wbe")
            })
            .blind("there may be nodes besides those that the slices name", {
                healthy().nodes_not_listed().note(BACKEND_LABEL, "pool=wbe")
            })
            .error("in Local mode every node that the slices name is at hand", {
                healthy_local().nodes_not_listed().note(BACKEND_LABEL, "pool=wbe")
            })
            .blind("in Local mode a node that the slices name is missing", {
                healthy_local().without("Node").add(node(1)).note(BACKEND_LABEL, "pool=wbe")
            }),
        rule("CLB024")
            .error("a Ready node without providerID", healthy().edit("Node", &no_id))
            .saying("n1")
            .error("one that is no region and instance", {
                healthy().edit("Node", &json!({"spec": {"providerID": "i-1"}}))
            })
            .error("several are one finding", all_nodes(&no_id))
            .error("a virtual node is registered too", {
                let vk = json!({
                    "metadata": {"name": "vk", "labels": {"type": "virtual-kubelet"}},
                    "spec": {"providerID": null},
                });
                healthy().add(merged(node(9), &vk))
            })
            .silent("the scheme in front", {
                healthy().edit("Node", &json!({"spec": {"providerID": "alicloud://cn-x.i-1"}}))
            })
            .silent("a node that CCM does not take: not Ready", {
                healthy().edit("Node", &no_id).edit("Node", &not_ready)
            })
            .silent("excluded by label", {
                healthy().edit("Node", &no_id).edit("Node", &labelled(&json!({EXCLUDE: "true"})))
            })
            .silent("of a hybrid cloud", {
                healthy().edit("Node", &json!({"spec": {"providerID": "ack-hybrid://x"}}))
            })
            .silent("without the backend-label", {
                let other = json!({"metadata": {"labels": {"pool": "db"}}});
                healthy().edit("Node", &no_id).edit("Node", &other).note(BACKEND_LABEL, "pool=web")
            })
            .error("Local mode", healthy_local().edit("Node", &no_id))
            .silent("Local mode, and no endpoint is on the node", {
                healthy_local().add(merged(node(4), &no_id))
            })
            .silent("ENI mode", healthy_eni().edit("Node", &no_id))
            .silent("nodes with providerID", healthy())
            .blind("not all nodes are at hand", healthy().without("Node").add(node(1))),
        rule("CLB025")
            .error("in Cluster mode", no_node(healthy()))
            .saying("10.0.0.1")
            .error("in Local mode", no_node(healthy_local()))
            .error("one that waits for nothing but the readiness gate counts too", {
                let gate = "service.readiness.alibabacloud.com/web";
                let web = merged(
                    pod("web-1"),
                    &json!({
                        "spec": {"readinessGates": [{"conditionType": gate}]},
                        "status": {"conditions": [{"type": "ContainersReady", "status": "True"}]},
                    }),
                );
                let waits = json!({"nodeName": null, "conditions": {"ready": false}});
                first_endpoint(healthy(), &waits).add(web)
            })
            .silent("pods need no node", no_node(healthy_eni()))
            .silent("an endpoint that is not ready does not count", {
                let waits = json!({"nodeName": null, "conditions": {"ready": false}});
                first_endpoint(healthy(), &waits)
            })
            .silent("nor one that ends", {
                let ends = json!({"nodeName": null, "conditions": {"terminating": true}});
                first_endpoint(healthy(), &ends)
            })
            .silent("nor another Service's", {
                let lost = merged(endpoint(9, 1), &json!({"nodeName": null}));
                healthy().add(slice("other", &[lost]))
            })
            .silent("endpoints with nodeName", healthy())
            .blind("no slice is at hand", healthy().without("EndpointSlice")),
        rule("CLB026")
            .error("no node is Ready", all_nodes(&not_ready))
            .error("no node has any condition", {
                all_nodes(&json!({"status": {"conditions": []}}))
            })
            .error("all are excluded by label, whatever its value", {
                all_nodes(&labelled(&json!({EXCLUDE: "false"})))
            })
            .error("by CCM's own label", {
                all_nodes(&labelled(&json!({"service.alibabacloud.com/exclude-node": ""})))
            })
            .error("all are masters", {
                all_nodes(&labelled(&json!({"node-role.kubernetes.io/master": ""})))
            })
            .error("all are about to be deleted", {
                let taint =
                    json!({"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"});
                all_nodes(&json!({"spec": {"taints": [taint]}}))
            })
            .error("all are of a hybrid cloud", {
                all_nodes(&json!({"spec": {"providerID": "ack-hybrid://cn-x.i-1"}}))
            })
            .error("all are cordoned, and CCM is told to drop such", {
                all_nodes(&json!({"spec": {"unschedulable": true}})).note(REMOVE_UNSCHEDULED, "on")
            })
            .error("there is no node at all", {
                healthy().without("Node").without("EndpointSlice").all_nodes_listed()
            })
            .error("those that carry the backend-label are not Ready", {
                all_nodes(&not_ready).note(BACKEND_LABEL, "pool=web")
            })
            .error("in Local mode", healthy_local().each("Node", &not_ready))
            .warning("nothing is lost at weight 0", all_nodes(&not_ready).note(WEIGHT, "0"))
            .silent("all are cordoned", all_nodes(&json!({"spec": {"unschedulable": true}})))
            .silent("all are tainted otherwise", {
                let taint = json!({"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"});
                all_nodes(&json!({"spec": {"taints": [taint]}}))
            })
            .silent("control planes, which CCM takes", {
                all_nodes(&labelled(&json!({"node-role.kubernetes.io/control-plane": ""})))
            })
            .silent("virtual nodes, whose pods are backends", {
                let label = json!({"type": "virtual-kubelet", EXCLUDE: ""});
                all_nodes(&labelled(&label))
            })
            .silent("one node is left", healthy().edit("Node", &not_ready))
            .silent("ENI mode applies no filter", healthy_eni().each("Node", &not_ready))
            .silent("none carries the backend-label (CLB020)", {
                healthy().note(BACKEND_LABEL, "pool=wbe")
            })
            .blind("not all nodes are at hand", healthy().without("Node").add(node(1))),
    ]
}
