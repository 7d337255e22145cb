//! The release of CCM: what names it, and where that is told.

use rstest::rstest;
use serde_json::{Value, json};

use crate::program::{Folder, Output, TWO_CLUSTERS, run, service};

/// CCM's Deployment with that image.
fn ccm(image: &str) -> String {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "cloud-controller-manager", "namespace": "kube-system"},
        "spec": {"template": {"spec": {
            "containers": [{"name": "cloud-controller-manager", "image": image}],
        }}},
    })
    .to_string()
}

/// The answer about a Service and that Deployment.
fn run_with(image: &str, command: &str) -> Output {
    let folder = Folder::new(&[
        ("service.yaml", &service("shop", "web", "", "20")),
        ("ccm.json", &ccm(image)),
    ]);
    let (service, ccm) = (folder.path("service.yaml"), folder.path("ccm.json"));
    run(&format!("{command} -f {service} -f {ccm}"))
}

#[rstest]
#[case("check")]
#[case("status")]
#[case("preview web 40")]
fn reports_say_by_which_release_a_cluster_is_judged(#[case] command: &str) {
    let plain = run(&format!("{command} -f deploy/examples/canary/ -o json")).json();
    assert_eq!(plain["ccm"], json!([{"context": null, "version": "2.14", "source": "assumed"}]));
    let flag = run(&format!("{command} -f deploy/examples/canary/ --ccm-version v2.11.2 -o json"));
    assert_eq!(flag.err, "");
    let expected = json!([{"context": null, "version": "2.11", "source": "flag"}]);
    assert_eq!(flag.json()["ccm"], expected);
    let image = run_with("r/ccm:v2.12.4", &format!("{command} -o json"));
    assert_eq!(image.err, "");
    let expected = json!([{"context": null, "version": "2.12", "source": "image"}]);
    assert_eq!(image.json()["ccm"], expected);
    let both = run_with("r/ccm:v2.12.4", &format!("{command} --ccm-version 2.13 -o json")).json();
    assert_eq!(both["ccm"], json!([{"context": null, "version": "2.13", "source": "flag"}]));
}

#[test]
fn each_cluster_has_its_release() {
    let ran = run(&format!("check {TWO_CLUSTERS} --ccm-version b=2.10 -o json"));
    let expected = json!([
        {"context": "a", "version": "2.14", "source": "assumed"},
        {"context": "b", "version": "2.10", "source": "flag"},
    ]);
    assert_eq!(ran.json()["ccm"], expected, "{}", ran.err);
}

#[rstest]
#[case("--ccm-version latest", "\"latest\" is no version of CCM; write MAJOR.MINOR")]
#[case("--ccm-version 2.8", "CCM 2.8 is older than 2.9")]
#[case("--ccm-version 2.8", "--ccm-version 2.9 judges it as that one")]
#[case("--ccm-version c=2.11", "no cluster")]
#[case("--ccm-version =", "has no value")]
fn a_flag_that_names_no_release_is_refused(#[case] flag: &str, #[case] message: &str) {
    let ran = run(&format!("check -f deploy/examples/canary/ {flag}"));
    assert_eq!((ran.code, ran.out.as_str()), (2, ""));
    assert!(ran.err.contains("--ccm-version") && ran.err.contains(message), "{}", ran.err);
}

#[rstest]
#[case::newer("r/ccm:v2.15.1", "note: image r/ccm:v2.15.1 is newer than CCM 2.14", "2.14", "image")]
#[case::older("r/ccm:v1.9.3", "warning: image r/ccm:v1.9.3 is older than CCM 2.9", "2.9", "image")]
#[case::odd("r/ccm:main", "warning: image r/ccm:main names no release", "2.14", "assumed")]
fn an_image_of_another_release_is_told(
    #[case] image: &str,
    #[case] told: &str,
    #[case] version: &str,
    #[case] source: &str,
) {
    let ran = run_with(image, "check -o json");
    assert_eq!((ran.code, ran.err.lines().count()), (0, 1), "{}", ran.err);
    assert!(ran.err.starts_with(told), "{}", ran.err);
    let of = &ran.json()["ccm"][0];
    assert_eq!((&of["version"], &of["source"]), (&Value::from(version), &Value::from(source)));
    let note = of["note"].as_str().expect("a note");
    assert!(ran.err.trim_end().ends_with(note), "{note}");
}

#[test]
fn a_newer_release_of_a_flag_counts_as_the_newest() {
    let ran = run("check -f deploy/examples/canary/ --ccm-version 2.20 -o json");
    assert_eq!(ran.code, 0);
    assert!(ran.err.starts_with("note: --ccm-version 2.20 is newer than CCM 2.14"), "{}", ran.err);
    assert_eq!(ran.json()["ccm"][0]["version"], "2.14");
}

#[test]
fn the_release_is_said_where_somebody_wants_to_hear_more() {
    let ran = run("check -f deploy/examples/canary/ --ccm-version 2.11 -v");
    assert!(ran.err.contains("CCM 2.11 (flag)"), "{}", ran.err);
    let ran = run("check -f deploy/examples/canary/ -v");
    assert!(!ran.err.contains("CCM 2.14"), "{}", ran.err);
}

#[test]
fn a_preview_of_files_is_judged_by_the_release_of_what_there_is() {
    let folder = Folder::new(&[
        ("old.yaml", &service("shop", "web", "", "20")),
        ("new.yaml", &service("shop", "web", "", "40")),
        ("ccm.json", &ccm("r/ccm:v2.11.0")),
    ]);
    let path = |name: &str| folder.path(name);
    let ran = run(&format!(
        "preview -f {} --against {} --against {} -o json",
        path("new.yaml"),
        path("old.yaml"),
        path("ccm.json")
    ));
    assert_eq!(ran.json()["ccm"][0]["version"], "2.11", "{}", ran.err);
}

#[rstest]
#[case("", true)]
#[case("--ccm-version 2.13", true)]
#[case("--ccm-version 2.12", false)]
fn a_service_is_judged_by_that_release(#[case] flag: &str, #[case] is_found: bool) {
    // CCM reads domain-extensions since 2.13.
    let key = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-domain-extensions";
    let text = service("shop", "web", "", "20")
        .replace("annotations:\n", &format!("annotations:\n    {key}: x\n"));
    assert!(text.contains(key), "{text}");
    let folder = Folder::new(&[("s.yaml", &text)]);
    let ran = run(&format!("check -f {} -o json {flag}", folder.path("s.yaml")));
    assert_eq!(ran.json()["findings"].to_string().contains("CLB014"), is_found, "{}", ran.out);
}

#[test]
fn the_releases_are_completed() {
    let ran = run("__complete check --ccm-version 2.1");
    assert_eq!(ran.out, "2.14\n2.13\n2.12\n2.11\n2.10\n:4\n");
}

#[test]
fn ccm_s_own_setting_decides_where_a_service_does_not_say() {
    let forced = ccm("r/ccm:v2.14.0").replace(
        "\"image\"",
        "\"env\":[{\"name\":\"SERVICE_FORCE_BACKEND_ENI\",\"value\":\"true\"}],\"image\"",
    );
    let folder =
        Folder::new(&[("s.yaml", &service("shop", "web", "", "20")), ("ccm.json", &forced)]);
    let files = format!("-f {} -f {}", folder.path("s.yaml"), folder.path("ccm.json"));
    for (flag, mode) in [("", "ENI"), ("--backend-type ecs", "Cluster")] {
        let json = run(&format!("status {files} -o json {flag}")).json();
        assert_eq!(json.pointer("/routes/0/participants/0/mode").expect("a mode"), mode);
    }
}
