//! Rules that need the CLB's API, which the webhook never asks.

use std::{fs, path::Path};

use clbmigrate_core::{
    index::Index,
    object::Service,
    rules,
    snapshot::{Cluster, Object, Snapshot},
};
use rstest::rstest;
use serde_json::{Value, json};

use super::support::*;

/// The objects of a mistake's example, without the answers of the CLB's API that stand beside them.
fn objects(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).expect("an example");
    let documents: Vec<Value> = serde_saphyr::from_multiple(&text).expect("YAML");
    let objects = documents.into_iter().filter(|document| document["kind"].is_string());
    let flat = objects.flat_map(|object| match object["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![object],
    });
    flat.collect()
}

/// All examples of a rule's mistake.
fn examples(rule: &str) -> Vec<Vec<Value>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/examples/mistakes");
    let entries = fs::read_dir(folder).expect("the examples");
    let files = entries.map(|entry| entry.expect("an entry").path());
    let own = files.filter(|file| {
        file.file_name().is_some_and(|name| name.to_string_lossy().starts_with(rule))
    });
    own.map(|file| objects(&file)).collect()
}

/// Whether a rule looks at a Service and misses the CLB's API.
fn misses_evidence(rule: &str, service: &Value) -> bool {
    let service: Service = serde_json::from_value(service.clone()).expect("a Service");
    let mut cluster = Cluster::default();
    cluster.insert(Object::Service(Box::new(service)));
    let snapshot = Snapshot { clusters: vec![cluster], ..Snapshot::default() };
    let report = rules::check(&Index::new(&snapshot), None, &|_| true);
    report.not_looked.iter().any(|missing| missing.rules.contains(&rule))
}

#[rstest]
#[case("CLB022", 1)]
#[case("CLB023", 1)]
#[case("CLB401", 1)]
#[case("CLB407", 1)]
#[case("CLB408", 2)]
#[case("CLB409", 2)]
#[case("CLB413", 1)]
fn rules_that_need_the_cloud_are_silent(#[case] rule: &str, #[case] count: usize) {
    let examples = examples(rule);
    assert_eq!(examples.len(), count, "examples of {rule}");
    for objects in examples {
        let of_kind = |kind: &'static str| {
            objects.iter().filter(move |object| object["kind"] == kind).cloned().collect::<Vec<_>>()
        };
        let id = of_kind("ConfigMap").iter().find_map(|profile| {
            profile["data"]["clusterid"].as_str().map(|id| format!("cluster: {{id: {id}}}"))
        });
        let [service] = of_kind("Service").try_into().expect("one Service");
        assert!(misses_evidence(rule, &service), "{rule} has nothing to look for in {service:#}");

        let cluster =
            || test_cluster().nodes(&of_kind("Node")).config(id.as_deref().unwrap_or_default());
        let created = cluster().create(&service);
        assert_eq!(created.action_on(rule), "", "{rule} at CREATE: {created:?}");
        let edited = with_annotations(&service, &[("connection-drain", json!("on"))]);
        let updated = cluster().with_service(&service).update(&service, &edited);
        assert_eq!(updated.action_on(rule), "", "{rule} at UPDATE: {updated:?}");
    }
}
