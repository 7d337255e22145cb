//! What it costs to compute a Service's backends, all routes, and all rules, by size of the cluster.
#![allow(clippy::expect_used, missing_docs)]

use std::hint::black_box;

use clbmigrate_core::{
    index::Index,
    object::{EndpointSlice, Node, Service},
    prediction::Prediction,
    route::Route,
    rules,
    snapshot::{Cluster, Object, Snapshot},
};
use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::{Value, json};

fn read<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("an object")
}

fn build_snapshot(services: usize, nodes: usize) -> Snapshot {
    let mut cluster = Cluster::default();
    for index in 0..nodes {
        cluster.insert(Object::Node(Box::new(read::<Node>(json!({
            "metadata": {"name": format!("node-{index}")},
            "spec": {"providerID": format!("cn-example.i-bp1node{index}")},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        })))));
    }
    cluster.nodes_listed = true;
    for index in 0..services {
        let name = format!("web-{index}");
        cluster.insert(Object::Service(Box::new(read::<Service>(json!({
            "metadata": {"name": name, "namespace": "shop", "annotations": {
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-bp1example",
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-vgroup-port": format!("rsp-bp{index}:80"),
                "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight": "80",
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": name},
                "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30080}]},
        })))));
        cluster.insert(Object::EndpointSlice(Box::new(read::<EndpointSlice>(json!({
            "metadata": {"name": name, "namespace": "shop",
                "labels": {"kubernetes.io/service-name": name}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true},
                "nodeName": "node-0"}],
            "ports": [{"port": 8080}],
        })))));
    }
    Snapshot { clusters: vec![cluster], ..Snapshot::default() }
}

fn snapshot(criterion: &mut Criterion) {
    for (services, nodes) in [(10, 10), (1_000, 50), (1_000, 500)] {
        let snapshot = build_snapshot(services, nodes);
        let size = format!("{services} Services, {nodes} nodes");
        criterion.bench_function(&format!("index: {size}"), |bencher| {
            bencher.iter(|| Index::new(black_box(&snapshot)));
        });
        let index = Index::new(&snapshot);
        criterion.bench_function(&format!("routes: {size}"), |bencher| {
            bencher.iter(|| {
                let keys: Vec<_> = index.routes().map(|(key, _)| *key).collect();
                let build = |key| Route::build(&index, key, &Prediction::default()).weight_sum();
                keys.into_iter().map(build).sum::<u64>()
            });
        });
        criterion.bench_function(&format!("rules: {size}"), |bencher| {
            bencher.iter(|| rules::check(&index, None, &|_| true).findings.len());
        });
    }
}

criterion_group!(benches, snapshot);
criterion_main!(benches);
