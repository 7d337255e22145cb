//! Which commands make what is missing.

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::clb_answers::ClbAnswer;
use rstest::rstest;

use super::*;

/// The answers about a CLB with these groups, listeners and servers of its default group.
fn answers(groups: &Value, listeners: &Value, servers: &Value) -> ClbAnswers {
    let mut answers = ClbAnswers::default();
    let list = json!({"LoadBalancerId": "lb-a", "VServerGroups": {"VServerGroup": groups}});
    answers.insert(ClbAnswer::GroupList(serde_json::from_value(list).expect("a list")));
    for group in groups.as_array().into_iter().flatten() {
        let mut group = group.clone();
        group["LoadBalancerId"] = json!("lb-a");
        answers.insert(ClbAnswer::Group(serde_json::from_value(group).expect("a group")));
    }
    let list = json!({"Listeners": listeners});
    let mut list: clbmigrate_core::clb_answers::ListenerList =
        serde_json::from_value(list).expect("listeners");
    list.clb = Some("lb-a".to_owned());
    answers.insert(ClbAnswer::Listeners(list));
    let balancer = json!({"LoadBalancerId": "lb-a", "BackendServers": {"BackendServer": servers}});
    answers.insert(ClbAnswer::LoadBalancer(serde_json::from_value(balancer).expect("a CLB")));
    answers
}

fn group(id: &str, name: &str, servers: &Value) -> Value {
    json!({"VServerGroupId": id, "VServerGroupName": name, "BackendServers": {"BackendServer": servers}})
}

fn listener(protocol: &str, vgroup: &str, more: &[(&str, Value)]) -> Value {
    let mut listener = json!({
        "LoadBalancerId": "lb-a", "ListenerPort": 80, "ListenerProtocol": protocol, "Status": "running",
        "Scheduler": "wrr", "VServerGroupId": vgroup,
    });
    for (name, value) in more {
        listener[*name] = value.clone();
    }
    listener
}

/// The commands for a Service whose port 80 is to be mapped to `rsp-a`, without what all of them begin
/// with.
fn made_for(protocol: &str, answers: &ClbAnswers) -> Vec<String> {
    let service = json!({
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {"ports": [{"port": 80, "protocol": protocol}]},
    });
    let service: Service = serde_json::from_value(service).expect("a Service");
    let ports = BTreeMap::from([("rsp-a".to_owned(), BTreeSet::from([80]))]);
    let routes = Routes { clb: "lb-a".to_owned(), ports };
    let lines = commands(answers, &routes, ("cn-a", &service));
    let begins = "aliyun slb ";
    lines
        .iter()
        .map(|line| {
            let line = line.strip_prefix(begins).unwrap_or_else(|| panic!("{line}"));
            assert!(line.contains(" --RegionId cn-a"), "{line}");
            line.replace(" --RegionId cn-a", "").replace(" --LoadBalancerId lb-a", "")
        })
        .collect()
}

fn made(answers: &ClbAnswers) -> Vec<String> {
    made_for("TCP", answers)
}

#[test]
fn nothing_is_made_where_a_running_listener_sends_to_the_group() {
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let elsewhere = listener("tcp", "rsp-a", &[("ListenerPort", json!(8443))]);
    for listeners in [json!([listener("tcp", "rsp-a", &[])]), json!([elsewhere])] {
        let lines = made(&answers(&groups, &listeners, &json!([])));
        assert!(lines.is_empty(), "{lines:?}");
    }
}

#[test]
fn nothing_is_told_where_the_clb_was_not_asked() {
    assert!(made(&ClbAnswers::default()).is_empty());
}

#[test]
fn a_group_that_is_not_there_is_made_with_its_listener() {
    let lines = made(&answers(&json!([]), &json!([]), &json!([])));
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(lines[0].starts_with("CreateVServerGroup --VServerGroupName shop-web"), "{lines:?}");
    assert!(lines[1].contains("--VServerGroupId NEW_GROUP_ID"), "{lines:?}");
}

#[test]
fn a_group_that_ccm_made_is_not_taken() {
    let groups = json!([group("rsp-a", "k8s/80/web/shop/c1", &json!([]))]);
    let lines = made(&answers(&groups, &json!([]), &json!([])));
    assert!(lines[0].starts_with("CreateVServerGroup"), "{lines:?}");
}

#[rstest]
#[case::tcp(
    "TCP",
    "CreateLoadBalancerTCPListener --ListenerPort 80 --Bandwidth=-1 --Scheduler wrr --VServerGroupId rsp-a --HealthCheckType tcp --HealthCheckInterval 2 --HealthCheckConnectTimeout 5 --HealthyThreshold 3 --UnhealthyThreshold 3",
    "StartLoadBalancerListener --ListenerPort 80 --ListenerProtocol tcp"
)]
#[case::udp(
    "UDP",
    "CreateLoadBalancerUDPListener --ListenerPort 80 --Bandwidth=-1 --Scheduler wrr --VServerGroupId rsp-a --HealthCheckInterval 5 --HealthCheckConnectTimeout 10 --HealthyThreshold 3 --UnhealthyThreshold 3",
    "StartLoadBalancerListener --ListenerPort 80 --ListenerProtocol udp"
)]
fn a_listener_that_is_not_there_is_made_and_started(
    #[case] protocol: &str,
    #[case] create: &str,
    #[case] start: &str,
) {
    // A listener of the other protocol is another one.
    let other = if protocol == "TCP" { "udp" } else { "tcp" };
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let listeners = json!([listener(other, "rsp-b", &[])]);
    assert_eq!(made_for(protocol, &answers(&groups, &listeners, &json!([]))), [create, start]);
}

#[test]
fn a_listener_that_is_stopped_is_started() {
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let listeners = json!([listener("https", "rsp-a", &[("Status", json!("stopped"))])]);
    let lines = made(&answers(&groups, &listeners, &json!([])));
    assert_eq!(lines, ["StartLoadBalancerListener --ListenerPort 80 --ListenerProtocol https"]);
}

#[rstest]
#[case("tcp", "TCP")]
#[case("http", "HTTP")]
#[case("https", "HTTPS")]
fn a_listener_that_sends_elsewhere_is_turned_after_its_servers_have_joined(
    #[case] protocol: &str,
    #[case] name: &str,
) {
    let outside = json!({"ServerId": "i-1", "Port": 8080, "Weight": 50, "Type": "ecs"});
    let known = json!({"ServerId": "i-2", "Port": 8080, "Weight": 50, "Type": "ecs"});
    let of_ccm = json!({
        "ServerId": "i-3", "Port": 30080, "Weight": 50, "Type": "ecs",
        "Description": "k8s/30080/web/shop/c1",
    });
    let groups = json!([
        group("rsp-a", "shop", &json!([known])),
        group("rsp-b", "before", &json!([outside, known, of_ccm])),
    ]);
    let listeners = json!([listener(
        protocol,
        "rsp-b",
        &[("Status", json!("stopped")), ("Scheduler", json!("rr"))]
    )]);
    assert_eq!(
        made(&answers(&groups, &listeners, &json!([]))),
        [
            r#"AddVServerGroupBackendServers --VServerGroupId rsp-a --BackendServers '[{"ServerId":"i-1","Port":8080,"Weight":50,"Type":"ecs"}]'"#.to_owned(),
            format!("SetLoadBalancer{name}ListenerAttribute --ListenerPort 80 --VServerGroup on --VServerGroupId rsp-a --Scheduler wrr"),
            format!("StartLoadBalancerListener --ListenerPort 80 --ListenerProtocol {protocol}"),
        ]
    );
}

#[test]
fn the_servers_of_the_default_group_join_with_the_listeners_port() {
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let listeners = json!([listener("tcp", "", &[("BackendServerPort", json!(8080))])]);
    let servers = json!([
        {"ServerId": "i-1", "Weight": 100, "Type": "ecs", "ServerIp": "10.0.0.1"},
        {"ServerId": "eni-2", "Weight": 50, "Type": "eni", "ServerIp": "10.0.0.2"},
    ]);
    let lines = made(&answers(&groups, &listeners, &servers));
    let servers = r#"[{"ServerId":"i-1","Port":8080,"Weight":100,"Type":"ecs"},{"ServerId":"eni-2","Port":8080,"Weight":50,"Type":"eni","ServerIp":"10.0.0.2"}]"#;
    assert_eq!(
        lines,
        [
            format!("AddVServerGroupBackendServers --VServerGroupId rsp-a --BackendServers '{servers}'"),
            "SetLoadBalancerTCPListenerAttribute --ListenerPort 80 --VServerGroup on --VServerGroupId rsp-a".to_owned(),
        ]
    );
}

#[test]
fn many_servers_join_in_calls_of_twenty() {
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let listeners = json!([listener("tcp", "", &[("BackendServerPort", json!(80))])]);
    let servers: Vec<Value> =
        (0..41).map(|number| json!({"ServerId": format!("i-{number}"), "Weight": 100})).collect();
    let lines = made(&answers(&groups, &listeners, &json!(servers)));
    let counts = lines.iter().map(|line| line.matches("ServerId").count()).collect::<Vec<_>>();
    assert_eq!(counts, [20, 20, 1, 0]);
}

#[test]
fn a_listener_that_only_redirects_is_left_alone() {
    let groups = json!([group("rsp-a", "shop", &json!([]))]);
    let redirect = json!({"ListenerForward": "on", "ForwardPort": 443});
    let listeners = json!([listener("http", "", &[("HTTPListenerConfig", redirect)])]);
    assert!(made(&answers(&groups, &listeners, &json!([]))).is_empty());
}
