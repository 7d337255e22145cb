//! 1xx: Services that share a group, and the listener they share.

use clbmigrate_core::annotation::{
    BACKEND_TYPE, FORCE_OVERRIDE, ID, PROTOCOL_PORT, VGROUP_PORT, WEIGHT, full_key,
};
use serde_json::{Value, json};

use super::{Rule, change, rule};
use crate::support::{
    OTHER_ID, TestSnapshot, endpoint, healthy, healthy_eni, merged, pod, sibling, slice, workload,
};

fn annotated(service: Value, suffix: &str, value: &str) -> Value {
    merged(service, &json!({"metadata": {"annotations": {full_key(suffix): value}}}))
}

fn without(service: Value, suffixes: &[&str]) -> Value {
    suffixes.iter().fold(service, |service, suffix| {
        merged(service, &json!({"metadata": {"annotations": {full_key(suffix): null}}}))
    })
}

/// Shares the CLB, not the group: without mapping and weight.
fn unmapped(service: Value) -> Value {
    without(service, &[VGROUP_PORT, WEIGHT])
}

fn on_port(service: Value, port: u16) -> Value {
    let ports = json!([{"name": "http", "port": port, "targetPort": 8080, "nodePort": 30081}]);
    merged(service, &json!({"spec": {"ports": ports}}))
}

fn overriding(service: Value) -> Value {
    annotated(service, FORCE_OVERRIDE, "true")
}

fn eni(service: Value) -> Value {
    merged(service, &json!({"metadata": {"annotations": {BACKEND_TYPE: "eni"}}}))
}

fn selecting(service: Value, selector: &Value) -> Value {
    let service = merged(service, &json!({"spec": {"selector": null}}));
    merged(service, &json!({"spec": {"selector": selector}}))
}

/// Service `shop/web` beside `shop/web-new`.
fn beside(service: Value) -> TestSnapshot {
    healthy().add(service)
}

/// Ports 80 and 443, both in group `rsp-a`.
fn one_group(setup: TestSnapshot) -> TestSnapshot {
    setup.two_ports().note(VGROUP_PORT, "rsp-a:80,rsp-a:443")
}

fn override_listeners() -> Rule {
    let on = healthy().note(FORCE_OVERRIDE, "true");
    let alone = |setup: TestSnapshot| setup.bare(VGROUP_PORT).bare(WEIGHT);
    rule("CLB010")
        .error("another Service overrides the same listener, both without mapping", {
            alone(on.clone()).add(overriding(unmapped(sibling("api"))))
        })
        .times(2)
        .error("another Service's group stands behind the listener", {
            alone(on.clone()).add(annotated(sibling("api"), VGROUP_PORT, "rsp-b:80"))
        })
        .saying("shop/api")
        .error(
            "another Service's group stands behind the second of two listeners that both share",
            {
                let ports = json!([
                    {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30082},
                    {"name": "https", "port": 443, "targetPort": 8443, "nodePort": 30083},
                ]);
                let api = merged(sibling("api"), &json!({"spec": {"ports": ports}}));
                alone(on.clone().two_ports()).add(annotated(api, VGROUP_PORT, "rsp-b:443"))
            },
        )
        .saying("listener 443")
        .silent("another Service's group stands behind the port's listener of another protocol", {
            let api = annotated(sibling("api"), VGROUP_PORT, "rsp-b:80");
            alone(on.clone()).add(annotated(api, PROTOCOL_PORT, "udp:80"))
        })
        .error("another cluster's Service uses the same listener", {
            on.clone().beside("new", OTHER_ID, &[sibling("web")])
        })
        .error("turned on while the weight is above 0", change(healthy(), on.clone()))
        .saying("turned on")
        .warning("turned on at weight 0", {
            change(healthy().note(WEIGHT, "0"), on.clone().note(WEIGHT, "0"))
        })
        .warning("on, with a mapping", on.clone())
        .saying("\"false\"")
        .silent("left on while the weight changes is nothing new", {
            change(on.clone(), on.clone().note(WEIGHT, "50"))
        })
        .silent("without mapping: the usual way to share a CLB", alone(on.clone()))
        .silent("others of that CLB take other ports", {
            alone(on.clone()).add(overriding(unmapped(on_port(sibling("api"), 8443))))
        })
        .silent("others take the port of another CLB", {
            alone(on.clone()).add(annotated(overriding(unmapped(sibling("api"))), ID, "lb-b"))
        })
        .silent("others of that port leave the listener alone", {
            alone(on.clone()).add(unmapped(sibling("api")))
        })
        .silent("turned on without a mapping, so without a weight", {
            change(alone(healthy()), alone(on.clone()))
        })
        .silent("False", healthy().note(FORCE_OVERRIDE, "false"))
        .silent("True is not true to CCM", healthy().note(FORCE_OVERRIDE, "True"))
}

fn two_services() -> Rule {
    let web = || healthy_eni().edit("Service", &json!({"spec": {"selector": {"tier": "front"}}}));
    let both = json!({"app": "web", "tier": "front"});
    rule("CLB104")
        .warning("their weights add up", beside(sibling("web-new")))
        .times(2)
        .warning("in Cluster mode, whatever they select", {
            beside(selecting(sibling("web-new"), &json!({"app": "web"})))
        })
        .times(2)
        .warning("pods as backends, but different pods", {
            healthy_eni().add(eni(sibling("web-new"))).add(slice("web-new", &[endpoint(9, 1)]))
        })
        .times(2)
        .warning("each selects one pod of a StatefulSet", {
            let pod = |name: &str| json!({"statefulset.kubernetes.io/pod-name": name});
            let second = selecting(eni(sibling("web-new")), &pod("web-1"));
            let first = json!({"app": null, "statefulset.kubernetes.io/pod-name": "web-0"});
            let setup = healthy_eni().edit("Service", &json!({"spec": {"selector": first}}));
            let setup = setup.add(workload("StatefulSet", "web"));
            setup.add(second).add(slice("web-new", &[endpoint(9, 1)]))
        })
        .times(2)
        .error("one selects all pods of a StatefulSet, the other one of them", {
            let pod = json!({"statefulset.kubernetes.io/pod-name": "web-1"});
            let second = selecting(eni(sibling("web-new")), &pod);
            let setup = healthy_eni().add(workload("StatefulSet", "web"));
            setup.add(second).add(slice("web-new", &[endpoint(9, 1)]))
        })
        .times(2)
        .warning("pods here, nodes there", {
            healthy_eni().add(selecting(sibling("web-new"), &json!({"app": "web"})))
        })
        .times(2)
        .warning("the same labels in another namespace are other pods", {
            let elsewhere = json!({"metadata": {"namespace": "test"}});
            let twin = selecting(eni(sibling("web")), &json!({"app": "web"}));
            healthy_eni().add(merged(twin, &elsewhere))
        })
        .times(2)
        .error("pods as backends, and the same selector", {
            healthy_eni().add(selecting(eni(sibling("web-new")), &json!({"app": "web"})))
        })
        .times(2)
        .error("one selector contains the other", {
            let front = json!({"app": "web", "tier": "front"});
            healthy_eni().add(selecting(eni(sibling("web-new")), &front))
        })
        .times(2)
        .error("one pod is an endpoint of both", {
            healthy_eni().add(eni(sibling("web-new"))).add(slice("web-new", &[endpoint(1, 1)]))
        })
        .times(2)
        .error("one pod carries the labels of both selectors, which neither contains", {
            let labelled = merged(pod("web-x"), &json!({"metadata": {"labels": both}}));
            let twin = selecting(eni(sibling("web-new")), &json!({"app": "web"}));
            let setup = web().without("EndpointSlice").without("Deployment");
            let only_tier = json!({"spec": {"selector": {"app": null}}});
            setup.edit("Service", &only_tier).add(twin).add(labelled)
        })
        .times(2)
        .silent("one Service", healthy())
        .silent("the other one is in another cluster", {
            healthy().beside("new", OTHER_ID, &[sibling("web-new")])
        })
        .silent("the other one is in another group", {
            beside(annotated(sibling("web-new"), VGROUP_PORT, "rsp-b:80"))
        })
        .silent("a release entry is no binding", {
            beside(annotated(sibling("web-new"), VGROUP_PORT, "rsp-b:80,rsp-a:0"))
        })
        .silent("the other one is another controller's", {
            let other = json!({"spec": {"loadBalancerClass": "alibabacloud.com/nlb"}});
            beside(merged(sibling("web-new"), &other))
        })
}

fn one_group_for_two_ports() -> Rule {
    rule("CLB101")
        .error("two ports flip-flop", one_group(healthy()))
        .error("in ENI mode too, with different target ports", one_group(healthy_eni()))
        .error("two protocols of one port", {
            healthy().note(VGROUP_PORT, "rsp-a:53").two_protocols(&json!({"nodePort": 30053}), &json!({"nodePort": 30054}))
        })
        .saying("ports 53/TCP and 53/UDP share group rsp-a")
        .saying("make two Services of it: one with port 53/TCP, one with port 53/UDP")
        .error("two protocols of one port, of which the mapping names two groups", {
            healthy().note(VGROUP_PORT, "rsp-a:53,rsp-b:53").ports(&json!([
                {"name": "tcp", "port": 53, "nodePort": 30053},
                {"name": "udp", "port": 53, "protocol": "UDP", "nodePort": 30054},
            ]))
        })
        .saying("make two Services of it")
        .error("three protocols of one port", {
            healthy().note(VGROUP_PORT, "rsp-a:53").ports(&json!([
                {"name": "tcp", "port": 53, "protocol": null, "nodePort": 30053},
                {"name": "udp", "port": 53, "protocol": "UDP", "nodePort": 30054},
                {"name": "sctp", "port": 53, "protocol": "SCTP", "nodePort": 30055},
            ]))
        })
        .saying("make three Services of it")
        .saying("53/TCP and 53/UDP and 53/SCTP")
        .error("two protocols of one port, and another port", {
            healthy().note(VGROUP_PORT, "rsp-a:53,rsp-a:80").ports(&json!([
                {"name": "tcp", "port": 53, "protocol": "", "nodePort": 30053},
                {"name": "udp", "port": 53, "protocol": "UDP", "nodePort": 30054},
                {"name": "http", "port": 80, "nodePort": 30080},
            ]))
        })
        .saying("one with port 53/UDP, each with a group of its own; use a group of its own for each of the ports 53, 80")
        .error("two protocols of two ports", {
            healthy().note(VGROUP_PORT, "rsp-a:53,rsp-a:54").ports(&json!([
                {"name": "tcp", "port": 53, "protocol": "TCP", "nodePort": 30053},
                {"name": "udp", "port": 54, "protocol": "UDP", "nodePort": 30054},
            ]))
        })
        .saying("ports 53/TCP and 54/UDP share group rsp-a: each round")
        .saying("use a group of its own for each of the ports 53, 54")
        .info("two protocols of one port with the same pods and target port are stable", {
            healthy_eni().note(VGROUP_PORT, "rsp-a:53").two_protocols(&json!({"targetPort": 8080}), &json!({"targetPort": 8080}))
        })
        .saying("53/TCP and 53/UDP")
        .info("two protocols of one port with the same node port are stable", {
            healthy().note(VGROUP_PORT, "rsp-a:53").two_protocols(&json!({"nodePort": 30053}), &json!({"nodePort": 30053}))
        })
        .saying("same nodes and node port")
        .error("node ports that are not assigned yet may differ", {
            healthy().note(VGROUP_PORT, "rsp-a:53").two_protocols(&json!({}), &json!({}))
        })
        .error("one target port is no help where nodes are backends", {
            one_group(healthy()).ports(&json!([
                {"name": "a", "port": 80, "targetPort": 8080, "nodePort": 30080},
                {"name": "b", "port": 443, "targetPort": 8080, "nodePort": 30443},
            ]))
        })
        .info("the same pods and target port are stable", {
            one_group(healthy_eni()).ports(&json!([
                {"name": "a", "port": 80, "targetPort": 8080},
                {"name": "b", "port": 443, "targetPort": 8080},
            ]))
        })
        .silent("a group for each port", {
            healthy().two_ports().note(VGROUP_PORT, "rsp-a:80,rsp-b:443")
        })
        .silent("a release entry is no binding", {
            healthy().note(VGROUP_PORT, "rsp-b:80,rsp-a:0")
        })
}

pub fn rules() -> Vec<Rule> {
    let eight = || annotated(on_port(sibling("api"), 8443), VGROUP_PORT, "rsp-a:8443");
    let elsewhere = || annotated(sibling("api"), ID, "lb-b");
    vec![
        override_listeners(),
        one_group_for_two_ports(),
        rule("CLB102")
            .error("another Service's port in this group", beside(eight()))
            .times(2)
            .saying("8443")
            .error("in another cluster too", healthy().beside("new", OTHER_ID, &[eight()]))
            .times(2)
            .silent("the same port is how traffic is split", {
                healthy().beside("new", OTHER_ID, &[sibling("web")])
            })
            .silent("another group", {
                beside(annotated(on_port(sibling("api"), 8443), VGROUP_PORT, "rsp-b:8443"))
            })
            .silent("a release entry is no binding", {
                let next = on_port(sibling("api"), 8443);
                beside(annotated(next, VGROUP_PORT, "rsp-b:8443,rsp-a:0"))
            }),
        rule("CLB103")
            .error("one group under two CLBs", beside(elsewhere()))
            .times(2)
            .saying("lb-a")
            .error("in another cluster too", healthy().beside("new", OTHER_ID, &[elsewhere()]))
            .times(2)
            .silent("one CLB", beside(sibling("api")))
            .silent("a group for each CLB", {
                beside(annotated(elsewhere(), VGROUP_PORT, "rsp-b:80"))
            })
            .silent("a release entry is no binding", {
                beside(annotated(elsewhere(), VGROUP_PORT, "rsp-b:80,rsp-a:0"))
            }),
        two_services(),
    ]
}
