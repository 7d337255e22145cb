//! 4xx: changes of a migrated Service.

use clbmigrate_core::annotation::{
    ALLOW, BACKEND_TYPE, CLASS, ID, LEGACY_PREFIX, VGROUP_PORT, WEIGHT,
};
use serde_json::{Value, json};

use super::{Input, Rule, applied, change, rule};
use crate::support::{
    OTHER_ID, TestSnapshot, backend, endpoint, groups, healthy, healthy_eni, healthy_local, merged,
    outside, service, sibling, slice, workload,
};

/// An annotation is set.
fn set(before: TestSnapshot, suffix: &str, value: &str) -> Input {
    change(before.clone(), before.note(suffix, value))
}

/// An annotation is removed.
fn removed(before: TestSnapshot, suffix: &str) -> Input {
    change(before.clone(), before.bare(suffix))
}

/// The Service's spec changes.
fn respecified(before: TestSnapshot, patch: &Value) -> Input {
    change(before.clone(), before.edit("Service", &json!({"spec": patch})))
}

/// The Service is deleted.
fn deleted(before: TestSnapshot) -> Input {
    change(before.clone(), before.without("Service"))
}

/// The group holds the Service's backends and a machine with that weight.
fn beside(weight: u32) -> TestSnapshot {
    healthy().group("rsp-a", &[backend(1, 10), backend(2, 10), backend(3, 10), outside(weight)])
}

/// Alone in the group.
fn alone() -> TestSnapshot {
    healthy().group("rsp-a", &[backend(1, 10), backend(2, 10), backend(3, 10)])
}

/// Ports 80 and 443, each with its group.
fn two_groups() -> TestSnapshot {
    healthy().two_ports().note(VGROUP_PORT, "rsp-a:80,rsp-b:443")
}

fn mapped(text: &str) -> TestSnapshot {
    healthy().note(VGROUP_PORT, text)
}

fn legacy(suffix: &str) -> String {
    format!("{LEGACY_PREFIX}{suffix}")
}

fn ready(count: usize) -> TestSnapshot {
    let waits = json!({"conditions": {"ready": false}});
    let endpoints = (1..=3).map(|number| {
        let patch = if number > count { waits.clone() } else { json!({}) };
        merged(endpoint(number, number), &patch)
    });
    healthy().edit("EndpointSlice", &json!({"endpoints": endpoints.collect::<Vec<_>>()}))
}

pub fn rules() -> Vec<Rule> {
    vec![
        surges(),
        deletions(),
        moves(),
        unbinding(),
        nobody(),
        too_early(),
        no_endpoint(),
        reshaped(),
    ]
}

fn surges() -> Rule {
    let other = |weight: &str| {
        let annotations = json!({"metadata": {"annotations": {
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": weight,
        }}});
        let twin = merged(sibling("web"), &annotations);
        alone().beside("new", OTHER_ID, &[twin])
    };
    rule("CLB403")
        .error("a machine outside holds weight", removed(beside(70), WEIGHT))
        .saying("100")
        .error("nobody knows who else is in the group", {
            removed(healthy().unanswered("BackendServers"), WEIGHT)
        })
        .error("a Service that is not at hand holds weight", {
            let remote = format!("k8s/30080/web/shop/{OTHER_ID}");
            let far = merged(backend(9, 5), &json!({"Description": remote}));
            let backends = [backend(1, 10), backend(2, 10), backend(3, 10), far];
            removed(healthy().group("rsp-a", &backends), WEIGHT)
        })
        .error("emptied is not set", set(beside(70), WEIGHT, ""))
        .error("the manifest that is applied has none", {
            applied(beside(70), healthy().bare(WEIGHT).only("Service"))
        })
        .warning("allowed on the object", removed(beside(70).key(ALLOW, "CLB403"), WEIGHT))
        .silent("nobody else is in the group", removed(alone(), WEIGHT))
        .silent("nobody else holds weight", removed(beside(0), WEIGHT))
        .silent("the other cluster's Service holds none", removed(other("0"), WEIGHT))
        .silent("the key of the old prefix stays", {
            removed(beside(70).key(&legacy(WEIGHT), "30"), WEIGHT)
        })
        .silent("another weight", set(beside(70), WEIGHT, "40"))
        .silent("the Service goes (CLB404)", deleted(beside(70)))
}

fn deletions() -> Rule {
    let spec = |patch: Value| respecified(healthy(), &patch);
    rule("CLB404")
        .error("deleted at weight 30", deleted(healthy()))
        .saying("\"0\"")
        .error("deleted without a weight: 100 for each backend", deleted(healthy().bare(WEIGHT)))
        .error("the cluster's id is not known", deleted(healthy().id(None)))
        .error("nobody else is in the group", deleted(alone()))
        .error("made a ClusterIP Service", spec(json!({"type": "ClusterIP"})))
        .error("made a NodePort Service", spec(json!({"type": "NodePort"})))
        .error("what a round makes of it is not known", {
            deleted(healthy().without("Node").without("EndpointSlice"))
        })
        .error("one port carries traffic, another has no entry (CLB019)", {
            deleted(healthy().two_ports())
        })
        .warning("allowed on the object", deleted(healthy().key(ALLOW, "CLB403,CLB404")))
        .error("weight 0, which CCM has not written yet", deleted(healthy().note(WEIGHT, "0")))
        .error("frozen, and what it had before is not known", {
            let frozen = healthy().note("loadbalancer-healthy-threshold", "3s");
            deleted(frozen.unanswered("BackendServers"))
        })
        .error("an endpoint without node", deleted(healthy().without("Node")))
        .silent("weight 0", deleted(written(healthy().note(WEIGHT, "0"), 0)))
        .silent("weight 0 in a group that is not known", {
            deleted(healthy().note(WEIGHT, "0").unanswered("BackendServers"))
        })
        .silent("its weight drains it already", deleted(drained(healthy().note(WEIGHT, "101"))))
        .silent("default-weight 0", {
            let setup = healthy().bare(WEIGHT).note("loadbalancer-default-weight", "0");
            deleted(setup.unanswered("BackendServers"))
        })
        .silent("its mapping freezes it already", deleted(mapped("rsp-a")))
        .silent("it is mapped to nothing", deleted(drained(mapped("rsp-a:8080"))))
        .silent("its group is not in the CLB", deleted(mapped("rsp-x:80")))
        .silent("no node is eligible", {
            let gone = json!({"status": {"conditions": [{"type": "Ready", "status": "False"}]}});
            deleted(drained(healthy().each("Node", &gone)))
        })
        .silent("it reuses no group", deleted(healthy().bare(VGROUP_PORT).bare(WEIGHT)))
        .silent("handed to another controller: CCM lets the backends be", {
            change(healthy(), healthy().key(CLASS, "other"))
        })
        .silent("changed otherwise", set(healthy(), WEIGHT, "40"))
}

/// Its backends are gone from the group.
fn drained(setup: TestSnapshot) -> TestSnapshot {
    setup.group("rsp-a", &[outside(70)])
}

/// CCM has written its weight to the group.
fn written(setup: TestSnapshot, weight: u32) -> TestSnapshot {
    let own = [1, 2, 3].map(|number| backend(number, weight));
    let [a, b, c] = own;
    setup.group("rsp-a", &[a, b, c, outside(70)])
}

fn moves() -> Rule {
    let to = |before: TestSnapshot, text: &str| set(before, VGROUP_PORT, text);
    rule("CLB405")
        .error("to another group in one step", to(healthy(), "rsp-b:80"))
        .saying("\"rsp-b:80,rsp-a:0\"")
        .saying("\"rsp-b:80\"")
        .error("one of two ports", to(two_groups(), "rsp-a:80,rsp-old:443"))
        .saying("\"rsp-a:80,rsp-old:443,rsp-b:0\"")
        .error("at weight 0 too", to(healthy().note(WEIGHT, "0"), "rsp-b:80"))
        .error("the manifest that is applied has another", {
            applied(healthy(), mapped("rsp-b:80").only("Service"))
        })
        .silent("with a release entry", to(healthy(), "rsp-b:80,rsp-a:0"))
        .silent("then without it", to(mapped("rsp-b:80,rsp-a:0"), "rsp-b:80"))
        .silent("two ports change places: both groups are still named", {
            to(two_groups(), "rsp-b:80,rsp-a:443")
        })
        .silent("the same mapping in another order", to(two_groups(), "rsp-b:443,rsp-a:80"))
        .silent("the key of the other prefix", {
            let after = healthy().bare(VGROUP_PORT).key(&legacy(VGROUP_PORT), "rsp-a:80");
            change(healthy(), after)
        })
        .silent("a port is mapped for the first time", {
            to(healthy().two_ports(), "rsp-a:80,rsp-b:443")
        })
        .silent("a space is taken out: no group was left", to(mapped(" rsp-a:80"), "rsp-a:80"))
        .silent("a wrong group is put right: it never was in the CLB", {
            to(mapped("rsp-x:80"), "rsp-a:80")
        })
        .silent("a group of CCM's own is put right: it held nothing of ours", {
            let list = groups(&[("rsp-a", "shop"), ("rsp-x", "k8s/30080/web/shop/c1")]);
            to(mapped("rsp-x:80").answer(list), "rsp-a:80")
        })
        .silent("a wrong port is put right: nothing was mapped", {
            to(mapped("rsp-a:8080"), "rsp-b:80")
        })
}

fn unbinding() -> Rule {
    rule("CLB406")
        .error("the mapping is removed", removed(healthy(), VGROUP_PORT))
        .saying("rsp-a:80")
        .error("the mapping is emptied", set(healthy(), VGROUP_PORT, ""))
        .error("the CLB's id is removed", removed(healthy(), ID))
        .error("the CLB's id is emptied", set(healthy(), ID, ""))
        .error("the CLB is another", set(healthy(), ID, "lb-b"))
        .saying("lb-a")
        .error("both are removed, and said once", {
            change(healthy(), healthy().bare(ID).bare(VGROUP_PORT))
        })
        .error("one port's entry is removed", set(two_groups(), VGROUP_PORT, "rsp-a:80"))
        .saying("rsp-a:80,rsp-b:0")
        .error("a port is removed with its entry", change(two_groups(), healthy()))
        .error("at weight 0 too", removed(healthy().note(WEIGHT, "0"), VGROUP_PORT))
        .silent(
            "a release entry is dropped",
            set(mapped("rsp-a:80,rsp-old:0"), VGROUP_PORT, "rsp-a:80"),
        )
        .silent("an entry becomes a release entry", {
            set(two_groups(), VGROUP_PORT, "rsp-a:80,rsp-b:0")
        })
        .silent("moved to another group (CLB405)", set(healthy(), VGROUP_PORT, "rsp-b:80"))
        .silent("the keys of the other prefix", {
            let after = healthy().bare(ID).bare(VGROUP_PORT);
            change(healthy(), {
                after.key(&legacy(ID), "lb-a").key(&legacy(VGROUP_PORT), "rsp-a:80")
            })
        })
        .silent("an entry is removed whose group never was in the CLB", {
            let before = two_groups().note(VGROUP_PORT, "rsp-a:80,rsp-x:443");
            set(before, VGROUP_PORT, "rsp-a:80")
        })
        .silent(
            "a wrong entry is removed",
            set(mapped("rsp-a:80,rsp-b:9090"), VGROUP_PORT, "rsp-a:80"),
        )
        .silent("the type changes with it (CLB404)", {
            let plain = json!({"spec": {"type": "ClusterIP"}});
            change(healthy(), healthy().bare(VGROUP_PORT).edit("Service", &plain))
        })
        .silent("it reused no group", {
            change(healthy().bare(VGROUP_PORT), healthy().bare(VGROUP_PORT).bare(ID))
        })
}

fn nobody() -> Rule {
    let unknown = || alone().unanswered("BackendServers");
    let twin = |weight: &str| {
        merged(
            sibling("web-new"),
            &json!({"metadata": {"annotations": {
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": weight,
            }}}),
        )
    };
    rule("CLB410")
        .error("the only participant is set to 0", set(alone(), WEIGHT, "0"))
        .saying("rsp-a")
        .error("the others are at 0 already", set(beside(0), WEIGHT, "0"))
        .error("its own weight drains it", set(alone(), WEIGHT, "101"))
        .error("one weight moves both routes", {
            let tls = merged(backend(1, 10), &json!({"Port": 30443}));
            set(two_groups().group("rsp-a", &[backend(1, 10)]).group("rsp-b", &[tls]), WEIGHT, "0")
        })
        .times(2)
        .warning("who else is there is not known", set(unknown(), WEIGHT, "0"))
        .saying("DescribeVServerGroupAttribute")
        .silent(
            "a weight that CLB001 refuses, where nothing is known",
            set(unknown(), WEIGHT, "101"),
        )
        .silent("a machine outside holds weight", set(beside(70), WEIGHT, "0"))
        .silent("a Service that is not at hand holds weight", {
            let remote = format!("k8s/30080/web/shop/{OTHER_ID}");
            let far = merged(backend(9, 5), &json!({"Description": remote}));
            set(healthy().group("rsp-a", &[backend(1, 10), far]), WEIGHT, "0")
        })
        .silent("another takes over in the same change", {
            let before = alone().add(twin("0"));
            let after = alone().without("Service").add(twin("30"));
            change(before, after.add(at_zero(service())))
        })
        .silent("nobody held weight before either", {
            let before = alone().group("rsp-a", &[backend(1, 0)]).note(WEIGHT, "0");
            set(before, "loadbalancer-scheduler", "wrr")
        })
        .silent("lowered, not to 0", set(alone(), WEIGHT, "1"))
}

fn at_zero(service: Value) -> Value {
    merged(
        service,
        &json!({"metadata": {"annotations": {
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": "0",
        }}}),
    )
}

fn too_early() -> Rule {
    rule("CLB411")
        .error("one of three is ready", set(ready(1), WEIGHT, "80"))
        .saying("1 of 3")
        .error("none is ready", set(ready(0), WEIGHT, "80"))
        .error("from 0", set(ready(2).note(WEIGHT, "0"), WEIGHT, "1"))
        .error("both families of addresses are one endpoint", {
            let six = |number: usize| {
                merged(endpoint(number, number), &json!({"addresses": [format!("fd00::{number}")]}))
            };
            let of_family = json!({"metadata": {"name": "web-6"}, "addressType": "IPv6"});
            let more = merged(slice("web", &[six(1), six(2)]), &of_family);
            set(ready(2).add(more), WEIGHT, "80")
        })
        .silent("the one pod of three that it selects is ready", {
            let first = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-0"});
            let setup = ready(1).edit("Service", &json!({"spec": {"selector": first}}));
            let setup = setup.without("Deployment").add(workload("StatefulSet", "web"));
            set(setup, WEIGHT, "80")
        })
        .silent("all are ready", set(ready(3), WEIGHT, "80"))
        .silent("lowered", set(ready(1), WEIGHT, "20"))
        .silent("changed otherwise", set(ready(1), "loadbalancer-scheduler", "wrr"))
        .blind("no slice is at hand", set(healthy().without("EndpointSlice"), WEIGHT, "80"))
}

fn no_endpoint() -> Rule {
    let wrong = json!({"selector": {"app": "wbe"}});
    let local = json!({"externalTrafficPolicy": "Local"});
    let named = json!([{"name": "web", "port": 80, "targetPort": "web", "nodePort": 30080}]);
    rule("CLB412")
        .error("ENI: a selector that matches no pod", respecified(healthy_eni(), &wrong))
        .error("Local: a selector that matches no pod", respecified(healthy_local(), &wrong))
        .error("ENI: a target port that no pod names", {
            respecified(healthy_eni(), &json!({"ports": named}))
        })
        .error("to Local, with no pod ready", respecified(ready(0), &local))
        .silent("Cluster mode keeps its nodes", respecified(healthy(), &wrong))
        .silent("weight 0", respecified(healthy_eni().note(WEIGHT, "0"), &wrong))
        .silent("a selector that matches another workload", {
            let next = workload("Deployment", "next");
            respecified(healthy_eni().add(next), &json!({"selector": {"app": "next"}}))
        })
        .silent("to Local, with pods ready", respecified(healthy(), &local))
        .silent("another change", set(healthy_eni(), WEIGHT, "40"))
        .blind("no slice is at hand", {
            respecified(healthy_eni().without("EndpointSlice"), &wrong)
        })
        .blind("no workload is at hand", respecified(healthy_eni().without("Deployment"), &wrong))
}

fn reshaped() -> Rule {
    let port = |patch: &Value| {
        let port = json!({"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080});
        json!({"ports": [merged(port, patch)]})
    };
    let node_port = json!({"nodePort": 30090});
    rule("CLB414")
        .warning("nodePort", respecified(healthy(), &port(&node_port)))
        .saying("nodePort")
        .warning("targetPort", respecified(healthy(), &port(&json!({"targetPort": 9090}))))
        .warning("port", respecified(healthy(), &port(&json!({"port": 8080}))))
        .warning("a port more", change(healthy(), healthy().two_ports()))
        .warning("policy", respecified(healthy(), &json!({"externalTrafficPolicy": "Local"})))
        .warning("backend-type", change(healthy(), healthy().key(BACKEND_TYPE, "eni")))
        .silent("weight 0", respecified(healthy().note(WEIGHT, "0"), &port(&node_port)))
        .silent("the port's name", respecified(healthy(), &port(&json!({"name": "web"}))))
        .silent("a manifest that leaves the node port out keeps it", {
            let newer =
                healthy().edit("Service", &json!({"spec": port(&json!({"nodePort": null}))}));
            applied(healthy(), newer.only("Service"))
        })
        .silent("target port 80 said instead of implied", {
            let implied = json!([{"name": "http", "port": 80, "nodePort": 30080}]);
            let reported = port(&json!({"targetPort": 80}));
            respecified(healthy().ports(&implied), &reported)
        })
        .silent("a weight", set(healthy(), WEIGHT, "40"))
}
