//! What `docs/injection.md` shows in YAML is what the webhook does, and its recipes name just that.

use std::{collections::BTreeSet, fs, path::Path};

use clbmigrate_core::{
    inject::{self, Action, InjectionContext, Operation, Request, examine},
    object::WorkloadKind,
};
use serde_json::Value;

use crate::program::root;

/// The YAML blocks of a page, in order.
fn blocks(page: &str) -> Vec<Value> {
    let text = fs::read_to_string(root().join("docs").join(page)).expect("a page");
    let blocks = text.split("```yaml\n").skip(1).map(|rest| {
        let (block, _) = rest.split_once("\n```").expect("the end of a block");
        let read = serde_saphyr::from_str(block);
        read.map_err(|error| format!("{page}: {error}\n{block}")).expect("YAML")
    });
    blocks.collect()
}

fn of_kind(kind: &str) -> Vec<Value> {
    blocks("injection.md").into_iter().filter(|block| block["kind"] == kind).collect()
}

/// What the webhook makes of a Deployment with its defaults.
fn injected(deployment: &Value) -> Value {
    let request = Request {
        kind: WorkloadKind::Deployment,
        operation: Operation::Create,
        object: deployment,
        controller_annotations: None,
    };
    let workload = examine(request).expect("a workload");
    let decision = workload.decide(InjectionContext {
        seconds: inject::DEFAULT_SECONDS,
        nodes_sleep: true,
        is_selected: true,
        namespace_is_labelled: false,
    });
    let mut object = deployment.clone();
    if let Action::Patched(patch) = decision.action {
        let patch: json_patch::Patch =
            serde_json::from_value(serde_json::json!(patch)).expect("a patch");
        json_patch::patch(&mut object, &patch).expect("it applies");
    }
    object
}

/// The paths of what one object has and another has not, or otherwise.
fn differences(path: &str, before: &Value, after: &Value, found: &mut BTreeSet<String>) {
    match (before, after) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                let key = key.replace('~', "~0").replace('/', "~1");
                let path = format!("{path}/{key}");
                let old = old.get(key.replace("~1", "/").as_str()).unwrap_or(&Value::Null);
                differences(&path, old, value, found);
            }
        }
        // A map that is new is looked into: recipes name what is in it.
        (Value::Null, Value::Object(new)) if path.ends_with("/sleep") || new.is_empty() => {
            found.insert(path.to_owned());
        }
        (Value::Null, Value::Object(_)) => {
            differences(path, &Value::Object(serde_json::Map::new()), after, found);
        }
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differences(&format!("{path}/{index}"), old, new, found);
            }
        }
        _ if before == after => {}
        _ => {
            found.insert(path.to_owned());
        }
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// A path of jq as a JSON Pointer to the first of each list.
fn pointer(path: &str) -> String {
    path.replace("[]", "/0").replace('.', "/")
}

#[test]
fn the_page_shows_what_becomes_of_a_deployment() {
    let [before, after, in_git] = &of_kind("Deployment")[..] else { panic!("three Deployments") };
    assert_eq!(injected(before), *after);
    assert_eq!(injected(in_git), *in_git, "a hook in Git is left alone");
    assert_eq!(in_git["spec"]["template"]["spec"], after["spec"]["template"]["spec"]);
}

#[test]
fn the_recipe_for_argo_cd_names_all_that_is_added_and_nothing_else() {
    let [before, after, _] = &of_kind("Deployment")[..] else { panic!("three Deployments") };
    let mut added = BTreeSet::new();
    differences("", before, after, &mut added);
    let applications = of_kind("Application");
    let [rule] = &applications[1]["spec"]["ignoreDifferences"].as_array().expect("rules")[..]
    else {
        panic!("one rule")
    };
    assert_eq!((&rule["group"], &rule["kind"]), (&"apps".into(), &"Deployment".into()));
    let pointers = texts(&rule["jsonPointers"]).map(str::to_owned);
    let named: BTreeSet<String> =
        pointers.chain(texts(&rule["jqPathExpressions"]).map(pointer)).collect();
    assert_eq!(named, added);
}

#[test]
fn the_recipe_for_flux_names_what_git_may_name_as_well() {
    let [before, after, _] = &of_kind("Deployment")[..] else { panic!("three Deployments") };
    let releases = of_kind("HelmRelease");
    let rule = &releases[0]["spec"]["driftDetection"]["ignore"][0];
    for path in texts(&rule["paths"]) {
        assert_ne!(before.pointer(path).expect("in Git"), after.pointer(path).expect("stored"));
    }
    assert_eq!(texts(&rule["paths"]).count(), 1);
}

#[test]
fn all_yaml_of_the_pages_can_be_read() {
    let pages = fs::read_dir(root().join("docs")).expect("the pages");
    let paths = pages.map(|page| page.expect("a page").path());
    let paths = paths.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let name = |path: &Path| path.file_name().expect("a name").to_string_lossy().into_owned();
    let read: usize = paths.map(|path| blocks(&name(&path)).len()).sum();
    assert!(read > 8, "{read} blocks");
}
