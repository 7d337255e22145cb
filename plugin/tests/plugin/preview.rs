//! `preview`: what a change would do.

use insta::assert_snapshot;
use rstest::rstest;

use crate::program::{Folder, TWO_CLUSTERS, run, service};

const CANARY: &str = "-f deploy/examples/canary/";

#[test]
fn eighty_over_three_nodes_is_78_of_98() {
    let ran = run(&format!("preview svc/web 80 --context a {TWO_CLUSTERS}"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert!(ran.out.contains("80 over three nodes: 26, 26, 26 = 78 of 98"), "{}", ran.out);
    assert_snapshot!("preview-two-clusters", ran.out);
}

#[test]
fn eighty_over_three_nodes_is_78_of_98_also_where_it_is_a_change() {
    let a = std::fs::read_to_string(
        crate::program::root().join("deploy/examples/two-clusters/a/service.yaml"),
    )
    .expect("the example");
    let folder = Folder::new(&[("new.yaml", &a.replace("weight: \"80\"", "weight: \"50\""))]);
    let ran = run(&format!(
        "preview -f a={} --against a={} --against a=deploy/examples/two-clusters/a/cluster \
         --against b=deploy/examples/two-clusters/b --against deploy/examples/two-clusters/clb",
        "deploy/examples/two-clusters/a/service.yaml",
        folder.path("new.yaml")
    ));
    assert!(ran.out.contains("26, 26, 26 = 78 of 98"), "{}", ran.out);
    assert!(
        ran.out.contains("- service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight: \"50\"")
    );
}

#[test]
fn local_mode_gives_fifty_and_thirty() {
    let ran = run("preview svc/web 80 -n shop -f deploy/examples/local/");
    assert_eq!(ran.code, 0);
    assert!(ran.out.contains("80 over two nodes: 50, 30 = 80 of 100"), "{}", ran.out);
}

#[test]
fn a_weight_of_101_would_empty_the_group_and_report_success() {
    let ran = run(&format!("preview svc/web 101 -n shop {CANARY}"));
    assert_eq!(ran.code, 3);
    let first = ran.out.lines().next().expect("a verdict");
    assert_eq!(
        first,
        "shop/web: 20.0 % -> 0.0 % of the traffic of rsp-bp1canary (weight 20 -> \"101\"), drained: every backend leaves the group, and CCM would report success"
    );
    assert_snapshot!("preview-101", ran.out);
}

#[test]
fn services_that_the_new_files_leave_out_are_counted_in_the_clusters_they_speak_of() {
    let against = "--against a=deploy/examples/two-clusters/a --against b=deploy/examples/two-clusters/b \
                   --against deploy/examples/two-clusters/clb";
    let ran = run(&format!("preview -f a=deploy/examples/two-clusters/a/cluster {against}"));
    assert!(ran.err.starts_with("note: 1 Service of --against not in -f"), "{}", ran.err);
    let ran = run(&format!("preview -f a=deploy/examples/two-clusters/a/service.yaml {against}"));
    assert_eq!(ran.err, "");
}

#[test]
fn a_port_without_mapping_does_not_condemn_the_mapped_one() {
    let file = "deploy/examples/mistakes/CLB019-second-port-unmapped.yaml";
    let ran = run(&format!("preview web 40 -f {file}"));
    let first = ran.out.lines().next().expect("a verdict");
    assert!(first.starts_with("shop/web: "), "{first}");
    assert!(
        first.contains(
            ", misrouted: CCM would make groups of its own for the ports that have no mapping"
        ),
        "{first}"
    );
}

#[rstest]
#[case(
    "40",
    0,
    "shop/web: 20.0 % -> 33.3 % of the traffic of rsp-bp1canary (weight 20 -> 40), applied"
)]
#[case("20", 0, "no change: shop/web has this weight already")]
#[case(
    "0",
    0,
    "shop/web: 20.0 % -> 0.0 % of the traffic of rsp-bp1canary (weight 20 -> 0), applied"
)]
#[case("-5", 3, "shop/web: 20.0 % -> 0.0 % of the traffic of rsp-bp1canary")]
#[case("abc", 3, "shop/web: 20.0 % -> 0.0 % of the traffic of rsp-bp1canary")]
#[case(
    "none",
    3,
    "shop/web: 20.0 % -> 71.4 % of the traffic of rsp-bp1canary (weight 20 -> none), applied"
)]
fn the_first_line_is_the_verdict(#[case] weight: &str, #[case] code: i32, #[case] verdict: &str) {
    let ran = run(&format!("preview svc/web {weight} {CANARY}"));
    let first = ran.out.lines().next().expect("a verdict");
    assert!(first.starts_with(verdict), "{}", ran.out);
    assert_eq!(ran.code, code, "{}", ran.out);
}

#[test]
fn the_tables_show_backends_and_shares_before_and_after() {
    let ran = run(&format!("preview web 40 {CANARY}"));
    assert_snapshot!("preview-40", ran.out);
}

#[test]
fn wide_shows_descriptions() {
    let ran = run(&format!("preview web 40 {CANARY} -o wide"));
    assert_snapshot!("preview-40-wide", ran.out);
}

#[test]
fn json_has_the_documented_shape() {
    let ran = run(&format!("preview web 101 {CANARY} -o json"));
    assert_eq!(ran.code, 3);
    assert_snapshot!("preview-101-json", ran.out);
}

#[test]
fn removing_the_weight_removes_both_keys() {
    let both = service("shop", "web", "", "20").replace(
        "  annotations:\n",
        "  annotations:\n    service.beta.kubernetes.io/alicloud-loadbalancer-weight: \"30\"\n",
    );
    let folder = Folder::new(&[("s.yaml", &both)]);
    let json = run(&format!("preview web none -f {} -o json", folder.path("s.yaml"))).json();
    let changed = json.pointer("/changes/0/annotations").expect("annotations");
    assert_eq!(changed.as_array().expect("a list").len(), 2, "{changed}");
    assert!(changed[0]["new"].is_null() && changed[1]["new"].is_null());
}

#[test]
fn the_key_in_use_is_the_one_that_is_set() {
    let old = service("shop", "web", "", "20").replace("alibaba-cloud-", "alicloud-");
    let folder = Folder::new(&[("s.yaml", &old)]);
    let json = run(&format!("preview web 30 -f {} -o json", folder.path("s.yaml"))).json();
    assert_eq!(
        json.pointer("/changes/0/annotations/0/key").expect("a key"),
        "service.beta.kubernetes.io/alicloud-loadbalancer-weight"
    );
}

#[test]
fn new_files_against_old_ones_show_any_edit() {
    let mistakes = "deploy/examples/mistakes/CLB404-type-changed";
    let ran = run(&format!("preview -f {mistakes}/after.yaml --against {mistakes}/before.yaml"));
    assert_eq!(ran.code, 3);
    assert!(ran.out.contains("spec.type: LoadBalancer"), "{}", ran.out);
    assert_snapshot!("preview-type-changed", ran.out);
}

#[test]
fn equal_files_are_no_change() {
    let ran = run(&format!("preview {CANARY} --against deploy/examples/canary/"));
    assert_eq!(ran.code, 0);
    assert!(ran.out.starts_with("no change: "), "{}", ran.out);
}

#[test]
fn pruning_deletes_what_the_new_files_lack() {
    let folder = Folder::new(&[("other.yaml", &service("shop", "other", "", "0"))]);
    let other = folder.path("other.yaml");
    let against = "--against deploy/examples/canary/";
    let kept = run(&format!("preview -f {other} {against} -o json"));
    assert_eq!((kept.code, kept.json()["changes"].as_array().expect("a list").len()), (0, 1));
    let pruned = run(&format!("preview -f {other} {against} --prune -o json"));
    assert_eq!(pruned.code, 3, "{}", pruned.out);
    let json = pruned.json();
    let rules: Vec<&str> = json["findings"]["introduced"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|finding| finding["rule"].as_str().expect("an id"))
        .collect();
    assert!(rules.contains(&"CLB404"), "{rules:?}");
    let names = run(&format!("preview -f {other} {against} --prune -o name"));
    assert_eq!(names.out, "service/other -n shop\nservice/web -n shop\n");
}

#[test]
fn many_backends_are_shortened_with_a_count_unless_wide() {
    let nodes: Vec<String> = (0..40)
        .map(|n| {
            format!(
                "- apiVersion: v1\n  kind: Node\n  metadata: {{name: n{n}}}\n  spec: {{providerID: cn-x.i-{n:03}}}\n  \
                 status: {{conditions: [{{type: Ready, status: \"True\"}}]}}\n"
            )
        })
        .collect();
    let list = format!("---\napiVersion: v1\nkind: List\nitems:\n{}", nodes.concat());
    let folder = Folder::new(&[("s.yaml", &(service("shop", "web", "", "20") + &list))]);
    let file = folder.path("s.yaml");
    let slim = run(&format!("preview web 80 -f {file}"));
    assert!(slim.out.contains("… and 28 more backends (-o wide shows all)"), "{}", slim.out);
    assert!(slim.out.contains("80 over 40 nodes: 2 x 40 = 80 of 80 known"), "{}", slim.out);
    let wide = run(&format!("preview web 80 -f {file} -o wide"));
    assert!(wide.out.contains("i-039"), "{}", wide.out);
}
