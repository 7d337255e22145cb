//! Input in which one object is there twice with other content, as where the manifests of two
//! clusters are in one folder.

use rstest::rstest;
use serde_json::Value;

use super::{Case, GROUP, case};
use crate::program::{Folder, Output, run};

fn two_clusters() -> Case {
    case("contradictory-input")
}

/// The two clusters without what contradicts, and with these files.
fn with_files(files: &[(&str, &str)]) -> Case {
    let mut case = two_clusters().without("b.yaml");
    let added = files.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned()));
    case.files.extend(added);
    case
}

const ORPHAN_NODE: &str = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Node\n  \
    metadata: {name: b-node-1}\n  spec: {providerID: \"cn-example.i-bp1bnode1\"}\n";

fn slice(address: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: web-1, namespace: shop, \
         labels: {{kubernetes.io/service-name: web}}}}\naddressType: IPv4\nports: [{{name: http, port: 8080}}]\n\
         endpoints: [{{addresses: [{address}], nodeName: a-node-1}}]\n"
    )
}

fn pod(name: &str, image: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: shop, labels: {{app: web}}}}\n\
         spec: {{containers: [{{name: app, image: {image}, ports: [{{containerPort: 8080}}]}}]}}\n"
    )
}

fn deployment(grace: u32) -> String {
    format!(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web, namespace: shop}}\nspec: \
         {{template: {{metadata: {{labels: {{app: web}}}}, spec: {{terminationGracePeriodSeconds: {grace}, \
         containers: [{{name: app}}]}}}}}}\n"
    )
}

fn profile(id: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ack-cluster-profile, namespace: kube-system}}\n\
         data: {{clusterid: {id}}}\n"
    )
}

fn cloud_config(kind: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: cloud-config, namespace: kube-system}}\ndata:\n  \
         cloud-config.conf: '{{\"Global\": {{\"serviceBackendType\": \"{kind}\"}}}}'\n"
    )
}

/// The commands that a finding of any kind might tell to type.
const COMMANDS: [&str; 3] = ["aliyun slb", "kubectl annotate", "kubectl clbmigrate"];

/// Asserts that an answer says nothing of weights and groups, and nothing to type.
fn assert_silent(ran: &Output) {
    assert_eq!(ran.code, 1, "{}", ran.err);
    assert!(ran.err.contains("with other content than at"), "{}", ran.err);
    assert!(ran.err.contains("-f a=… -f b=…"), "{}", ran.err);
    let text = ran.out.as_str();
    assert!(!text.contains("\"rule\": \"CLB4"), "{text}");
    assert!(!COMMANDS.iter().any(|command| text.contains(command)), "{text}");
    visit(&ran.json(), &mut |object| {
        if let Some(patch) = object.get("patch") {
            assert_eq!(patch, &Value::Array(Vec::new()), "{object}");
        }
        if let Some(fix) = object.get("fix").and_then(Value::as_str) {
            assert!(fix.starts_with("resolve the contradictory input first: "), "{fix}");
        }
    });
}

fn visit(value: &Value, see: &mut dyn FnMut(&Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, see)),
        Value::Object(members) => members.values().for_each(|member| visit(member, see)),
        _ => {}
    }
}

/// What `check` says of all files.
fn check(case: &Case) -> Output {
    let folder = case.folder();
    run(&format!("check -f {} -o json", folder.path("")))
}

fn not_looked(ran: &Output) -> Vec<Value> {
    let all = ran.json()["notLooked"].as_array().expect("notLooked").clone();
    all.into_iter().filter(|one| one["what"] == "contradictory input").collect()
}

#[rstest]
#[case::services(two_clusters(), "Service shop/web")]
#[case::services_of_the_old_prefix(two_clusters().under_the_old_prefix(), "Service shop/web")]
#[case::services_with_pods_as_backends(two_clusters().with_pods_as_backends(), "Service shop/web")]
#[case::a_mapping_elsewhere(
    two_clusters().with("b.yaml", "rsp-bp1example:80", "rsp-bp2example:80"),
    "Service shop/web"
)]
#[case::a_service_that_ccm_does_not_take(
    two_clusters().with("b.yaml", "type: LoadBalancer", "type: ClusterIP"),
    "Service shop/web"
)]
#[case::nodes(
    two_clusters().with_all("b-node", "a-node").with("b.yaml", "\"80\"", "\"20\"").with("b.yaml", "30090", "30080"),
    "Node a-node-1"
)]
#[case::slices(
    with_files(&[("n.yaml", ORPHAN_NODE), ("x.yaml", &slice("10.0.0.1")), ("y.yaml", &slice("10.0.0.2"))]),
    "EndpointSlice shop/web-1"
)]
#[case::pods(
    with_files(&[("n.yaml", ORPHAN_NODE), ("x.yaml", &pod("web-1", "a")), ("y.yaml", &pod("web-1", "b").replace("8080", "8081"))]),
    "Pod shop/web-1"
)]
#[case::workloads(
    with_files(&[("n.yaml", ORPHAN_NODE), ("x.yaml", &deployment(30)), ("y.yaml", &deployment(60))]),
    "Deployment shop/web"
)]
#[case::cluster_ids(
    with_files(&[("n.yaml", ORPHAN_NODE), ("q.yaml", &profile("c0b00000000000000000000000000000b"))]),
    "ConfigMap kube-system/ack-cluster-profile"
)]
#[case::configurations_of_ccm(
    with_files(&[("n.yaml", ORPHAN_NODE), ("x.yaml", &cloud_config("eni")), ("y.yaml", &cloud_config("ecs"))]),
    "ConfigMap kube-system/cloud-config"
)]
fn contradictory_input(#[case] case: Case, #[case] object: &str) {
    let folder = case.folder();
    let all = folder.path("");
    for command in [
        format!("check -f {all}"),
        format!("check -f one={all}"),
        format!("preview web 40 -f {all}"),
    ] {
        let ran = run(&format!("{command} -o json"));
        assert_silent(&ran);
        if !command.contains("one=") {
            let told = not_looked(&ran);
            assert_eq!(told.len(), 1, "{command}: {}", ran.out);
            let why = told[0]["why"].as_str().expect("why");
            assert!(why.starts_with(&format!("{object} is in ")), "{why}");
            assert!(why.contains("with other content"), "{why}");
            assert!(why.contains("-f a=… -f b=…"), "{why}");
            let rules = told[0]["rules"].to_string();
            assert!(rules.contains("CLB408") && rules.contains("CLB409"), "{rules}");
        }
    }
    let status = run(&format!("status -f {all} -o json"));
    assert_eq!(status.code, 1);
    assert_silent(&status);
    let table = run(&format!("status -f {all}")).out;
    assert!(!table.contains("orphan"), "{table}");
}

#[test]
fn without_the_contradiction_the_rules_speak() {
    let ran = check(&with_files(&[("n.yaml", ORPHAN_NODE)]));
    let rules = ran.json()["findings"].to_string();
    assert_eq!(ran.code, 0, "{rules}");
    assert!(rules.contains("CLB408") && rules.contains("aliyun slb"), "{rules}");
}

#[test]
fn clusters_with_names_of_their_own_do_not_contradict() {
    let folder = two_clusters().folder();
    let [a, b, id, group] =
        ["a.yaml", "b.yaml", "profile.yaml", "group.json"].map(|f| folder.path(f));
    let files = format!("-f a={a} -f b={b} -f a={id} -f {group}");
    let ran = run(&format!("check {files} -o json"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.json()["findings"].as_array().expect("findings").is_empty(), "{}", ran.out);
    assert!(not_looked(&ran).is_empty());
}

#[test]
fn the_other_cluster_is_judged_but_for_what_is_left_over() {
    let folder = two_clusters().with("group.json", "\"Weight\": 10", "\"Weight\": 5").folder();
    let [a, id, group] = ["a.yaml", "profile.yaml", "group.json"].map(|file| folder.path(file));
    let other = two_clusters().with_all("bp1anode", "bp1cnode").with_all("rsp-bp1", "rsp-bp2");
    let other = other.without("group.json").without("profile.yaml").folder();
    let files = format!("-f a={a} -f a={id} -f c={} -f {group}", other.path(""));
    let ran = run(&format!("check {files} -o json"));
    assert_eq!(ran.code, 1, "{}", ran.err);
    let json = ran.json();
    let findings = json["findings"].as_array().expect("findings").iter();
    let of_weights: Vec<(&str, &Value)> = findings
        .map(|one| (one["rule"].as_str().expect("a rule"), &one["object"]["context"]))
        .filter(|(rule, _)| rule.starts_with("CLB4"))
        .collect();
    assert_eq!(of_weights, [("CLB409", &"a".into())], "{}", ran.out);
    assert!(json["notLooked"].to_string().contains("contradictory input of c"), "{}", ran.out);
}

#[test]
fn three_copies_are_one_contradiction_that_names_all_places() {
    let mut case = two_clusters();
    let text = case.files.iter().find(|(name, _)| name == "b.yaml").expect("b.yaml").1.clone();
    case.files.push(("c.yaml".to_owned(), text.replace("\"80\"", "\"50\"")));
    let folder = case.folder();
    let ran = run(&format!("check -f {} -o json", folder.path("")));
    let told = not_looked(&ran);
    let why = told[0]["why"].as_str().expect("why");
    assert_eq!(told.len(), 1);
    for file in ["a.yaml:15", "b.yaml:15", "c.yaml:15"] {
        assert!(why.contains(&folder.path(file)), "{why}");
    }
}

#[rstest]
#[case::no_difference("", "")]
#[case::status(
    "spec:\n  type",
    "status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\nspec:\n  type"
)]
#[case::written_by_the_server(
    "  namespace: shop\n",
    "  namespace: shop\n  uid: x\n  resourceVersion: \"7\"\n  generation: 2\n  creationTimestamp: 2026-01-01T00:00:00Z\n  \
     managedFields: [{manager: kubectl}]\n  finalizers: [service.k8s.alibaba/resources]\n"
)]
fn a_copy_that_differs_only_by_what_servers_write_is_the_same(
    #[case] old: &str,
    #[case] new: &str,
) {
    let mut case = two_clusters().without("b.yaml");
    let text = case.files.iter().find(|(name, _)| name == "a.yaml").expect("a.yaml").1.clone();
    case.files.push(("b.yaml".to_owned(), text.replacen(old, new, 1)));
    let ran = check(&case);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(not_looked(&ran).is_empty());
}

#[test]
fn services_of_two_ids_contradict_though_all_else_is_the_same() {
    let mut case = two_clusters().without("b.yaml");
    let text = case.files.iter().find(|(name, _)| name == "a.yaml").expect("a.yaml").1.clone();
    let with_id = |id: &str| {
        text.replace("  namespace: shop\n", &format!("  namespace: shop\n  uid: {id}\n"))
    };
    case.files.retain(|(name, _)| name != "a.yaml");
    case.files.push(("a.yaml".to_owned(), with_id("one")));
    case.files.push(("b.yaml".to_owned(), with_id("two")));
    assert_silent(&check(&case));
}

#[rstest]
#[case::json_list("[ONE,TWO]")]
#[case::list_of_kubectl(r#"{"apiVersion":"v1","kind":"List","items":[ONE,TWO]}"#)]
#[case::list_of_the_api(r#"{"apiVersion":"v1","kind":"ServiceList","items":[ONE,TWO]}"#)]
fn one_list_may_contradict_itself(#[case] list: &str) {
    let service = |weight: u32| {
        format!(
            r#"{{"apiVersion":"v1","kind":"Service","metadata":{{"name":"web","namespace":"shop","annotations":{{
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id":"lb-bp1example",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port":"rsp-bp1example:80",
            "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight":"{weight}"}}}},
            "spec":{{"type":"LoadBalancer","selector":{{"app":"web"}},"ports":[{{"port":80,"nodePort":30080}}]}}}}"#
        )
    };
    let text = list.replace("ONE", &service(20)).replace("TWO", &service(80));
    let folder = Folder::new(&[("all.json", &text)]);
    assert_silent(&run(&format!("check -f {} -o json", folder.path(""))));
}

#[rstest]
#[case::old("-f NEW --against FOLDER")]
#[case::new("-f FOLDER --against NEW")]
#[case::both("-f FOLDER --against FOLDER")]
#[case::a_deletion("--prune -f PROFILE --against FOLDER")]
fn a_change_of_contradictory_input_brings_and_fixes_nothing_of_weights(#[case] files: &str) {
    let folder = two_clusters().folder();
    let new = two_clusters().with(
        "a.yaml",
        "loadbalancer-id: \"lb-bp1example\"",
        "loadbalancer-id: \"lb-bp2example\"",
    );
    let new = new.folder();
    let files = files
        .replace("FOLDER", &folder.path(""))
        .replace("NEW", &new.path("a.yaml"))
        .replace("PROFILE", &folder.path("profile.yaml"));
    let ran = run(&format!("preview {files} -o json"));
    assert_silent(&ran);
    assert_eq!(not_looked(&ran).len(), 1, "{}", ran.out);
}

#[test]
fn a_mistake_is_told_without_a_patch() {
    let case = two_clusters()
        .with_all("\"20\"", "\"101\"")
        .with_all("rsp-bp1example:80", "rsp-bp1example:80, ");
    let folder = case.folder();
    for format in ["json", "yaml", "sarif", "junit", "table", "wide"] {
        let ran = run(&format!("check -f {} -o {format}", folder.path("")));
        assert_eq!(ran.code, 1);
        assert!(ran.out.contains("CLB004"), "{}", ran.out);
        assert!(ran.out.contains("resolve the contradictory input first"), "{}", ran.out);
        let typed = ["patch: add", "patch: replace", "patch: remove"];
        assert!(!typed.iter().any(|patch| ran.out.contains(patch)), "{}", ran.out);
    }
    assert_silent(&run(&format!("check -f {} -o json", folder.path(""))));
}

#[test]
fn the_shares_of_a_contradictory_route_are_unknown() {
    let folder = two_clusters().folder();
    let ran = run(&format!("status -f {} -o json", folder.path("")));
    let json = ran.json();
    let route = &json["routes"][0];
    assert_eq!((&route["vserverGroup"], &route["complete"]), (&GROUP.into(), &false.into()));
    assert!(route["participants"][0]["share"].is_null());
    assert!(route["unknown"].to_string().contains("Service shop/web is in"), "{route}");
}
