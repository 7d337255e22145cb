//! Machine formats: real output against the schemas, YAML against JSON, SARIF, JUnit.

use quick_xml::{Reader, XmlVersion, events::Event};
use rstest::rstest;
use serde_json::Value;

use crate::{
    program::{Folder, TWO_CLUSTERS, root, run, service},
    released,
};

/// A schema of `docs/schema`.
fn schema(name: &str) -> Value {
    let path = root().join(format!("docs/schema/{name}.schema.json"));
    serde_json::from_str(&std::fs::read_to_string(path).expect("the schema")).expect("JSON")
}

/// Holds a document against its schema, today's and the released one.
pub fn assert_valid(name: &str, document: &Value) {
    for schema in [schema(name), released::open_schema(name)] {
        let validator = jsonschema::validator_for(&schema).expect("a schema");
        let problems: Vec<String> = validator
            .iter_errors(document)
            .map(|error| format!("{error} at {}", error.instance_path()))
            .collect();
        assert!(problems.is_empty(), "{problems:#?}");
    }
}

/// Every mistake that is one file.
fn mistakes() -> Vec<String> {
    let folder = std::fs::read_dir(root().join("deploy/examples/mistakes")).expect("the examples");
    let names =
        folder.map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"));
    let mut files: Vec<String> = names
        .filter(|name| std::path::Path::new(name).extension().is_some_and(|end| end == "yaml"))
        .map(|name| format!("-f deploy/examples/mistakes/{name}"))
        .collect();
    files.sort();
    assert!(files.len() > 40);
    files
}

#[test]
fn what_is_written_follows_the_schemas() {
    let good = ["canary", "eni", "local", "outside-ecs"];
    let mut inputs: Vec<String> =
        good.iter().map(|name| format!("-f deploy/examples/{name}/")).collect();
    inputs.extend(mistakes());
    inputs.push(TWO_CLUSTERS.to_owned());
    for input in inputs {
        assert_valid("check-report", &run(&format!("check {input} -o json")).json());
        assert_valid("route-list", &run(&format!("status {input} -o json")).json());
    }
    for weight in ["40", "101", "none", "20"] {
        let ran = run(&format!("preview web {weight} -f deploy/examples/canary/ -o json"));
        assert_valid("preview", &ran.json());
    }
    let folder = "deploy/examples/mistakes/CLB404-type-changed";
    let ran =
        run(&format!("preview -f {folder}/after.yaml --against {folder}/before.yaml -o json"));
    assert_valid("preview", &ran.json());
}

#[test]
fn a_document_of_another_shape_breaks_the_schema() {
    let validator = jsonschema::validator_for(&schema("route-list")).expect("a schema");
    let mut document = run("status -f deploy/examples/canary/ -o json").json();
    document["routes"][0]["participants"][0]["outcome"] = Value::from("melted");
    assert!(!validator.is_valid(&document));
    document["kind"] = Value::from("List");
    assert!(!validator.is_valid(&document));
}

#[rstest]
#[case("status")]
#[case("check")]
fn yaml_says_what_json_says(#[case] command: &str) {
    for input in mistakes() {
        let json = run(&format!("{command} {input} -o json")).json();
        let yaml = run(&format!("{command} {input} -o yaml")).out;
        let read: Value = serde_saphyr::from_str(&yaml).expect("YAML");
        assert_eq!(read, json, "{input}");
    }
}

#[test]
fn yaml_says_what_json_says_of_a_preview_with_odd_values() {
    for weight in ["1e3", "on", "~", "0x10", "-5", "a: b", "#", "'", "\"\\", "null", "é\t"] {
        let preview = |format: &str| {
            let mut command = crate::program::command();
            command.args(["preview", "web", weight, "-f", "deploy/examples/canary/", "-o", format]);
            crate::program::finish(&mut command)
        };
        let read: Value = serde_saphyr::from_str(&preview("yaml").out).expect("YAML");
        assert_eq!(read, preview("json").json(), "{weight:?}");
    }
}

#[test]
fn sarif_names_rules_levels_and_places() {
    let ran = run("check -f deploy/examples/mistakes/CLB001-weight-101.yaml -o sarif");
    let log = ran.json();
    assert_eq!(log["version"], "2.1.0");
    let rules = log.pointer("/runs/0/tool/driver/rules").and_then(Value::as_array).expect("rules");
    assert_eq!(rules.len(), clbmigrate_core::rules::catalogue().count());
    assert!(
        rules
            .iter()
            .all(|rule| rule["help"]["text"].is_string() && rule["help"]["markdown"].is_string())
    );
    let result = log.pointer("/runs/0/results/0").expect("a result");
    assert_eq!(
        (&result["ruleId"], &result["level"]),
        (&Value::from("CLB001"), &Value::from("error"))
    );
    let index = usize::try_from(result["ruleIndex"].as_u64().expect("an index")).expect("small");
    assert_eq!(rules[index]["id"], "CLB001");
    let place = result.pointer("/locations/0/physicalLocation").expect("a place");
    assert_eq!(place["artifactLocation"]["uri"], "deploy/examples/mistakes/CLB001-weight-101.yaml");
    assert_eq!(place["region"]["startLine"], 12);
    assert_eq!(log.pointer("/runs/0/invocations/0/executionSuccessful"), Some(&Value::from(true)));
}

#[test]
fn sarif_turns_remarks_into_notes_and_tells_what_could_not_be_read() {
    let log = run("check -f deploy/examples/mistakes/CLB401-small-weight.yaml -o sarif").json();
    assert_eq!(log.pointer("/runs/0/results/0/level"), Some(&Value::from("note")));
    let folder = Folder::new(&[("bad.yaml", "kind: [\n")]);
    let log = run(&format!("check -f {} -o sarif", folder.path("bad.yaml"))).json();
    let invocation = log.pointer("/runs/0/invocations/0").expect("an invocation");
    assert_eq!(invocation["executionSuccessful"], false);
    assert_eq!(invocation["toolExecutionNotifications"][0]["level"], "error");
}

#[test]
fn sarif_paths_are_relative_to_where_it_runs() {
    let file = root().join("deploy/examples/mistakes/CLB001-weight-101.yaml");
    let log = run(&format!("check -f {} -o sarif", file.display())).json();
    assert_eq!(
        log.pointer("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri"),
        Some(&Value::from("deploy/examples/mistakes/CLB001-weight-101.yaml"))
    );
}

/// Element names and attributes of an XML document, which must be well-formed.
fn elements(xml: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut reader = Reader::from_str(xml);
    let mut elements = Vec::new();
    loop {
        match reader.read_event().expect("well-formed XML") {
            Event::Eof => return elements,
            Event::Start(tag) | Event::Empty(tag) => {
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.expect("an attribute");
                    let key = attribute.key.as_ref().to_owned();
                    let value = attribute
                        .normalized_value(XmlVersion::Implicit1_0)
                        .expect("a value")
                        .into_owned();
                    (key, value)
                });
                let name = tag.name().as_ref().to_owned();
                let attributes = attributes.collect();
                elements.push((name, attributes));
            }
            _ => {}
        }
    }
}

fn count(elements: &[(String, Vec<(String, String)>)], name: &str) -> usize {
    elements.iter().filter(|(element, _)| element == name).count()
}

#[rstest]
#[case("error", 1, 0)]
#[case("never", 0, 1)]
fn junit_fails_what_fail_on_covers_and_tells_the_rest(
    #[case] fail_on: &str,
    #[case] failures: usize,
    #[case] told: usize,
) {
    let file = "deploy/examples/mistakes/CLB001-weight-101.yaml";
    let xml = run(&format!("check -f {file} -o junit --fail-on {fail_on}")).out;
    let elements = elements(&xml);
    assert_eq!(count(&elements, "failure"), failures);
    assert_eq!(count(&elements, "system-out"), told);
    assert!(count(&elements, "skipped") > 0, "rules that could not look are not passed");
    let (_, attributes) = &elements[0];
    let cases = count(&elements, "testcase").to_string();
    assert!(attributes.contains(&("tests".to_owned(), cases)), "{attributes:?}");
    assert!(attributes.contains(&("failures".to_owned(), failures.to_string())), "{attributes:?}");
}

#[test]
fn junit_tells_what_could_not_be_read_and_holds_no_forbidden_character() {
    let odd = service("shop", "web", "", "\\u0001<&>\\\"");
    let folder = Folder::new(&[("bad.yaml", "kind: [\n"), ("odd.yaml", &odd)]);
    let ran = run(&format!("check -f {} -o junit", folder.path("")));
    assert_eq!(ran.code, 1);
    assert!(!ran.out.contains('\u{1}'));
    assert_eq!(count(&elements(&ran.out), "error"), 1);
}

#[test]
fn names_of_objects_with_findings_are_listed_once() {
    let ran = run("check -f deploy/examples/mistakes/CLB301-no-readiness-probe.yaml -o name");
    assert_eq!(ran.out, "deployment.apps/web -n shop\n");
    let ran = run("check -f deploy/examples/mistakes/CLB001-weight-101.yaml -o name -n shop");
    assert_eq!(ran.out, "service/web\n");
}
