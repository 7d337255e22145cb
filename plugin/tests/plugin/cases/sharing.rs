//! Whose backends stand in a group, and who takes them over.

use rstest::rstest;
use serde_json::Value;

use super::{Case, GROUP, backends, case, participant, share};

const ID: &str = "--cluster-id c0123456789abcdef0123456789abcdef";

fn corrected() -> Case {
    case("cluster-id-corrected")
}

fn same_pods() -> Case {
    case("two-eni-services-same-pods")
}

#[rstest]
#[case::nodes_are_the_backends(corrected(), ["i-bp1node0001 20", "i-bp1node0002 20", "i-bp1node0003 20", "i-bp1outside 70"])]
#[case::keys_of_the_old_prefix(
    corrected().under_the_old_prefix(),
    ["i-bp1node0001 20", "i-bp1node0002 20", "i-bp1node0003 20", "i-bp1outside 70"]
)]
#[case::they_were_put_in_by_hand(
    corrected().with("group.json", "k8s/30080/web/shop/clusterid", "shop-by-hand"),
    ["i-bp1node0001 20", "i-bp1node0002 20", "i-bp1node0003 20", "i-bp1outside 70"]
)]
#[case::pods_are_the_backends(
    same_pods().without("api.yaml").with("group.json", "k8s/8080/api/shop/c0a00000000000000000000000000aa1", "k8s/8080/web/shop/clusterid"),
    ["10.64.1.21 20", "10.64.2.21 20", "10.64.3.21 20", "i-bp1outside 70"]
)]
fn cluster_id_corrected(#[case] case: Case, #[case] expected: [&str; 4]) {
    let report = case.preview(ID);
    let after = report.after(GROUP);
    assert_eq!(backends(after), expected);
    assert_eq!(share(after, "web"), "46.2");
    assert_eq!(report.outcome(), "applied");
}

#[test]
fn backends_of_another_port_stay_beside_when_the_cluster_id_is_corrected() {
    let report = corrected().with("group.json", "30080", "30081").preview(ID);
    let after = report.after(GROUP);
    assert_eq!(backends(after).len(), 7);
    assert_eq!(share(after, "web"), "37.5");
}

#[rstest]
#[case::of_the_new_prefix(same_pods())]
#[case::of_the_old_prefix(same_pods().under_the_old_prefix())]
#[case::pods_are_the_backends_by_default(
    same_pods().with_all("    service.beta.kubernetes.io/backend-type: \"eni\"\n", "")
)]
fn two_eni_services_same_pods(#[case] case: Case) {
    let report = case.preview("--backend-type eni");
    let after = report.after(GROUP);
    assert_eq!([share(after, "web"), share(after, "api")], ["46.2", "0.0"]);
    assert_eq!(participant(after, "api")["backends"], 0);
}

#[test]
fn two_services_over_the_same_nodes_have_backends_of_their_own() {
    let report = same_pods()
        .with_all("    service.beta.kubernetes.io/backend-type: \"eni\"\n", "")
        .without("group.json")
        .preview("--backend-type ecs");
    let sum = |name| participant(report.after(GROUP), name)["weightSum"].clone();
    assert_eq!([sum("web"), sum("api")], [60, 30]);
}

#[rstest]
#[case::one_node(case("one-node-is-not-all-nodes"))]
#[case::keys_of_the_old_prefix(case("one-node-is-not-all-nodes").under_the_old_prefix())]
#[case::two_nodes(case("one-node-is-not-all-nodes").with("node.yaml", "apiVersion: v1\n", "---\napiVersion: v1\n"))]
fn one_node_is_not_all_nodes(#[case] case: Case) {
    let report = case.status("");
    let web = participant(report.route(GROUP), "web");
    assert_eq!([&web["backends"], &web["weightSum"]], [&Value::Null, &Value::Null]);
    let unknown = report.route(GROUP)["unknown"].to_string();
    assert!(unknown.contains("nodes are not at hand"), "{unknown}");
    let blind = case.check("").json["notLooked"].to_string();
    assert!(blind.contains("there is no List of all nodes"), "{blind}");
}

#[test]
fn a_list_of_nodes_is_all_nodes() {
    let listed = case("one-node-is-not-all-nodes")
        .with("node.yaml", "apiVersion: v1\nkind: Node\n", "- apiVersion: v1\n  kind: Node\n")
        .with("node.yaml", "\nmetadata", "\n  metadata")
        .with("node.yaml", "\nspec", "\n  spec")
        .with("node.yaml", "\nstatus", "\n  status")
        .with("node.yaml", "- apiVersion", "apiVersion: v1\nkind: List\nitems:\n- apiVersion");
    let report = listed.status("");
    let web = participant(report.route(GROUP), "web");
    assert_eq!([&web["backends"], &web["weightSum"]], [1, 80]);
}
