//! 4xx: weights, and the cloud's truth.

use clbmigrate_core::annotation::{VGROUP_PORT, WEIGHT};
use serde_json::{Value, json};

use super::{Rule, change, rule};
use crate::support::{
    CLUSTER_ID, OTHER_ID, TestSnapshot, backend, endpoint, group, healthy, healthy_eni,
    healthy_local, listener, merged, node, outside, pod_backend, sibling,
};

/// The healthy snapshot, with these backends in the group.
fn holding(backends: &[Value]) -> TestSnapshot {
    healthy().group("rsp-a", backends)
}

/// The three backends with those weights, beside the machine outside.
fn weighing(weights: [u32; 3], others: u32) -> TestSnapshot {
    let own = weights.iter().zip(1..).map(|(weight, number)| backend(number, *weight));
    holding(&own.chain([outside(others)]).collect::<Vec<_>>())
}

/// The healthy group with one more backend.
fn with_backend(patch: &Value) -> TestSnapshot {
    let more = merged(backend(9, 10), patch);
    holding(&[backend(1, 10), backend(2, 10), backend(3, 10), outside(70), more])
}

fn described(description: &str) -> Value {
    json!({"Description": description})
}

fn listening(patch: &Value) -> TestSnapshot {
    healthy().answer(listener(patch))
}

fn sticky(config: &str, patch: &Value) -> TestSnapshot {
    listening(&json!({config: patch}))
}

pub fn rules() -> Vec<Rule> {
    vec![shares(), floors(), schedulers(), orphans(), drift(), persistence()]
}

fn shares() -> Rule {
    rule("CLB401")
        .info("weight 1 over three nodes is 3", weighing([1, 1, 1], 9).note(WEIGHT, "1"))
        .saying("nominal 10.0 %, effective 25.0 %")
        .info("a weight that three do not divide, with the nearest better ones", {
            weighing([1, 1, 1], 5).note(WEIGHT, "5")
        })
        .saying("nearest better weights: 3, 6")
        .info("the others' remainders count too", {
            healthy()
                .group("rsp-a", &[])
                .beside("new", OTHER_ID, &[sibling("web")])
                .within(1)
                .note(WEIGHT, "1")
                .within(0)
                .note(WEIGHT, "3")
        })
        .times(2)
        .silent("nominal and effective are the same", healthy())
        .silent("two points are close enough: 80 over three nodes", {
            weighing([26, 26, 26], 20).note(WEIGHT, "80")
        })
        .silent("alone it has everything", holding(&[]).note(WEIGHT, "1"))
        .silent("weight 0", weighing([0, 0, 0], 100).note(WEIGHT, "0"))
        .silent("without a weight there is no nominal share", healthy().bare(WEIGHT))
        .blind("the group's answer is not at hand", {
            healthy().note(WEIGHT, "1").unanswered("BackendServers")
        })
        .blind("not all nodes are at hand", {
            healthy().note(WEIGHT, "1").without("Node").without("EndpointSlice")
        })
}

fn floors() -> Rule {
    rule("CLB402")
        .warning("2 over three nodes", healthy().note(WEIGHT, "2"))
        .saying("\"3\"")
        .warning("2 over three pods", healthy_eni().note(WEIGHT, "2"))
        .warning("2 over three nodes with pods", healthy_local().note(WEIGHT, "2"))
        .warning("the port with the most backends counts", {
            let named = json!([
                {"name": "none", "port": 80, "targetPort": "none"},
                {"name": "http", "port": 443, "targetPort": "http"},
            ]);
            healthy_eni().ports(&named).note(VGROUP_PORT, "rsp-a:80,rsp-b:443").note(WEIGHT, "2")
        })
        .silent("as much as there are backends", healthy().note(WEIGHT, "3"))
        .silent("0", healthy().note(WEIGHT, "0"))
        .silent("no weight", healthy().bare(WEIGHT))
        .silent("a weight that CCM refuses (CLB001)", healthy().note(WEIGHT, "-2"))
        .blind("not all nodes are at hand", {
            healthy().note(WEIGHT, "2").without("Node").without("EndpointSlice")
        })
        .blind("no slice is at hand", healthy_eni().note(WEIGHT, "2").without("EndpointSlice"))
}

fn schedulers() -> Rule {
    rule("CLB407")
        .warning("rr does not count weights", listening(&json!({"Scheduler": "rr"})))
        .saying("rr")
        .silent("wrr does", healthy())
        .silent("wlc does", listening(&json!({"Scheduler": "wlc"})))
        .silent("another group's listener", {
            listening(&json!({"Scheduler": "rr", "VServerGroupId": "rsp-x"}))
        })
        .blind("the listeners are not at hand", healthy().unanswered("Listeners"))
        .blind("the listeners at hand are another CLB's", {
            listening(&json!({"LoadBalancerId": "lb-b"}))
        })
}

fn orphans() -> Rule {
    let gone = format!("k8s/30090/gone/shop/{CLUSTER_ID}");
    let moved = format!("k8s/30081/api/shop/{CLUSTER_ID}");
    let remote = format!("k8s/30080/web/shop/{OTHER_ID}");
    let other_group = json!({"metadata": {"annotations": {
        "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port": "rsp-b:80",
    }}});
    rule("CLB408")
        .warning("its Service is gone", with_backend(&described(&gone)))
        .saying("shop/gone")
        .warning("several of one Service are one finding", {
            let other = merged(backend(8, 10), &described(&gone));
            let more = merged(backend(9, 10), &described(&gone));
            holding(&[backend(1, 10), backend(2, 10), backend(3, 10), other, more])
        })
        .warning("its Service is mapped elsewhere", {
            with_backend(&described(&moved)).add(merged(sibling("api"), &other_group))
        })
        .warning("in a group that nobody maps any more", {
            healthy().group("rsp-old", &[backend(1, 10)])
        })
        .warning("one of our instances, and no description", {
            with_backend(&described("")).add(node(9))
        })
        .saying("i-9")
        .warning("one of our instances, by hand", {
            with_backend(&described("by hand")).add(node(9))
        })
        .warning("one of our instances, described as another cluster's", {
            with_backend(&described(&remote)).add(node(9))
        })
        .warning("moved in one step, so nobody takes the old ones out", {
            change(healthy(), healthy().note(VGROUP_PORT, "rsp-b:80"))
        })
        .silent("released, so CCM takes them out", {
            let before = healthy().group("rsp-b", &[outside(70)]);
            change(before.clone(), before.note(VGROUP_PORT, "rsp-b:80,rsp-a:0"))
        })
        .silent("deleted at weight 0, so CCM takes them out", {
            let at_zero = weighing([0, 0, 0], 70).note(WEIGHT, "0");
            change(at_zero.clone(), at_zero.without("Service"))
        })
        .silent("its Service looks after it", healthy())
        .silent("a machine outside", with_backend(&described("")))
        .silent("another cluster's, which is not at hand", with_backend(&described(&remote)))
        .silent("a name of four parts is the user's", with_backend(&described("k8s/80/web/shop")))
        .blind("the cluster's id is unknown", with_backend(&described(&gone)).id(None))
        .blind("the group's answer is not at hand", healthy().unanswered("BackendServers"))
}

fn drift() -> Rule {
    rule("CLB409")
        .error("a weight was edited in the console", weighing([10, 10, 5], 70))
        .saying("i-3:30080 has weight 5, CCM would have written 10")
        .error("a backend was taken out", holding(&[backend(1, 10), backend(2, 10)]))
        .saying("i-3:30080 is missing")
        .error("a backend is left of a node that is gone", {
            let backends: Vec<Value> = (1..=4).map(|number| backend(number, 10)).collect();
            holding(&backends)
        })
        .saying("i-4:30080 with weight 10 is there")
        .error("the group was emptied: its own message", holding(&[outside(70)]))
        .saying("group emptied")
        .error("pods as backends", {
            healthy_eni().group("rsp-a", &[pod_backend(1, 10), pod_backend(2, 10), outside(70)])
        })
        .error("Local mode", {
            healthy_local().group("rsp-a", &[backend(1, 20), backend(2, 10), outside(70)])
        })
        .silent("the group is as the annotations say", healthy())
        .silent("pods as backends", healthy_eni())
        .silent("Local mode, two pods a node", healthy_local())
        .silent("weight 0 is written as 0", weighing([0, 0, 0], 100).note(WEIGHT, "0"))
        .silent("a machine outside may weigh what it likes", weighing([10, 10, 10], 1))
        .silent("what is frozen is not written", {
            weighing([10, 10, 5], 70).note("loadbalancer-healthy-threshold", "3s")
        })
        .blind("the group's answer is not at hand", healthy().unanswered("BackendServers"))
        .blind("not all nodes are at hand", healthy().without("Node").without("EndpointSlice"))
        .blind("no slice is at hand, and pods are backends", {
            healthy_eni().without("EndpointSlice")
        })
        .silent("Cluster mode needs no slice", healthy().without("EndpointSlice"))
        .silent("an endpoint more is no matter in Cluster mode", {
            healthy().edit("EndpointSlice", &json!({"endpoints": [endpoint(1, 1), endpoint(4, 1)]}))
        })
        .silent("nor is another group", healthy().answer(group("rsp-b", &[outside(1)])))
}

fn persistence() -> Rule {
    rule("CLB413")
        .warning("a TCP listener remembers addresses", {
            sticky("TCPListenerConfig", &json!({"PersistenceTimeout": 1000}))
        })
        .saying("1000 s")
        .warning("an HTTP listener sets a cookie", {
            sticky("HTTPListenerConfig", &json!({"StickySession": "on"}))
        })
        .silent("a time-out of 0", healthy())
        .silent("no cookie", sticky("HTTPListenerConfig", &json!({"StickySession": "off"})))
        .silent("another group's listener", {
            listening(&json!({
                "VServerGroupId": "rsp-x", "TCPListenerConfig": {"PersistenceTimeout": 1000},
            }))
        })
        .blind("the listeners are not at hand", healthy().unanswered("Listeners"))
}
