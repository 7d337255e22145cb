//! `check`, `explain` and the exit codes.

use clbmigrate_core::rules::Check;
use insta::assert_snapshot;
use rstest::rstest;

use crate::program::{Folder, TWO_CLUSTERS, run, run_with_input, service};

const DRAINS: &str = "deploy/examples/mistakes/CLB001-weight-101.yaml";
const WARNS: &str = "deploy/examples/mistakes/CLB011-ignore-weight-update.yaml";
const INFORMS: &str = "deploy/examples/mistakes/CLB401-small-weight.yaml";

#[test]
fn a_mistake_is_told_with_place_and_fix() {
    let ran = run(&format!("check -f {DRAINS}"));
    assert_eq!((ran.code, ran.err.as_str()), (3, ""));
    assert_snapshot!("check-101", ran.out);
}

#[test]
fn wide_adds_patches_and_what_ccm_does() {
    let ran = run("check -f deploy/examples/mistakes/CLB004-space-after-comma.yaml -o wide");
    assert_snapshot!("check-wide", ran.out);
}

#[test]
fn json_has_the_documented_shape() {
    let ran = run("check -f deploy/examples/mistakes/CLB004-space-after-comma.yaml -o json");
    assert_eq!(ran.code, 3);
    assert_snapshot!("check-json", ran.out);
}

#[rstest]
#[case("-f deploy/examples/canary/")]
#[case("-f deploy/examples/eni/")]
#[case("-f deploy/examples/local/")]
#[case("-f deploy/examples/outside-ecs/")]
#[case(TWO_CLUSTERS)]
fn a_good_example_is_called_good(#[case] files: &str) {
    let ran = run(&format!("check {files} --fail-on info"));
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);
    let rules = clbmigrate_core::rules::catalogue()
        .filter(|rule| !matches!(rule.check, Check::Change(_) | Check::Departure(_)))
        .count();
    assert!(ran.out.ends_with(&format!(": no findings of {rules} rules\n")), "{}", ran.out);
}

#[rstest]
#[case(DRAINS, "error", 3)]
#[case(DRAINS, "warning", 3)]
#[case(DRAINS, "info", 3)]
#[case(DRAINS, "never", 0)]
#[case(WARNS, "error", 0)]
#[case(WARNS, "warning", 3)]
#[case(INFORMS, "warning", 0)]
#[case(INFORMS, "info", 3)]
#[case(INFORMS, "never", 0)]
fn fail_on_sets_what_fails_in_every_format(
    #[case] file: &str,
    #[case] fail_on: &str,
    #[case] code: i32,
) {
    for format in ["table", "wide", "json", "yaml", "name", "sarif", "junit"] {
        let ran = run(&format!("check -f {file} --fail-on {fail_on} -o {format}"));
        assert_eq!(ran.code, code, "{format}: {}", ran.err);
    }
}

#[rstest]
#[case("error", 3)]
#[case("never", 0)]
fn fail_on_counts_only_what_a_preview_introduces(#[case] fail_on: &str, #[case] code: i32) {
    for format in ["table", "wide", "json", "yaml", "name"] {
        let flags = format!("--fail-on {fail_on} -o {format}");
        let ran = run(&format!("preview web 101 -f deploy/examples/canary {flags}"));
        assert_eq!(ran.code, code, "{format}");
    }
    // The mistake is there already.
    let ran = run(&format!("preview web 101 -f {DRAINS} --fail-on {fail_on}"));
    assert_eq!(ran.code, 0, "{}", ran.out);
}

#[test]
fn an_input_that_cannot_be_read_wins_over_findings() {
    let folder = Folder::new(&[
        ("bad.yaml", "kind: [\n"),
        ("good.yaml", &service("shop", "web", "", "101")),
    ]);
    for (command, format) in [
        ("check", "table"),
        ("check", "json"),
        ("check", "sarif"),
        ("check", "junit"),
        ("status", "yaml"),
    ] {
        let ran = run(&format!("{command} -f {} -o {format}", folder.path("")));
        assert_eq!(ran.code, 1, "{command} {format}");
        assert!(ran.err.starts_with("error: "), "{}", ran.err);
        assert!(ran.err.contains("bad.yaml"), "{}", ran.err);
        // The rest is judged and printed all the same.
        assert!(ran.out.contains("web"), "{}", ran.out);
    }
    let ran = run(&format!("preview web 101 -f {}", folder.path("")));
    assert_eq!(ran.code, 1);
}

#[test]
fn what_could_not_be_read_does_not_look_like_success() {
    let folder = Folder::new(&[("empty.yaml", "")]);
    let ran = run(&format!("check -f {}", folder.path("")));
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains(" rules; 1 input could not be read"), "{}", ran.out);
}

#[test]
fn no_findings_counts_the_rules_that_could_look() {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let files = format!("-f {}", folder.path("s.yaml"));
    let shown = run(&format!("check {files}")).out;
    let needs = shown.lines().find(|line| line.contains(" rules need more: ")).expect("a line");
    let number = |text: &str| text.split(' ').next().and_then(|word| word.parse::<usize>().ok());
    let (silent, run_) = needs.split_once(" of ").expect("numbers");
    let (silent, all) = (number(silent).expect("a number"), number(run_).expect("a number"));
    assert!(silent > 10 && silent < all, "{needs}");
    assert!(shown.ends_with(&format!(": no findings of {} rules\n", all - silent)), "{shown}");
    assert!(needs.ends_with("; -v lists them"), "{needs}");
    let listed = run(&format!("check {files} -v")).out;
    assert!(listed.contains("not looked at: group rsp-bp1web ("), "{listed}");
    assert!(!listed.contains("need more"), "{listed}");
}

#[test]
fn a_document_says_what_has_to_be_given_for_each_thing_that_is_missing() {
    let folder = Folder::new(&[("s.yaml", &service("shop", "web", "", "20"))]);
    let json = run(&format!("check -f {} -o json", folder.path("s.yaml"))).json();
    let missing = json["notLooked"].as_array().expect("a list");
    let need = |what: &str| {
        let found = missing.iter().find(|of| of["what"].as_str() == Some(what));
        found.unwrap_or_else(|| panic!("{what}: {missing:#?}"))["need"].clone()
    };
    assert_eq!(need("group rsp-bp1web"), "clbApi");
    assert_eq!(need("cluster id"), "clusterId");
    assert_eq!(need("default backend-type"), "backendType");
    assert_eq!(need("workloads of Service shop/web"), "clusterObjects");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let ran = run("check -f no-such-file.yaml");
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no-such-file.yaml"), "{}", ran.err);
}

#[test]
fn standard_input_is_read() {
    let yaml = service("shop", "web", "", "101");
    let ran = run_with_input("check -f - -o json", yaml.as_bytes());
    assert_eq!(ran.code, 3);
    assert_eq!(ran.json()["findings"][0]["source"], "-:10");
    let ran = run_with_input("status -f x=- -o name", yaml.as_bytes());
    assert_eq!(ran.out, "service/web -n shop --context x\n");
    let ran = run_with_input("status -f a=- -f b=-", yaml.as_bytes());
    assert_eq!(ran.code, 2);
    let ran = run_with_input("preview -f - --against -", yaml.as_bytes());
    assert_eq!(ran.code, 2);
}

#[test]
fn an_exempt_finding_is_listed_and_an_unknown_exemption_warned_of() {
    let exempt = service("shop", "web", "", "101")
        .replace("annotations:\n", "annotations:\n    clbmigrate.io/allow: CLB001,CLB999\n");
    let folder = Folder::new(&[("s.yaml", &exempt)]);
    let ran = run(&format!("check -f {}", folder.path("s.yaml")));
    assert_eq!(ran.code, 0, "{}", ran.out);
    assert!(ran.out.contains("warning CLB001 Service shop/web (allowed by clbmigrate.io/allow)"));
    assert!(ran.err.contains("names \"CLB999\", which is no rule"), "{}", ran.err);
    let json = run(&format!("check -f {} -o json", folder.path("s.yaml"))).json();
    assert_eq!(json["findings"][0]["allowed"], true);
}

#[rstest]
#[case("status")]
#[case("status -w")]
#[case("check")]
#[case("preview web 30")]
#[case("set web 30 --yes")]
#[case("undo web")]
fn without_files_and_kubeconfig_a_command_says_what_it_needs(#[case] arguments: &str) {
    let ran = run(arguments);
    assert_eq!(ran.code, 1);
    assert!(ran.err.contains("no kubeconfig"), "{}", ran.err);
    assert!(ran.err.contains("--kubeconfig FILE"), "{}", ran.err);
    assert!(ran.err.contains("status -f FILE"), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn new_files_are_needed_beside_old_ones() {
    let ran = run("preview --against x.yaml");
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("needs -f FILE"), "{}", ran.err);
}

#[rstest]
#[case("preview -f x.yaml", "needs a Service and a weight")]
#[case("preview web -f x.yaml", "required arguments")]
#[case("preview web 3 -f x --against y", "cannot be used with")]
#[case("preview -f x --prune", "--against")]
#[case("status -f x -o xml", "invalid value")]
#[case("check -f x --fail-on bad", "invalid value")]
#[case("status -f a=", "names no file")]
#[case("status -f x --kubeconfig y", "cannot be used with")]
#[case("status -f x --overlay y", "cannot be used with")]
#[case("status -f x -w", "cannot be used with")]
#[case("status --contexts a,b --context a", "cannot be used with")]
#[case("status --request-timeout 1d", "is no time")]
#[case("set web", "required arguments")]
#[case("status svc/web -l app=web", "cannot be used with")]
#[case("status deploy/web", "is no kind this command knows")]
#[case("set web none", "set takes a weight")]
#[case("set web 30 -A", "-A names no namespace")]
#[case("set web 30 -l app=web", "-l may match several")]
#[case("set web 30 -f x", "files cannot be changed")]
#[case("set deploy/web 30", "is no kind this command knows")]
#[case("set web 30 --wait --dry-run=server", "cannot be used with")]
#[case("attach web --clb lb-bp1example --vgroup rsp-bp1example", "no colon")]
#[case("attach web --clb lb-bp1example --vgroup a:80 --vgroup b:80 --yes", "more than once")]
#[case("nonsense", "unrecognized subcommand")]
#[case("explain CLB999", "\"CLB999\" is no rule")]
fn a_wrong_command_line_is_a_usage_error(#[case] arguments: &str, #[case] message: &str) {
    let ran = run(arguments);
    assert_eq!(ran.code, 2, "{}", ran.err);
    assert!(ran.err.contains(message), "{}", ran.err);
    assert_eq!(ran.out, "");
}

#[test]
fn explain_tells_all_that_the_catalogue_knows() {
    let ran = run("explain clb007");
    assert_eq!(ran.code, 0);
    assert_snapshot!("explain-007", ran.out);
}

#[test]
fn explain_alone_lists_every_rule_by_family() {
    let ran = run("explain");
    assert_eq!(ran.code, 0);
    for rule in clbmigrate_core::rules::catalogue() {
        let line = ran.out.lines().find(|line| line.starts_with(rule.id)).expect("a line");
        assert!(line.contains(rule.en.title) && line.contains(rule.severity.as_str()), "{line}");
    }
}

#[test]
fn explain_takes_several_rules() {
    let ran = run("explain CLB001 CLB002");
    assert!(ran.out.contains("\n\nCLB002: "), "{}", ran.out);
}

#[test]
fn skipped_kinds_are_counted_when_asked() {
    let files = [("s.yaml", "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n---\n")];
    let folder = Folder::new(&files);
    let quiet = run(&format!("status -f {} -f deploy/examples/canary", folder.path("s.yaml")));
    assert_eq!(quiet.err, "");
    let told = run(&format!("status -v -f {} -f deploy/examples/canary", folder.path("s.yaml")));
    assert!(told.err.contains("skipped 1 object of kinds nobody needs: 1 Secret"), "{}", told.err);
    assert!(told.err.contains("answers of the CLB API"), "{}", told.err);
}
