//! 4xx: whether clients come to a group, and whether its backends serve them.

use clbmigrate_core::annotation::{FORCE_OVERRIDE, PROTOCOL_PORT, VGROUP_PORT, WEIGHT};
use serde_json::{Value, json};

use super::{Rule, change, rule};
use crate::support::{
    OTHER_ID, TestSnapshot, backend, group, health, healthy, healthy_eni, listener, merged,
    outside, sibling,
};

fn listening(patch: &Value) -> TestSnapshot {
    healthy().answer(listener(patch))
}

/// The healthy snapshot with these listeners.
fn with_listeners(listeners: &[Value]) -> TestSnapshot {
    healthy().answer(json!({"Listeners": listeners}))
}

/// A running listener of CLB `lb-a`.
fn at(protocol: &str, port: u16, vgroup: &str) -> Value {
    let listeners = listener(&json!({
        "ListenerProtocol": protocol, "ListenerPort": port, "VServerGroupId": vgroup,
        "Status": "running",
    }));
    listeners["Listeners"][0].clone()
}

/// The same for a CLB without listeners, whose file's name tells the CLB.
fn without_listeners() -> TestSnapshot {
    // There is no other CLB that the empty answer could be about.
    with_listeners(&[])
}

fn judged(changed: &[(&str, &str)]) -> TestSnapshot {
    healthy().answer(health(changed))
}

/// The answer about the health of `lb-a`, with what `patch` says in each entry.
fn every(answer: Value, patch: &Value) -> Value {
    let entries = answer["BackendServers"]["BackendServer"].as_array().expect("entries");
    let entries: Vec<Value> = entries.iter().map(|entry| merged(entry.clone(), patch)).collect();
    merged(answer, &json!({"BackendServers": {"BackendServer": entries}}))
}

pub fn rules() -> Vec<Rule> {
    vec![unreached(), unhealthy()]
}

fn unreached() -> Rule {
    reached_groups(stopped_listeners(listeners_elsewhere(rule("CLB415"))))
}

fn listeners_elsewhere(rule: Rule) -> Rule {
    rule.warning("the CLB has no listener", without_listeners())
        .saying("it has none on tcp/80")
        .saying("a forwarding rule")
        .warning("that on the port sends to another group", {
            listening(&json!({"VServerGroupId": "rsp-b"}))
        })
        .saying("listener tcp/80 sends to group rsp-b")
        .warning("that on the port sends to the default group", {
            listening(&json!({"VServerGroupId": ""}))
        })
        .saying("listener tcp/80 sends to no vServer group")
        .warning(
            "its group is null",
            with_listeners(&[merged(at("tcp", 80, ""), &json!({"VServerGroupId": null}))]),
        )
}

fn stopped_listeners(rule: Rule) -> Rule {
    let dns = json!([
        {"name": "dns", "port": 53, "targetPort": 8080, "nodePort": 30080, "protocol": "UDP"},
    ]);
    rule.warning("it is stopped", listening(&json!({"Status": "stopped"})))
        .saying("listener tcp/80 is stopped")
        .warning("it is being stopped", listening(&json!({"Status": "stopping"})))
        .warning("it is stopped and would send elsewhere", {
            listening(&json!({"Status": "stopped", "VServerGroupId": "rsp-b"}))
        })
        .saying("is stopped and sends to group rsp-b")
        .warning("one on another port is stopped, too", {
            with_listeners(&[merged(at("tcp", 8080, "rsp-a"), &json!({"Status": "stopped"}))])
        })
        .saying("listener tcp/8080 is stopped")
        .warning("an HTTP listener redirects", {
            listening(&json!({
                "ListenerProtocol": "http",
                "HTTPListenerConfig": {"ListenerForward": "on", "ForwardPort": 443},
            }))
        })
        .saying("listener http/80 redirects to port 443")
        .warning("a UDP listener is on the port of a TCP Service", {
            with_listeners(&[at("udp", 80, "rsp-b")])
        })
        .saying("it has none on tcp/80")
        .warning("a TCP listener is on the port of a UDP Service", {
            with_listeners(&[at("tcp", 53, "rsp-b")]).ports(&dns).note(VGROUP_PORT, "rsp-a:53")
        })
        .saying("it has none on udp/53")
        .warning("the protocol is that of the annotation", {
            with_listeners(&[]).note(PROTOCOL_PORT, "https:80")
        })
        .saying("it has none on https/80")
        .warning("an HTTP listener has the port of a TCP Service", {
            with_listeners(&[at("http", 80, "rsp-b")])
        })
        .saying("listener http/80 sends to group rsp-b")
}

fn reached_groups(rule: Rule) -> Rule {
    let two_ports = json!([
        {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
        {"name": "https", "port": 443, "targetPort": 8080, "nodePort": 30080},
    ]);
    sending_listeners(
        rule.warning("of two groups one has no listener", {
            healthy().ports(&two_ports).note(VGROUP_PORT, "rsp-a:80,rsp-b:443")
        })
        .saying("group rsp-b: it has none on tcp/443")
        .warning("two ports in one group are one finding", {
            without_listeners().ports(&two_ports).note(VGROUP_PORT, "rsp-a:80,rsp-a:443")
        })
        .warning("at weight 0, too", without_listeners().note(WEIGHT, "0"))
        .warning("with override, after CCM has carried out its round", {
            overriding().edit("Service", &label())
        })
        .warning("a change of the mapping leaves the listener where it is", {
            change(healthy(), healthy().note(VGROUP_PORT, "rsp-b:80,rsp-a:0"))
        })
        .saying("listener tcp/80 sends to group rsp-a"),
    )
}

fn sending_listeners(rule: Rule) -> Rule {
    rule.silent("a running listener sends to the group", healthy())
        .silent("its status is not told", listening(&json!({"Status": null})))
        .silent("it is about to run", listening(&json!({"Status": "starting"})))
        .silent("it is being changed", listening(&json!({"Status": "configuring"})))
        .silent("one on another port sends to the group", {
            with_listeners(&[at("tcp", 80, "rsp-b"), at("tcp", 8080, "rsp-a")])
        })
        .silent("an HTTP listener that does not redirect", {
            listening(&json!({
                "ListenerProtocol": "http", "HTTPListenerConfig": {"ListenerForward": "off"},
            }))
        })
        .silent("the list comes in the other shape", {
            healthy().answer(json!({"Listeners": {"Listener": [at("tcp", 80, "rsp-a")]}}))
        })
        .silent("with override CCM is about to make the listener", overriding())
        .silent("a change to override makes it", change(without_listeners(), overriding()))
        .silent("with override the listener moves with the mapping", {
            change(
                healthy().note(FORCE_OVERRIDE, "true").edit("Service", &label()),
                healthy()
                    .note(FORCE_OVERRIDE, "true")
                    .edit("Service", &label())
                    .note(VGROUP_PORT, "rsp-b:80,rsp-a:0"),
            )
        })
        .silent("with override an edit starts a stopped listener", {
            let stopped = || {
                listening(&json!({"Status": "stopped"}))
                    .note(FORCE_OVERRIDE, "true")
                    .edit("Service", &label())
            };
            change(stopped(), stopped().note(WEIGHT, "40"))
        })
        .silent("a group that is not in the CLB has no listener (CLB022)", {
            healthy().note(VGROUP_PORT, "rsp-x:80")
        })
        .silent("the group's answer names another CLB", {
            without_listeners()
                .unanswered("VServerGroups")
                .answer(merged(
                    listener(&json!({})),
                    &json!({"Listeners": [at("tcp", 80, "rsp-b")]}),
                ))
                .answer(merged(group("rsp-a", &[]), &json!({"LoadBalancerId": "lb-c"})))
        })
        .silent("a released group needs none", healthy().note(VGROUP_PORT, "rsp-a:80,rsp-b:0"))
        .blind("the listeners are not at hand", healthy().unanswered("Listeners"))
        .blind("the listeners at hand are another CLB's", {
            listening(&json!({"LoadBalancerId": "lb-b"}))
        })
        .blind("the answer is the first page of two", {
            healthy().answer(json!({
                "Listeners": [at("tcp", 80, "rsp-b")], "NextToken": "more", "TotalCount": 2,
            }))
        })
        .silent("the listener is on the first page of two", {
            healthy().answer(json!({
                "Listeners": [at("tcp", 80, "rsp-a")], "NextToken": "more", "TotalCount": 2,
            }))
        })
}

/// A CLB without listeners, under a Service that has CCM handle them.
fn overriding() -> TestSnapshot {
    without_listeners().note(FORCE_OVERRIDE, "true")
}

/// The label of a Service over which CCM has carried out a round.
fn label() -> Value {
    json!({"metadata": {"labels": {"service.beta.kubernetes.io/hash": "a".repeat(56)}}})
}

fn unhealthy() -> Rule {
    untold_health(healthy_backends(abnormal_backends(rule("CLB416"))))
}

/// A TCP and a UDP listener that send to the group.
fn two_listeners(patch: &Value) -> TestSnapshot {
    with_listeners(&[at("tcp", 80, "rsp-a"), merged(at("udp", 80, "rsp-a"), patch)])
}

/// The same health at listener `udp/80`.
fn udp(answer: Value) -> Value {
    every(answer, &json!({"Protocol": "udp"}))
}

/// Two answers as one.
fn both(one: Value, other: &Value) -> Value {
    let entries = |answer: &Value| -> Vec<Value> {
        answer["BackendServers"]["BackendServer"].as_array().expect("entries").clone()
    };
    let all = [entries(&one), entries(other)].concat();
    merged(one, &json!({"BackendServers": {"BackendServer": all}}))
}

fn abnormal_backends(rule: Rule) -> Rule {
    rule.warning("a node is abnormal", judged(&[("i-2", "abnormal")]))
        .saying("i-2:30080 at tcp/80")
        .saying("100.64.0.0/10")
        .warning("a pod is abnormal", healthy_eni().answer(health(&[("eni-2", "abnormal")])))
        .saying("10.0.0.2:8080 at tcp/80")
        .warning("several are one finding", judged(&[("i-1", "abnormal"), ("i-2", "abnormal")]))
        .saying("i-1:30080 at tcp/80, i-2:30080 at tcp/80")
        .warning("a machine outside, of which nobody else would tell", {
            judged(&[("i-ext", "abnormal")])
        })
        .saying("other backends")
        .saying("i-ext:8080 at tcp/80")
        .warning("one listener of two calls it abnormal", {
            two_listeners(&json!({}))
                .answer(both(health(&[]), &udp(health(&[("i-3", "abnormal")]))))
        })
        .saying("i-3:30080 at udp/80")
        .warning("the listeners are not known, and those that check agree", {
            judged(&[("i-2", "abnormal")]).unanswered("Listeners")
        })
        .warning("the answer tells no listener", {
            let answer = every(
                health(&[("i-2", "abnormal")]),
                &json!({"ListenerPort": null, "Protocol": null}),
            );
            healthy().answer(answer)
        })
        .warning("no answer tells its CLB, and there is one alone", {
            let mut answer = health(&[("i-2", "abnormal")]);
            answer["LoadBalancerId"] = Value::Null;
            healthy().answer(answer)
        })
        .warning("weight comes to it", {
            let idle = || {
                let backends = [backend(1, 0), backend(2, 0), backend(3, 0), outside(70)];
                judged(&[("i-2", "abnormal")]).group("rsp-a", &backends)
            };
            change(idle().note(WEIGHT, "0"), idle().note(WEIGHT, "30"))
        })
        .warning("two clusters in one group each tell their own", {
            let remote = |number: usize| {
                merged(
                    backend(number, 10),
                    &json!({
                        "ServerId": format!("i-2{number}"),
                        "Description": format!("k8s/30081/web/shop/{OTHER_ID}"),
                    }),
                )
            };
            healthy()
                .group("rsp-a", &[backend(1, 10), backend(2, 10), backend(3, 10), remote(1)])
                .beside("new", OTHER_ID, &[sibling("web")])
                .within(0)
                .answer(merged(
                    health(&[]),
                    &json!({"BackendServers": {"BackendServer": [
                        {"ServerId": "i-21", "Port": 30080, "ListenerPort": 80, "Protocol": "tcp",
                         "ServerHealthStatus": "abnormal"},
                    ]}}),
                ))
        })
        .saying("backends of this Service")
}

fn healthy_backends(rule: Rule) -> Rule {
    rule.silent("all are normal", healthy())
        .silent("health checks are off", judged(&[("i-2", "unavailable")]))
        .silent("without weight nothing is sent to it", {
            let backends = [backend(1, 0), backend(2, 0), backend(3, 0), outside(70)];
            judged(&[("i-2", "abnormal")]).group("rsp-a", &backends).note(WEIGHT, "0")
        })
        .silent("a server of the same name in no group", judged(&[("i-9", "abnormal")]))
        .silent("a listener that sends elsewhere calls it abnormal", {
            with_listeners(&[at("tcp", 80, "rsp-a"), at("udp", 80, "rsp-b")])
                .answer(both(health(&[]), &udp(health(&[("i-3", "abnormal")]))))
        })
        .silent("a stopped listener calls it abnormal", {
            two_listeners(&json!({"Status": "stopped"}))
                .answer(both(health(&[]), &udp(health(&[("i-3", "abnormal")]))))
        })
        .silent("no listener sends to the group", {
            without_listeners().answer(health(&[("i-2", "abnormal")]))
        })
        .silent("listeners differ, and which send to the group is not known", {
            healthy()
                .unanswered("Listeners")
                .answer(both(health(&[]), &udp(health(&[("i-3", "abnormal")]))))
        })
}

fn untold_health(rule: Rule) -> Rule {
    rule.blind("the health is not at hand", healthy().unanswered("Health"))
        .blind("the health at hand is another CLB's", {
            let mut answer = health(&[("i-2", "abnormal")]);
            answer["LoadBalancerId"] = json!("lb-c");
            healthy().answer(answer)
        })
        .blind("it is that of another listener", {
            healthy().answer(udp(health(&[("i-2", "abnormal")])))
        })
        .blind("no answer tells its CLB, and there are two", {
            let mut answer = health(&[("i-2", "abnormal")]);
            answer["LoadBalancerId"] = Value::Null;
            healthy().answer(answer).add(merged(
                sibling("api"),
                &json!({"metadata": {"annotations": {
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-c",
                    "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port": "rsp-c:80",
                }}}),
            ))
        })
        .blind("a backend is not named", {
            healthy().answer(every(health(&[]), &json!({"ServerId": "i-1"})))
        })
        .blind("the group's answer is not at hand", {
            judged(&[("i-2", "abnormal")]).unanswered("BackendServers")
        })
}

/// A case of the answers alone.
#[test]
fn a_group_at_hand_of_another_clb_needs_no_listener_here() {
    let other = healthy().answer(group("rsp-c", &[outside(1)])).snapshot();
    let report = super::check(&other);
    assert!(!report.findings.iter().any(|finding| finding.rule == "CLB415"));
}
