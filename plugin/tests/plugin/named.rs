//! What documents say of whose a participant is, and of a route's CLB: as much as the tables.

use serde_json::{Value, json};

use crate::program::{Folder, TWO_CLUSTERS, run, service};

/// The participants of the first route, as `(name, kind, standing)`.
fn participants(document: &Value) -> Vec<(&str, &str, Option<&str>)> {
    let of = document["routes"][0]["participants"].as_array().expect("participants");
    of.iter()
        .map(|of| {
            assert!(of.as_object().expect("an object").contains_key("standing"));
            (
                of["name"].as_str().expect("a name"),
                of["kind"].as_str().expect("a kind"),
                of["standing"].as_str(),
            )
        })
        .collect()
}

#[test]
fn a_service_at_hand_is_a_member_and_a_server_has_no_standing() {
    let json = run("status -f deploy/examples/canary/ -o json").json();
    assert_eq!(
        participants(&json),
        [
            ("web", "Service", Some("member")),
            ("i-bp1ecs0001", "External", None),
            ("i-bp1ecs0002", "External", None)
        ]
    );
}

#[test]
fn a_service_of_a_cluster_that_is_not_at_hand_is_remote() {
    let one = "status -f deploy/examples/two-clusters/a -f deploy/examples/two-clusters/clb";
    let json = run(&format!("{one} -o json")).json();
    let standings: Vec<_> = participants(&json).into_iter().map(|of| of.2).collect();
    assert_eq!(standings, [Some("member"), Some("remote")]);
    let both = run(&format!("status {TWO_CLUSTERS} -o json")).json();
    let standings: Vec<_> = participants(&both).into_iter().map(|of| of.2).collect();
    assert_eq!(standings, [Some("member"), Some("member")]);
}

#[test]
fn a_service_that_is_gone_from_its_cluster_is_an_orphan() {
    let json = run("status -f deploy/examples/mistakes/CLB408-orphan.yaml -o json").json();
    assert_eq!(
        participants(&json),
        [("web", "Service", Some("member")), ("web-old", "Service", Some("orphan"))]
    );
}

#[test]
fn a_preview_names_standings_before_and_after() {
    let json = run("preview web 40 -f deploy/examples/canary/ -o json").json();
    for side in ["before", "after"] {
        let of = &json["routes"][0][side]["participants"];
        assert_eq!(of[0]["standing"], "member");
        assert_eq!(of[1]["standing"], Value::Null);
    }
}

/// A CLB with a listener, and a group of it.
fn folder(balancer: &Value, listener: &Value) -> Folder {
    let group = json!({
        "VServerGroupId": "rsp-bp1web", "LoadBalancerId": "lb-bp1test",
        "VServerGroupName": "shop-web", "BackendServers": {"BackendServer": []},
    });
    let listeners = json!({"Listeners": [listener], "TotalCount": 1});
    let [group, balancer, listeners] = [&group, balancer, &listeners].map(Value::to_string);
    Folder::new(&[
        ("s.yaml", &service("shop", "web", "", "20")),
        ("group.json", &group),
        ("DescribeLoadBalancerAttribute.json", &balancer),
        ("DescribeLoadBalancerListeners.json", &listeners),
    ])
}

fn route(folder: &Folder) -> Value {
    run(&format!("status -f {} -o json", folder.path(""))).json()["routes"][0].take()
}

#[test]
fn a_route_carries_the_names_the_address_and_the_listeners_of_its_clb() {
    let folder = folder(
        &json!({
            "LoadBalancerId": "lb-bp1test", "LoadBalancerName": "shop", "Address": "192.0.2.10",
        }),
        &json!({
            "LoadBalancerId": "lb-bp1test", "ListenerPort": 443, "ListenerProtocol": "https",
            "Status": "running", "Scheduler": "wrr", "VServerGroupId": "rsp-bp1web",
            "HTTPSListenerConfig": {"HealthCheck": "on"},
        }),
    );
    let route = route(&folder);
    assert_eq!(route["clbName"], "shop");
    assert_eq!(route["clbAddress"], "192.0.2.10");
    assert_eq!(route["vserverGroupName"], "shop-web");
    let listener =
        json!({"protocol": "https", "port": 443, "scheduler": "wrr", "healthCheck": true});
    assert_eq!(route["listeners"], json!([listener]));
}

#[test]
fn what_the_answers_do_not_tell_of_a_clb_is_null() {
    let folder = folder(
        &json!({"LoadBalancerId": "lb-bp1test"}),
        &json!({
            "LoadBalancerId": "lb-bp1test", "ListenerPort": 80, "ListenerProtocol": "tcp",
            "Status": "running", "VServerGroupId": "rsp-bp1web",
        }),
    );
    let of = route(&folder);
    assert_eq!((&of["clbName"], &of["clbAddress"]), (&Value::Null, &Value::Null));
    let listener = json!({"protocol": "tcp", "port": 80, "scheduler": null, "healthCheck": null});
    assert_eq!(of["listeners"], json!([listener]));
    let bare = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let of = route(&bare);
    for field in ["clbName", "clbAddress", "vserverGroupName", "listeners"] {
        assert!(of.as_object().expect("an object").contains_key(field), "{of:#}");
        assert_eq!(of[field], Value::Null, "{field}");
    }
}

#[test]
fn a_weight_that_ccm_cannot_read_stands_in_the_document_as_it_is_written() {
    let json = run("status -f deploy/examples/mistakes/CLB001-weight-101.yaml -o json").json();
    let web = &json["routes"][0]["participants"][0];
    assert_eq!((&web["weight"], &web["invalidWeight"]), (&Value::Null, &json!("101")));
}
