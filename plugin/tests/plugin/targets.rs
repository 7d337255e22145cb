//! Which Service, which cluster, which labels: flags that narrow.

use rstest::rstest;
use serde_json::{Value, json};

use crate::program::{Folder, TWO_CLUSTERS, run, service};

const CANARY: &str = "-f deploy/examples/canary/";

#[rstest]
#[case("svc/web")]
#[case("service/web")]
#[case("services/web")]
#[case("web")]
fn a_service_is_named_as_kubectl_names_it(#[case] target: &str) {
    assert_eq!(run(&format!("preview {target} 30 {CANARY}")).code, 0);
}

#[rstest]
#[case("deploy/web", "\"deploy\" is no kind this command knows")]
#[case("svc/", "names no Service")]
#[case("svc/a/b", "names no Service")]
fn another_kind_is_a_usage_error(#[case] target: &str, #[case] message: &str) {
    let ran = run(&format!("preview {target} 30 {CANARY}"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains(message), "{}", ran.err);
}

#[test]
fn a_name_that_matches_nothing_lists_the_candidates() {
    let ran = run(&format!("preview wbe 30 {CANARY}"));
    assert_eq!(ran.code, 1);
    assert_eq!(ran.err, "error: no Service \"wbe\"\n  hint: there is svc/web -n shop\n");
    let ran = run(&format!("preview web 30 {CANARY} -n other"));
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("in namespace other"), "{}", ran.err);
    assert!(ran.err.contains("of that name there is svc/web -n shop"), "{}", ran.err);
}

#[test]
fn an_ambiguous_name_lists_what_to_add() {
    let ran = run(&format!("preview web 30 {TWO_CLUSTERS}"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("give svc/web -n shop --context a"), "{}", ran.err);
    assert!(ran.err.contains("give svc/web -n shop --context b"), "{}", ran.err);
    assert_eq!(run(&format!("preview web 30 {TWO_CLUSTERS} --context b")).code, 0);
}

#[test]
fn a_service_that_ccm_does_not_take_is_refused_with_the_reason() {
    let internal = service("shop", "web", "", "20").replace("LoadBalancer", "ClusterIP");
    let folder = Folder::new(&[("s.yaml", &internal)]);
    let ran = run(&format!("preview web 30 -f {}", folder.path("s.yaml")));
    assert_eq!(ran.code, 3);
    assert!(ran.err.contains("of type ClusterIP"), "{}", ran.err);
}

fn shops() -> Folder {
    let services = [
        service("shop", "web", "app: web, tier: front", "101"),
        service("shop", "api", "app: api, tier: back", "102"),
        service("bank", "pay", "app: pay, tier: back", "103"),
    ];
    Folder::new(&[("s.yaml", &services.join("---\n"))])
}

#[rstest]
#[case("", &["bank/pay", "shop/api", "shop/web"])]
#[case("-A", &["bank/pay", "shop/api", "shop/web"])]
#[case("-n shop", &["shop/api", "shop/web"])]
#[case("-n bank", &["bank/pay"])]
#[case("-n nowhere", &[])]
#[case("-l tier=back", &["bank/pay", "shop/api"])]
#[case("-l tier=back -n shop", &["shop/api"])]
#[case("-l app!=web", &["bank/pay", "shop/api"])]
#[case("-l !tier", &[])]
fn namespace_and_labels_narrow_status_and_check(#[case] flags: &str, #[case] names: &[&str]) {
    let folder = shops();
    let file = folder.path("s.yaml");
    let status = run(&format!("status -f {file} -o json {flags}")).json();
    let mut shown: Vec<String> = status["routes"]
        .as_array()
        .expect("routes")
        .iter()
        .map(|route| {
            let of = &route["participants"][0];
            format!(
                "{}/{}",
                of["namespace"].as_str().expect("text"),
                of["name"].as_str().expect("text")
            )
        })
        .collect();
    shown.sort();
    assert_eq!(shown, names);

    let check = run(&format!("check -f {file} -o json {flags}"));
    assert_eq!(check.code, if names.is_empty() { 0 } else { 3 });
    let json = check.json();
    let mut judged: Vec<String> = json["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .map(|finding| &finding["object"])
        .map(|of| {
            format!(
                "{}/{}",
                of["namespace"].as_str().expect("text"),
                of["name"].as_str().expect("text")
            )
        })
        .collect();
    judged.sort();
    judged.dedup();
    assert_eq!(judged, names);
}

#[test]
fn set_based_selectors_work_and_broken_ones_are_refused() {
    let folder = shops();
    let mut command = crate::program::command();
    command.args(["status", "-f", &folder.path("s.yaml"), "-o", "name"]);
    let ran = crate::program::finish(command.args(["-l", "app in (web, pay),tier notin (back)"]));
    assert_eq!(ran.out, "service/web -n shop\n");
    let ran = run(&format!("status -f {} -l app=web;x", folder.path("s.yaml")));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("at character 8"), "{}", ran.err);
}

#[test]
fn namespace_and_all_namespaces_exclude_each_other() {
    assert_eq!(run(&format!("status {CANARY} -n shop -A")).code, 2);
}

#[test]
fn objects_without_a_namespace_belong_to_the_one_given() {
    let bare = service("shop", "web", "", "20").replace("  namespace: shop\n", "");
    let folder = Folder::new(&[("s.yaml", &bare)]);
    let file = folder.path("s.yaml");
    assert_eq!(run(&format!("status -f {file} -o name")).out, "service/web -n default\n");
    assert_eq!(run(&format!("status -f {file} -o name -n prod")).out, "service/web\n");
}

#[test]
fn a_context_narrows_to_its_cluster() {
    let ran = run(&format!("check {TWO_CLUSTERS} --context a"));
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("1 Service"), "{}", ran.out);
    let ran = run(&format!("status {TWO_CLUSTERS} --context c"));
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("there is a, b"), "{}", ran.err);
}

#[test]
fn cluster_ids_come_from_flags_where_files_do_not_say() {
    let files = "-f a=deploy/examples/two-clusters/a/service.yaml";
    let silent = run(&format!("check {files} -o json")).json();
    assert!(silent["notLooked"].to_string().contains("CLB201"));
    let known = run(&format!("check {files} -o json --cluster-id a=c123")).json();
    assert!(!known["notLooked"].to_string().contains("CLB201"), "{}", known["notLooked"]);
    let bad = run(&format!("check {files} -o json --cluster-id clusterid")).json();
    assert!(bad["findings"].to_string().contains("CLB201"), "{}", bad["findings"]);
}

#[rstest]
#[case("--cluster-id x", "for which cluster?")]
#[case("--cluster-id c=x", "no cluster is named \"c\"")]
#[case("--cluster-id a=", "has no value")]
#[case("--backend-type a=pods", "neither eni nor ecs")]
#[case("--cluster-suffix -new", "for which cluster?")]
fn cluster_flags_must_fit_the_clusters(#[case] flag: &str, #[case] message: &str) {
    let ran = run(&format!("status {TWO_CLUSTERS} {flag}"));
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains(message), "{}", ran.err);
}

#[test]
fn the_suffix_tells_clusters_apart() {
    let args = "--cluster-suffix a=-old --cluster-suffix b=-new";
    let folder = "deploy/examples/mistakes/CLB203-suffix-of-the-other";
    let ran = run(&format!("check -f a={folder}/a -f b={folder}/b {args} -o json"));
    assert!(ran.json()["findings"].to_string().contains("CLB203"), "{}", ran.out);
}

#[test]
fn the_backend_type_decides_where_a_service_does_not_say() {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let file = folder.path("s.yaml");
    let modes = [
        ("", Value::Null),
        ("--backend-type eni", json!("ENI")),
        ("--backend-type ecs", json!("Cluster")),
    ];
    for (flag, mode) in modes {
        let json = run(&format!("status -f {file} -o json {flag}")).json();
        assert_eq!(json.pointer("/routes/0/participants/0/mode").expect("a mode"), &mode);
    }
}

#[test]
fn new_files_must_say_which_cluster_they_are_for() {
    let new = "-f deploy/examples/two-clusters/a/service.yaml";
    let against = TWO_CLUSTERS.replace("-f ", "--against ");
    let ran = run(&format!("preview {new} {against}"));
    assert_eq!(ran.code, 2, "{}", ran.out);
    assert!(ran.err.contains("for which cluster?"), "{}", ran.err);
    assert_eq!(run(&format!("preview {new} {against} --context a")).code, 0);
    let ran = run("preview -f a=deploy/examples/canary --against deploy/examples/canary");
    assert_eq!(ran.code, 2, "{}", ran.out);
}
