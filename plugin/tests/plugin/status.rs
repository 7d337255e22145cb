//! `status` over the examples, and over what is odd.

use insta::assert_snapshot;
use rstest::rstest;

use crate::program::{Folder, TWO_CLUSTERS, run, service};

#[rstest]
#[case("canary")]
#[case("eni")]
#[case("local")]
#[case("outside-ecs")]
fn the_table_shows_each_example(#[case] example: &str) {
    let ran = run(&format!("status -f deploy/examples/{example}/"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!(format!("status-{example}"), ran.out);
}

#[test]
fn two_clusters_get_a_column_for_their_names() {
    let ran = run(&format!("status {TWO_CLUSTERS}"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_snapshot!("status-two-clusters", ran.out);
}

#[test]
fn wide_adds_health_and_what_ccm_wants() {
    let ran = run(&format!("status {TWO_CLUSTERS} -o wide"));
    assert_snapshot!("status-two-clusters-wide", ran.out);
}

#[test]
fn json_has_the_documented_shape() {
    let ran = run("status -f deploy/examples/canary/ -o json");
    assert_eq!(ran.code, 0);
    assert_snapshot!("status-canary-json", ran.out);
}

#[test]
fn an_emptied_group_is_called_so_and_has_no_share() {
    let ran = run("status -f deploy/examples/mistakes/CLB409-group-emptied.yaml");
    assert!(ran.out.contains("group emptied"), "{}", ran.out);
    assert_snapshot!("status-emptied", ran.out);
    let json = run("status -f deploy/examples/mistakes/CLB409-group-emptied.yaml -o json").json();
    let web = json.pointer("/routes/0/participants/0").expect("a participant");
    assert_eq!(web["share"], 0.0);
    assert_eq!(web["backends"], 0);
}

#[test]
fn an_orphan_and_a_node_put_in_by_hand_stand_out() {
    let ran = run("status -f deploy/examples/mistakes/CLB408-orphan.yaml");
    assert_snapshot!("status-orphan", ran.out);
    let ran = run("status -f deploy/examples/mistakes/CLB408-node-by-hand.yaml");
    assert_snapshot!("status-node-by-hand", ran.out);
}

#[test]
fn a_cluster_that_is_not_at_hand_is_named_by_its_id() {
    let ran = run("status -f deploy/examples/two-clusters/a -f deploy/examples/two-clusters/clb");
    assert!(ran.out.contains("other cluster c0a00000000000000000000000000bbb1"), "{}", ran.out);
}

#[test]
fn without_the_groups_answer_shares_are_unknown_and_what_is_missing_is_named() {
    let ran =
        run("status -f deploy/examples/canary/service.yaml -f deploy/examples/canary/cluster");
    assert_eq!(ran.code, 0);
    assert!(!ran.out.contains(['%', '█']), "{}", ran.out);
    let line = "\nunknown: who else is in rsp-bp1canary; for -f: \
        aliyun slb DescribeVServerGroupAttribute --VServerGroupId rsp-bp1canary\n";
    assert!(ran.out.ends_with(line), "{}", ran.out);
    assert_snapshot!("status-incomplete", ran.out);
    let json = run("status -f deploy/examples/canary/service.yaml \
         -f deploy/examples/canary/cluster -o json")
    .json();
    let web = json.pointer("/routes/0/participants/0").expect("a participant");
    assert!(web["share"].is_null());
    assert_eq!(web["shareOfKnown"], 1.0);
}

#[test]
fn a_drained_service_says_why_and_keeps_its_weight_as_written() {
    let ran = run("status -f deploy/examples/mistakes/CLB001-weight-101.yaml");
    assert_snapshot!("status-drained", ran.out);
}

#[test]
fn services_in_no_route_are_listed_with_the_reason() {
    let folder = Folder::new(&[(
        "s.yaml",
        &service("shop", "web", "", "20").replace("loadbalancer-id", "loadbalancer-name"),
    )]);
    let ran = run(&format!("status -f {}", folder.path("s.yaml")));
    assert_eq!(ran.code, 0);
    assert_snapshot!("status-unrouted", ran.out);
    assert!(ran.err.contains("no route"), "{}", ran.err);
    let json = run(&format!("status -f {} -o json", folder.path("s.yaml"))).json();
    assert_eq!(json["routes"], serde_json::json!([]));
    assert_eq!(json["unrouted"][0]["name"], "web");
}

#[test]
fn a_service_without_mapping_is_in_a_route_whose_group_is_not_known() {
    let service = service("shop", "web", "", "20").replace("vgroup-port", "name");
    let folder = Folder::new(&[("s.yaml", &service)]);
    let json = run(&format!("status -f {} -o json", folder.path("s.yaml"))).json();
    let route = &json["routes"][0];
    assert_eq!(route["vserverGroup"], "");
    assert_eq!(route["complete"], false);
    assert_eq!(route["participants"][0]["name"], "web");
    assert_eq!(json["unrouted"], serde_json::json!([]));
}

/// CCM made the group for a Service that shares the CLB by its own listener, and somebody put a
/// machine outside the cluster into it.
const OWN_GROUP: &str = r#"{
  "VServerGroupId": "rsp-bp1own", "LoadBalancerId": "lb-bp1test",
  "VServerGroupName": "k8s/30080/web/shop/c0a00000000000000000000000000aa1",
  "BackendServers": {"BackendServer": [
    {"ServerId": "i-bp1node1", "Port": 30080, "Weight": 100, "Type": "ecs",
     "Description": "k8s/30080/web/shop/c0a00000000000000000000000000aa1"},
    {"ServerId": "i-bp1outside", "Port": 80, "Weight": 100, "Type": "ecs", "Description": ""}
  ]}
}"#;

#[test]
fn a_group_that_ccm_made_and_that_holds_a_machine_outside_is_a_route_like_any_other() {
    let nodes = r#"{"apiVersion": "v1", "kind": "List", "items": [{
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node1"},
        "spec": {"providerID": "cn-example.i-bp1node1"},
        "status": {"conditions": [{"type": "Ready", "status": "True"}]}
    }]}"#;
    let service = service("shop", "web", "", "20").replace("vgroup-port", "name");
    let files = [("s.yaml", service.as_str()), ("n.json", nodes), ("g.json", OWN_GROUP)];
    let folder = Folder::new(&files);
    let json = run(&format!("status -f {} -o json", folder.path(""))).json();
    let route = &json["routes"][0];
    assert_eq!(route["vserverGroup"], "rsp-bp1own");
    assert_eq!(route["port"], 80);
    assert_eq!(route["complete"], true);
    let share = |index: usize| route["participants"][index]["share"].as_f64();
    assert_eq!((share(0), share(1)), (Some(0.5), Some(0.5)), "{route:#}");
    let ran = run(&format!("preview web 40 -f {} -o json", folder.path("")));
    assert_eq!(ran.json()["outcome"], "noEffect", "CCM reads no weight without a mapping");
    assert_eq!(ran.code, 3);
}

#[test]
fn names_carry_what_kubectl_needs() {
    let ran = run(&format!("status {TWO_CLUSTERS} -o name"));
    assert_eq!(ran.out, "service/web -n shop --context a\nservice/web -n shop --context b\n");
    let ran = run("status -f deploy/examples/canary/ -o name -n shop");
    assert_eq!(ran.out, "service/web\n");
}

#[test]
fn an_escape_sequence_in_a_name_does_not_reach_the_terminal() {
    let evil = service("shop", "web", "", "20").replace("rsp-bp1web:80", "\"rsp-\\e[31mx:80\"");
    let folder = Folder::new(&[("s.yaml", &evil)]);
    let ran = run(&format!("status -f {} --color always", folder.path("s.yaml")));
    assert!(!ran.out.contains("\u{1b}[31mx"), "{:?}", ran.out);
    assert!(ran.out.contains("\\u{1b}"), "{:?}", ran.out);
}
