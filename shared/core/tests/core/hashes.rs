//! The label's value, compared with what CCM's own libraries make of the same Service.
//!
//! `data/hashes.jsonl.gz`: one object a line, `name`, `service` and the `hash` that CCM 2.14's
//! calls to `k8s.io/api` 0.28.15, Go's `encoding/json`, `sigs.k8s.io/yaml` 1.3.0 and SHA-224 give.
use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

use clbmigrate_core::{hash, version::CcmVersion};
use flate2::read::GzDecoder;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
struct Recorded {
    name: String,
    hash: String,
    service: Value,
}

fn recorded() -> Vec<Recorded> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/hashes.jsonl.gz");
    let file = File::open(path).expect("the recorded hashes");
    BufReader::new(GzDecoder::new(file))
        .lines()
        .map(|line| serde_json::from_str(&line.expect("a line")).expect("a recorded hash"))
        .collect()
}

#[test]
fn every_recorded_service_has_the_hash_that_ccm_gives_it() {
    let recorded = recorded();
    assert!(recorded.len() > 1000, "only {} recorded hashes", recorded.len());

    let different: Vec<String> = recorded
        .iter()
        .filter(|recorded| {
            hash::service_hash(&recorded.service, CcmVersion::NEWEST) != recorded.hash
        })
        .map(|recorded| format!("{}: {}", recorded.name, recorded.service))
        .collect();

    assert!(
        different.is_empty(),
        "{} of {} differ, the first:\n{}",
        different.len(),
        recorded.len(),
        different.iter().take(20).map(String::as_str).collect::<Vec<_>>().join("\n")
    );
}

#[test]
fn two_services_of_a_run_of_the_whole_ccm_have_the_hashes_it_wrote() {
    let key =
        |suffix: &str| format!("service.beta.kubernetes.io/alibaba-cloud-loadbalancer-{suffix}");
    let port = |name: &str, port: u16, node_port: u16| json!({"name": name, "protocol": "TCP", "port": port, "targetPort": port, "nodePort": node_port});
    let service = |ports: Value, mapping: &str| {
        json!({
            "metadata": {"annotations": {key("id"): "lb-1", key("vgroup-port"): mapping, key("weight"): "60"}},
            "spec": {"type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "ports": ports},
        })
    };

    let one = service(json!([port("h", 80, 30080)]), "rsp-a:80");
    let two = service(json!([port("h", 80, 30080), port("s", 443, 30443)]), "rsp-a:80,rsp-a:443");

    assert_eq!(
        hash::service_hash(&one, CcmVersion::NEWEST),
        "bff2aba63b2807a6ec9151b4092db64b4e778210b6bae1f8fffd7ab7"
    );
    assert_eq!(
        hash::service_hash(&two, CcmVersion::NEWEST),
        "a5c7da596b07b4db6881320d822c508f3a6a19186da683e14d371083"
    );
}

#[test]
fn keys_whose_order_is_circular_give_a_hash_all_the_same() {
    let service = json!({"metadata": {"annotations": {"a1b": "x", "a2": "x", "a10": "x"}}});

    assert_eq!(hash::service_hash(&service, CcmVersion::NEWEST).len(), 56);
}

#[test]
fn a_service_that_no_api_server_would_send_is_hashed_without_its_odd_fields() {
    let odd = json!({
        "metadata": {"annotations": {"a": 1, "b": "x"}, "deletionTimestamp": 5},
        "spec": {"type": [], "ports": "80", "loadBalancerSourceRanges": {}},
    });
    let plain = json!({"metadata": {"annotations": {"b": "x"}}});

    assert_eq!(
        hash::service_hash(&odd, CcmVersion::NEWEST),
        hash::service_hash(&plain, CcmVersion::NEWEST)
    );
    assert_eq!(
        hash::service_hash(&Value::Null, CcmVersion::NEWEST),
        hash::service_hash(&json!({}), CcmVersion::NEWEST)
    );
}
