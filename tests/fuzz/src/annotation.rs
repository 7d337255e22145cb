//! Target: the annotations of a Service, one a line, as `KEY=VALUE`.

use clbmigrate_core::{
    annotation::{self, clb_id_problem, nearest_known_key, parse_integer, parse_weight},
    index::{Index, ServiceRef},
    listener,
    object::{Annotations, Service, ServicePort},
    rules,
    snapshot::{Cluster, Snapshot},
};
use serde_json::{Value, json};

/// Reads each value in every way, and judges a Service that carries all of them.
pub fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let pairs: Vec<(&str, &str)> =
        text.lines().map(|line| line.split_once('=').unwrap_or(("", line))).collect();
    for (key, value) in &pairs {
        check_key(key);
        check_value(value);
    }
    check_service(&pairs);
}

fn check_key(key: &str) {
    if let Some(nearest) = nearest_known_key(key) {
        assert_ne!(nearest, key, "a key is not its own correction");
        assert_eq!(nearest_known_key(&nearest), None, "{nearest} needs no correction");
    }
    if let Some(suffix) = annotation::suffix_of(key) {
        assert!(key.ends_with(suffix), "{suffix} is no suffix of {key}");
        assert_eq!(annotation::suffix_of(&annotation::full_key(suffix)), Some(suffix));
    }
}

fn check_value(value: &str) {
    if let Ok(number) = parse_integer(value) {
        assert_eq!(parse_integer(&number.to_string()), Ok(number), "{value}");
    }
    if let Ok(weight) = parse_weight(value) {
        assert_eq!(parse_weight(&weight.to_string()), Ok(weight), "{value}");
    }
    if let Some(tidy) = annotation::tidy_clb_id(value) {
        assert_eq!(clb_id_problem(tidy), None, "{value:?}, tidied");
    }
    let port = ServicePort {
        name: String::new(),
        protocol: "TCP".to_owned(),
        port: 80,
        target_port: None,
        node_port: 0,
    };
    if let Ok(protocol) = listener::protocol(value, &port) {
        let written = format!("{protocol}:80");
        assert_eq!(listener::protocol(&written, &port), Ok(protocol), "{value}");
    }
    if let Ok(Some(to)) = listener::forward_port(value, &port) {
        let written = format!("80:{to}");
        assert_eq!(listener::forward_port(&written, &port), Ok(Some(to)), "{value}");
    }
}

/// Judges a Service twice, and changes it as each finding proposes.
fn check_service(pairs: &[(&str, &str)]) {
    let annotations: serde_json::Map<String, Value> =
        pairs.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
    let object = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "web", "namespace": "shop", "annotations": annotations},
        "spec": {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [
            {"name": "http", "port": 80, "targetPort": 8080, "nodePort": 30080},
            {"name": "https", "port": 443, "targetPort": 8443, "nodePort": 30443},
        ]},
    });
    let service: Service = serde_json::from_value(object.clone()).expect("a Service");
    let read: &Annotations = &service.metadata.annotations;
    for (key, value) in &annotations {
        assert_eq!(read.get(key), value.as_str(), "{key}");
    }
    let findings = findings_on(&service);
    assert_eq!(findings, findings_on(&service), "a Service is judged in one way");
    for (rule, patch) in findings {
        let mut patched = object.clone();
        let patch: json_patch::Patch = serde_json::from_value(patch).expect("a JSON Patch");
        json_patch::patch(&mut patched, &patch)
            .unwrap_or_else(|error| panic!("the patch of {rule} does not apply: {error}"));
        serde_json::from_value::<Service>(patched)
            .unwrap_or_else(|error| panic!("the patch of {rule} makes no Service: {error}"));
    }
}

/// What the rules say about a Service that is alone in its cluster: the rule and the patch.
fn findings_on(service: &Service) -> Vec<(String, Value)> {
    let mut cluster = Cluster::default();
    cluster.replace_service(service.clone());
    let snapshot = Snapshot { clusters: vec![cluster], ..Snapshot::default() };
    let index = Index::new(&snapshot);
    let cluster = snapshot.clusters.first().expect("a cluster");
    let service = cluster.service("shop", "web").expect("the Service");
    let report =
        rules::check_service(&index, None, ServiceRef { cluster_index: 0, cluster, service });
    let findings = report.findings.iter();
    findings
        .map(|finding| {
            let patch = serde_json::to_value(&finding.patch).expect("a patch");
            (finding.rule.to_string(), patch)
        })
        .collect()
}
