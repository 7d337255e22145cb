use std::fmt::Write;

use clbmigrate_cluster::files::Options;
use clbmigrate_core::object::TargetPort;
use rstest::rstest;
use serde_json::{Value, json};

use crate::support::{
    cluster, origin, read, read_well, read_with, service, service_yaml, services,
};

#[rstest]
#[case::one_document(service_yaml("a"), &["default/a"])]
#[case::documents(format!("---\n{}---\n{}", service_yaml("a"), service_yaml("b")), &["default/a", "default/b"])]
#[case::comments_and_empty_documents(
    format!("# head\n---\n---\n# nothing\n--- # one\n{}...\n# tail\n", service_yaml("a")),
    &["default/a"]
)]
#[case::directive(format!("%YAML 1.2\n---\n{}", service_yaml("a")), &["default/a"])]
#[case::end_marker(format!("{}...\n---\n{}", service_yaml("a"), service_yaml("b")), &["default/a", "default/b"])]
#[case::windows_lines(format!("---\n{}---\n{}", service_yaml("a"), service_yaml("b")).replace('\n', "\r\n"), &["default/a", "default/b"])]
#[case::byte_order_mark(format!("\u{feff}{}", service_yaml("a")), &["default/a"])]
#[case::byte_order_mark_and_marker(format!("\u{feff}---\n{}", service_yaml("a")), &["default/a"])]
#[case::json_in_yaml(format!("--- {}\n---\n{}\n", service("a"), service("b")), &["default/a", "default/b"])]
#[case::list(
    "kind: List\nitems:\n- {kind: Service, metadata: {name: a}}\n- kind: Service\n  metadata:\n    name: b\n".to_owned(),
    &["default/a", "default/b"]
)]
#[case::list_with_kind_last("items:\n- metadata: {name: a}\nkind: ServiceList\n".to_owned(), &["default/a"])]
#[case::array("- {kind: Service, metadata: {name: a}}\n".to_owned(), &["default/a"])]
#[case::indented_start("\n\n  kind: Service\n  metadata: {name: a}\n".to_owned(), &["default/a"])]
#[case::marker_in_a_block(
    format!("kind: ConfigMap\nmetadata: {{name: x}}\ndata:\n  x: |\n    ---\n    kind: Service\n---\n{}", service_yaml("a")),
    &["default/a"]
)]
#[case::no_last_line_break(service_yaml("a").trim_end().to_owned(), &["default/a"])]
fn objects_are_found_in_every_shape_of_yaml(#[case] yaml: String, #[case] expected: &[&str]) {
    let loaded = read_well("x.yaml", yaml);
    assert_eq!(services(cluster(&loaded)), expected);
}

#[test]
fn a_syntax_error_loses_one_document_only() {
    let yaml =
        format!("{}---\nkind: [\nmetadata: {{\n---\n{}", service_yaml("a"), service_yaml("b"));
    let (loaded, problems) = read("x.yaml", yaml);
    assert_eq!(services(cluster(&loaded)), ["default/a", "default/b"]);
    assert_eq!(problems.len(), 1);
    assert!(problems[0].starts_with("x.yaml:"), "{problems:?}");
    assert!(problems[0].ends_with("; this document was not read"), "{problems:?}");
}

#[rstest]
#[case::colon(
    "a: b: c\n",
    "x.yaml:9: not valid YAML: mapping values are not allowed in this context"
)]
#[case::tab(
    "kind: Service\n\tmetadata: 1\n",
    "x.yaml:9: not valid YAML: while scanning a plain scalar, found a tab"
)]
#[case::duplicate_key(
    "kind: Service\nmetadata:\n  name: a\n  name: b\n",
    "x.yaml:12: not valid YAML: duplicate mapping key"
)]
#[case::template(
    "kind: Service\nmetadata:\n  name: {{ .Values.name }}\n",
    "x.yaml:11: not valid YAML: "
)]
#[case::not_finite(
    "kind: Service\nx: .nan\n",
    "x.yaml:10: not valid YAML: value `.nan` is not a finite number"
)]
#[case::unknown_anchor("kind: *nowhere\n", "x.yaml:9: not valid YAML: reference to unknown value")]
fn an_error_in_yaml_is_named_with_its_line(#[case] document: &str, #[case] problem: &str) {
    let (loaded, problems) = read("x.yaml", format!("{}---\n{document}", service_yaml("a")));
    assert_eq!(loaded.objects, 1);
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert!(problems[0].starts_with(problem), "{problems:?}");
    assert!(!problems[0].contains(" at line "), "the line stands in front: {problems:?}");
}

#[test]
fn lines_lead_to_objects_and_to_what_findings_name() {
    let yaml = "\
# shop
---
apiVersion: v1
kind: Service
metadata:
  name: web
  annotations:
    # the weight
    a/one: |
      two
      lines
    a/two: \"80\"
spec:
  annotations:
    a/three: x
  type: LoadBalancer
  ports:
  - port: 80
---

apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  template:
    metadata:
      annotations:
        a/four: x
    spec:
      terminationGracePeriodSeconds: 5
      containers:
      - image: one
        name: first
      - name: second
";
    let loaded = read_well("x.yaml", yaml);
    let cluster = cluster(&loaded);
    let service = cluster.service("default", "web").expect("the Service");
    let at = origin(&service.metadata);
    assert!(at.file.ends_with("/x.yaml"));
    assert_eq!(at.line, 3);
    for (path, line) in [
        ("metadata.annotations[a/one]", 9),
        ("metadata.annotations[a/two]", 12),
        ("metadata.annotations[a/absent]", 3),
        ("spec.annotations[a/three]", 15),
        ("spec.type", 16),
        ("spec.ports[0].port", 17),
    ] {
        assert_eq!(at.line_of(path), line, "{path}");
    }
    let workload = cluster.workloads().next().expect("the Deployment");
    let at = origin(&workload.metadata);
    assert_eq!(at.line, 21);
    for (path, line) in [
        ("spec.template.metadata.annotations[a/four]", 28),
        ("spec.template.spec.terminationGracePeriodSeconds", 30),
        ("spec.template.spec.containers[first].readinessProbe", 32),
        ("spec.template.spec.containers[second]", 34),
    ] {
        assert_eq!(at.line_of(path), line, "{path}");
    }
}

#[test]
fn items_of_a_list_in_yaml_have_their_own_lines() {
    let yaml = "kind: List\nitems:\n- kind: Service\n  metadata: {name: a}\n\n- metadata:\n    name: b\n  kind: Service\n";
    let loaded = read_well("x.yaml", yaml);
    let line = |name| {
        origin(&cluster(&loaded).service("default", name).expect("the Service").metadata).line
    };
    assert_eq!((line("a"), line("b")), (3, 6));
}

#[test]
fn a_wrong_value_in_yaml_is_named_with_path_and_line() {
    let yaml =
        "---\nkind: Service\nmetadata: {name: a}\nspec:\n  ports:\n  - name: x\n    port: eighty\n";
    let (_, problems) = read("x.yaml", yaml);
    assert_eq!(
        problems,
        ["x.yaml:7: Service a: spec.ports[0].port: invalid type: string \"eighty\", expected u16"]
    );
}

#[rstest]
#[case("80", json!(80))]
#[case("080", json!(80))]
#[case("010", json!(8))]
#[case("0x1f", json!(31))]
#[case("1e3", json!(1000))]
#[case("2.5", json!(2.5))]
#[case("-1", json!(-1))]
#[case("on", json!(true))]
#[case("yes", json!(true))]
#[case("Off", json!(false))]
#[case("~", json!(null))]
#[case("", json!(null))]
#[case("[80]", json!([80]))]
#[case("{a: }", json!({ "a": null }))]
fn an_unquoted_value_is_what_kubernetes_takes_it_for(#[case] text: &str, #[case] expected: Value) {
    let yaml = format!("kind: Service\nmetadata:\n  name: a\n  annotations:\n    x: {text}\n");
    let loaded = read_well("x.yaml", yaml);
    let service = cluster(&loaded).service("default", "a").expect("the Service");
    let found: Vec<_> = service.metadata.annotations.not_strings().collect();
    assert_eq!(found, [("x", &expected)]);
}

#[rstest]
#[case("\"80\"", "80")]
#[case("'on'", "on")]
#[case("!!str 80", "80")]
#[case("5m", "5m")]
#[case("80:rsp-x", "80:rsp-x")]
#[case("2026-01-01", "2026-01-01")]
#[case("1.2.3", "1.2.3")]
#[case("\"a\\\"b\\\\\\n\\u0001é\"", "a\"b\\\n\u{1}é")]
#[case(">-\n      two\n      words", "two words")]
fn a_string_stays_one(#[case] text: &str, #[case] expected: &str) {
    let yaml = format!("kind: Service\nmetadata:\n  name: a\n  annotations:\n    x: {text}\n");
    let loaded = read_well("x.yaml", yaml);
    let service = cluster(&loaded).service("default", "a").expect("the Service");
    assert_eq!(service.metadata.annotations.get("x"), Some(expected));
}

#[test]
fn labels_that_are_no_strings_and_numbers_as_keys_are_tolerated() {
    let yaml = "kind: Service\nmetadata:\n  name: a\n  labels: {1: 2, on: yes}\nspec:\n  ports:\n  - port: 80\n    targetPort: http\n";
    let loaded = read_well("x.yaml", yaml);
    let service = cluster(&loaded).service("default", "a").expect("the Service");
    assert_eq!(service.metadata.labels.get("1").map(String::as_str), Some("2"));
    assert_eq!(service.metadata.labels.get("on").map(String::as_str), Some("true"));
    assert_eq!(service.spec.ports[0].target(), TargetPort::Name("http".to_owned()));
}

#[test]
fn anchors_and_merge_keys_are_followed() {
    let yaml = "\
x: &base {team: shop, tier: one}
kind: Service
metadata:
  name: a
  labels:
    <<: *base
    tier: two
";
    let loaded = read_well("x.yaml", yaml);
    let labels = &cluster(&loaded).service("default", "a").expect("the Service").metadata.labels;
    let label = |key| labels.get(key).map(String::as_str);
    assert_eq!((label("team"), label("tier")), (Some("shop"), Some("two")));
}

/// Aliases of aliases: nine levels of nine are 387 million values.
fn bomb() -> String {
    let mut yaml = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let below = vec![format!("*a{}", level - 1); 9].join(",");
        writeln!(yaml, "a{level}: &a{level} [{below}]").expect("a string");
    }
    yaml
}

/// Few aliases, of much text.
fn heavy_bomb() -> String {
    let mut yaml = format!("a: &a {}\nb:\n", "x".repeat(100_000));
    yaml.extend(std::iter::repeat_n("- *a\n", 40_000));
    yaml
}

#[rstest]
#[case::many_values(
    bomb(),
    "x.yaml:6: not valid YAML: its aliases come to far more than is written"
)]
#[case::much_text(
    heavy_bomb(),
    "x.yaml:169: not valid YAML: its aliases come to far more than is written"
)]
#[case::nesting("[".repeat(100_000), "x.yaml:1: not valid YAML: recursion limit exceeded")]
#[case::block_nesting("- ".repeat(100_000), "x.yaml:1: not valid YAML: nested deeper than 64 levels")]
#[case::recursion("a: &a [*a]".to_owned(), "x.yaml:1: not valid YAML: Recursive reference not allowed here")]
fn a_yaml_bomb_is_a_problem_with_a_line_and_the_rest_is_read(
    #[case] bomb: String,
    #[case] problem: &str,
) {
    let (loaded, problems) = read("x.yaml", format!("{bomb}\n---\n{}", service_yaml("a")));
    assert_eq!(services(cluster(&loaded)), ["default/a"]);
    assert_eq!(problems, [format!("{problem}; this document was not read")]);
}

#[test]
fn yaml_beyond_the_limit_is_refused_with_the_way_out() {
    let options = Options { yaml_limit: 1024, ..Options::default() };
    let yaml = service_yaml("a") + &"# more\n".repeat(1000);
    let (loaded, problems) = read_with("x.yaml", &yaml, &options);
    assert_eq!(loaded.objects, 0);
    assert_eq!(
        problems,
        [
            "x.yaml: holds more than 1 KiB of YAML; give it as JSON (-o json), which has no such limit"
        ]
    );
    let exact = Options { yaml_limit: yaml.len() as u64, ..Options::default() };
    assert!(read_with("x.yaml", &yaml, &exact).1.is_empty());
}

#[test]
fn a_large_document_of_plain_values_is_no_bomb() {
    let mut yaml = "kind: List\nitems:\n".to_owned();
    for index in 0..20_000 {
        writeln!(yaml, "- {{kind: Service, metadata: {{name: web-{index}, labels: {{a: b}}}}}}")
            .expect("a string");
    }
    let loaded = read_well("x.yaml", yaml);
    assert_eq!(loaded.objects, 20_000);
}
