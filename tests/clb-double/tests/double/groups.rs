//! vServer groups and their backends.

use serde_json::json;

use crate::fixture::{Fixture, backends, state};

const GROUP: (&str, &str) = ("VServerGroupId", "rsp-a");

#[tokio::test]
async fn all_groups_of_a_clb_are_listed() {
    let fixture = Fixture::new().await;
    let answer = fixture.done("DescribeVServerGroups", &[("LoadBalancerId", "lb-1")]).await;
    let groups = answer["VServerGroups"]["VServerGroup"].as_array().expect("groups");
    assert_eq!(groups.len(), 2);
    assert_eq!(groups[0]["VServerGroupId"], "rsp-a");
    assert_eq!(groups[0]["VServerGroupName"], "web");
    assert_eq!(groups[0]["AssociatedObjects"]["Listeners"]["Listener"][0]["Port"], 80);
    assert_eq!(groups[1]["ServerCount"], 0);
}

#[tokio::test]
async fn what_is_not_there_is_told_as_the_cloud_does() {
    let fixture = Fixture::new().await;
    let answer = fixture.client.slb("DescribeVServerGroups", &[("LoadBalancerId", "lb-x")]).await;
    assert_eq!(answer.refused(), (404, "InvalidLoadBalancerId.NotFound".to_owned()));
    assert_eq!(answer.json()["Message"], "The specified LoadBalancerId does not exist.");
    let answer =
        fixture.client.slb("DescribeVServerGroupAttribute", &[("VServerGroupId", "rsp-x")]).await;
    assert_eq!(answer.refused(), (400, "InvalidParameter".to_owned()));
    assert_eq!(answer.json()["Message"], "The specified VServerGroupId does not exist.");
    let refused = fixture.refused("DescribeVServerGroupAttribute", &[]).await;
    assert_eq!(refused, (400, "MissingParameter".to_owned()));
}

#[tokio::test]
async fn a_group_is_made_filled_and_deleted() {
    let fixture = Fixture::new().await;
    let servers = r#"[{"ServerId":"i-1","Port":"8080","Weight":"5"},{"ServerId":"i-2","Port":80}]"#;
    let made = fixture
        .done(
            "CreateVServerGroup",
            &[
                ("LoadBalancerId", "lb-1"),
                ("VServerGroupName", "k8s/80/web/shop/c1"),
                ("BackendServers", servers),
            ],
        )
        .await;
    assert_eq!(backends(&made), ["i-1:8080 5 ", "i-2:80 100 "]);
    let id = made["VServerGroupId"].as_str().expect("an id");
    assert!(id.starts_with("rsp-"), "{id}");
    assert_eq!(fixture.backends(id).await, backends(&made));
    fixture.done("DeleteVServerGroup", &[("VServerGroupId", id)]).await;
    assert_eq!(fixture.double.state().load_balancers[0].groups.len(), 2);
}

#[tokio::test]
async fn a_group_that_serves_a_listener_is_not_deleted() {
    let fixture = Fixture::new().await;
    let refused = fixture.refused("DeleteVServerGroup", &[GROUP]).await;
    assert_eq!(refused, (400, "RspoolVipExist".to_owned()));
}

#[tokio::test]
async fn adding_appends_and_takes_over_what_is_there() {
    let fixture = Fixture::new().await;
    let servers = r#"[
        {"serverId":"i-3","port":30080,"weight":10,"type":"ecs","serverIp":"","Invalid":false,
         "description":"k8s/30080/web/shop/c2"},
        {"serverId":"i-1","port":30080,"weight":1,"type":"ecs","description":"again"},
        {"serverId":"i-1","port":30081,"weight":2,"type":"ecs","description":"other port"}
    ]"#;
    let answer =
        fixture.done("AddVServerGroupBackendServers", &[GROUP, ("BackendServers", servers)]).await;
    let wanted = [
        "i-1:30080 1 again",
        "i-2:30080 70 by hand",
        "i-3:30080 10 k8s/30080/web/shop/c2",
        "i-1:30081 2 other port",
    ];
    assert_eq!(backends(&answer), wanted);
    assert_eq!(fixture.backends("rsp-a").await, wanted);
}

#[tokio::test]
async fn interfaces_are_told_apart_by_their_addresses() {
    let fixture = Fixture::new().await;
    let two = r#"[{"serverId":"eni-1","serverIp":"10.0.1.7","port":80,"type":"eni","weight":1},
                  {"serverId":"eni-1","serverIp":"10.0.1.8","port":80,"type":"eni","weight":2}]"#;
    let group = ("VServerGroupId", "rsp-b");
    fixture.done("AddVServerGroupBackendServers", &[group, ("BackendServers", two)]).await;
    let one = r#"[{"serverId":"eni-1","serverIp":"10.0.1.8","port":80,"type":"eni"}]"#;
    fixture.done("RemoveVServerGroupBackendServers", &[group, ("BackendServers", one)]).await;
    let left = &fixture.double.state().load_balancers[0].groups[1].backends;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].server_ip, "10.0.1.7");
}

#[tokio::test]
async fn removing_what_is_not_there_is_no_error() {
    let fixture = Fixture::new().await;
    let servers = r#"[{"ServerId":"i-2","Port":30080},{"ServerId":"i-9","Port":30080}]"#;
    fixture.done("RemoveVServerGroupBackendServers", &[GROUP, ("BackendServers", servers)]).await;
    assert_eq!(fixture.backends("rsp-a").await, ["i-1:30080 30 k8s/30080/web/shop/c1"]);
}

#[tokio::test]
async fn setting_changes_weights_and_names_but_never_adds() {
    let fixture = Fixture::new().await;
    let servers = r#"[{"ServerId":"i-1","Port":30080,"Weight":0},
                      {"ServerId":"i-2","Port":30080,"Weight":55,"Description":"x"},
                      {"ServerId":"i-2","Port":30081,"Weight":55}]"#;
    let params = [GROUP, ("VServerGroupName", "renamed"), ("BackendServers", servers)];
    let answer = fixture.done("SetVServerGroupAttribute", &params).await;
    assert_eq!(answer["VServerGroupName"], "renamed");
    let wanted = ["i-1:30080 0 k8s/30080/web/shop/c1", "i-2:30080 55 x"];
    assert_eq!(fixture.backends("rsp-a").await, wanted);
}

#[tokio::test]
async fn a_weight_over_100_changes_nothing() {
    let fixture = Fixture::new().await;
    let servers = r#"[{"ServerId":"i-1","Port":30080,"Weight":1},
                      {"ServerId":"i-2","Port":30080,"Weight":101}]"#;
    let params = [GROUP, ("BackendServers", servers)];
    let refused = fixture.refused("SetVServerGroupAttribute", &params).await;
    assert_eq!(refused, (400, "InvalidParameter".to_owned()));
}

#[tokio::test]
async fn a_clb_has_room_for_so_many_backends_in_all_its_groups() {
    let mut state = state();
    state["quotas"] = json!({"backendsPerLoadBalancer": 3});
    let fixture = Fixture::with(&state).await;
    let group = ("VServerGroupId", "rsp-b");
    let two = r#"[{"ServerId":"i-1","Port":1},{"ServerId":"i-2","Port":1}]"#;
    let params = [group, ("BackendServers", two)];
    let refused = fixture.refused("AddVServerGroupBackendServers", &params).await;
    assert_eq!(refused, (400, "InstanceBackendServerNumberOverLimit".to_owned()));
    let one = r#"[{"ServerId":"i-1","Port":1}]"#;
    let params = [group, ("BackendServers", one)];
    fixture.done("AddVServerGroupBackendServers", &params).await;
    // The CLB is full, but what is there already needs no room.
    fixture.done("AddVServerGroupBackendServers", &params).await;
}

#[tokio::test]
async fn a_call_carries_20_backends_unless_its_key_may_carry_more() {
    let fixture = Fixture::new().await;
    let add = async |count: u32| {
        let servers = (1..=count).map(|port| json!({"ServerId": "i-1", "Port": port}));
        let servers = json!(servers.collect::<Vec<_>>()).to_string();
        let params = [("VServerGroupId", "rsp-b"), ("BackendServers", servers.as_str())];
        fixture.client.slb("AddVServerGroupBackendServers", &params).await
    };
    let too_many = (400, "TooManyBackendServers".to_owned());
    assert_eq!(add(21).await.refused(), too_many);
    add(20).await.done();
    fixture.double.edit(|state| state.accounts[0].backends_per_call = Some(40));
    assert_eq!(add(41).await.refused(), too_many);
    add(40).await.done();
    fixture.double.edit(|state| state.accounts.swap(0, 1));
    add(40).await.done();
    fixture.double.edit(|state| {
        let own = state.accounts[1].backends_per_call.take();
        state.accounts[0].backends_per_call = own;
    });
    assert_eq!(add(40).await.refused(), too_many, "it is another key that may");
}
