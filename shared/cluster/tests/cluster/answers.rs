use clbmigrate_core::clb_answers::Health;
use rstest::rstest;

use crate::support::{read, read_well};

const GROUP: &str = r#"{
  "RequestId": "x",
  "VServerGroupId": "rsp-1",
  "VServerGroupName": "shop",
  "BackendServers": {"BackendServer": [
    {"ServerId": "i-1", "Port": 30080, "Weight": 26, "Type": "ecs", "Description": "k8s/80/web/shop/c0ffee"}
  ]}
}"#;
const LIST: &str = r#"{"VServerGroups": {"VServerGroup": [{"VServerGroupId": "rsp-1", "VServerGroupName": "shop"}]}}"#;
const LISTENERS: &str = r#"{"Listeners": [{"LoadBalancerId": "lb-1", "ListenerPort": 80, "ListenerProtocol": "tcp", "Scheduler": "wrr"}], "TotalCount": 1}"#;
/// This one too has `BackendServers`, those of the default group.
const BALANCER: &str = r#"{"LoadBalancerId": "lb-1", "LoadBalancerName": "shop", "Address": "203.0.113.10", "BackendServers": {"BackendServer": []}}"#;
const HEALTH: &str = r#"{"BackendServers": {"BackendServer": [{"ServerId": "i-1", "Port": 30080, "ServerHealthStatus": "normal"}]}}"#;

#[test]
fn each_answer_is_told_by_its_keys() {
    let all = [GROUP, LIST, LISTENERS, BALANCER, HEALTH].join("\n");
    let loaded = read_well("x.json", all);
    let answers = &loaded.snapshot.clb_answers;
    assert_eq!((loaded.answers, loaded.objects), (5, 0));
    let group = &answers.groups["rsp-1"];
    assert_eq!(group.backends[0].weight, 26);
    assert_eq!(group.origin.0.as_ref().map(|origin| origin.line), Some(1));
    assert_eq!(answers.lists[0].groups[0].id, "rsp-1");
    assert_eq!(answers.listeners[0].listeners[0].port, 80);
    assert_eq!(answers.balancers["lb-1"].address, "203.0.113.10");
    assert_eq!(answers.health[0].servers[0].health, Some(Health::Normal));
}

#[test]
fn answers_are_read_from_arrays_and_yaml_too() {
    assert_eq!(read_well("x.json", format!("[{GROUP}, {LIST}]")).answers, 2);
    let yaml = "---\nVServerGroupId: rsp-1\nBackendServers:\n  BackendServer: []\n";
    assert_eq!(read_well("x.yaml", yaml).answers, 1);
}

#[rstest]
#[case::name("groups-lb-bp1example.json", LIST, Some("lb-bp1example"))]
#[case::no_id("groups.json", LIST, None)]
#[case::own_word(
    "groups-lb-bp1example.json",
    r#"{"LoadBalancerId":"lb-2","VServerGroups":{}}"#,
    Some("lb-2")
)]
fn a_list_of_groups_belongs_to_the_clb_of_its_files_name(
    #[case] name: &str,
    #[case] json: &str,
    #[case] expected: Option<&str>,
) {
    let loaded = read_well(name, json);
    assert_eq!(loaded.snapshot.clb_answers.lists[0].clb.as_deref(), expected);
}

#[test]
fn listeners_without_a_clb_belong_to_that_of_their_files_name() {
    let empty = read_well("lb-bp1x.json", r#"{"Listeners": {"Listener": []}}"#);
    assert_eq!(empty.snapshot.clb_answers.listeners[0].clb.as_deref(), Some("lb-bp1x"));
    let named = read_well("lb-bp1x.json", LISTENERS);
    assert_eq!(named.snapshot.clb_answers.listeners[0].clb, None);
}

#[rstest]
#[case::its_files_name("health-lb-bp1x.json", Some("lb-bp1x"))]
#[case::no_id("DescribeHealthStatus.json", None)]
fn health_is_of_the_clb_of_its_files_name(#[case] name: &str, #[case] clb: Option<&str>) {
    let loaded = read_well(name, HEALTH);
    assert_eq!(loaded.snapshot.clb_answers.health[0].clb.as_deref(), clb);
}

#[test]
fn an_error_of_the_api_is_quoted() {
    let json = "\n{\"Code\": \"Forbidden.RAM\", \"Message\": \"User not authorized\", \"RequestId\": \"x\"}";
    let (loaded, problems) = read("x.json", json);
    assert_eq!(loaded.answers, 0);
    assert_eq!(
        problems,
        ["x.json:2: the CLB API's error Forbidden.RAM, not an answer: User not authorized"]
    );
}

#[test]
fn a_wrong_value_in_an_answer_is_named_with_its_path() {
    let (_, problems) = read("x.json", GROUP.replace("26", "\"26\""));
    assert_eq!(
        problems,
        ["x.json:6: DescribeVServerGroupAttribute: BackendServers.BackendServer[0].Weight: \
          invalid type: string \"26\", expected u32"]
    );
}

#[rstest]
#[case::values_of_a_chart("x.yaml", "replicas: 3\nimage: web\n")]
#[case::empty_object("x.json", "{}")]
#[case::kind_that_is_no_text("x.json", r#"{"kind": 5, "metadata": {"name": "a"}}"#)]
#[case::another_answer("x.json", r#"{"LoadBalancerId": "lb-1"}"#)]
fn a_document_that_is_neither_object_nor_answer_is_a_problem(
    #[case] name: &str,
    #[case] content: &str,
) {
    let (loaded, problems) = read(name, content);
    assert_eq!((loaded.answers, loaded.objects), (0, 0));
    assert_eq!(problems.len(), 1);
    let start = format!("{name}:1: neither a Kubernetes object (no kind) nor an answer of the CLB");
    assert!(problems[0].starts_with(&start), "{problems:?}");
}

#[test]
fn the_clusters_id_is_taken_from_the_groups_answer() {
    let group = GROUP.replace('\n', " ");
    let yaml = format!(
        "{{kind: Service, metadata: {{name: web, namespace: shop}}}}\n---\n\
         {{kind: Node, metadata: {{name: a}}, spec: {{providerID: cn-x.i-1}}}}\n---\n{group}\n"
    );
    let loaded = read_well("x.yaml", yaml);
    assert_eq!(loaded.snapshot.clusters[0].id.as_deref(), Some("c0ffee"));
}
