//! What it costs to read, judge and answer one review, by size of the cluster: nothing of the network.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    missing_docs,
    reason = "a benchmark may fail, and tells what it measures"
)]

#[path = "../tests/support/memory_claims.rs"]
mod memory_claims;

use std::{hint::black_box, sync::Arc, time::Duration};

use clbmigrate_webhook::{
    Webhook,
    admission::{AdmissionHandler, NoApiReader},
    cache::Cache,
    config::Config,
    metrics::Metrics,
};
use criterion::{
    Criterion, criterion_group, criterion_main,
    measurement::{Measurement, ValueFormatter, WallTime},
};
use futures::executor::block_on;
use memory_claims::{MemoryClaims, memory_claims};
use rustix::time::{ClockId, clock_gettime};
use serde_json::{Value, json};

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A Service as an API server holds it, managed fields and all.
fn service(index: usize, weight: &str) -> Value {
    let annotations = json!({
        format!("{PREFIX}id"): format!("lb-bp1example{}", index / 50),
        format!("{PREFIX}vgroup-port"): format!("rsp-bp1example{index}:80"),
        format!("{PREFIX}weight"): weight,
        format!("{PREFIX}address-type"): "intranet",
        "service.beta.kubernetes.io/backend-type": "ecs",
    });
    let fields: Value = annotations
        .as_object()
        .expect("a map")
        .keys()
        .map(|key| (format!("f:{key}"), json!({})))
        .collect::<serde_json::Map<_, _>>()
        .into();
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": format!("web-{index}"), "namespace": format!("shop-{}", index / 100),
            "uid": "5d0a4c0e-8d5f-4f0e-9d8b-0f6f2f0c1a11", "resourceVersion": "482913",
            "creationTimestamp": "2026-11-01T08:00:00Z",
            "labels": {"app": "web", "team": "shop", "service.beta.kubernetes.io/hash": "1a2b3c4d5e6f"},
            "finalizers": ["service.k8s.alibaba/resources"],
            "annotations": annotations,
            "managedFields": [
                {"manager": "kubectl-client-side-apply", "operation": "Update", "apiVersion": "v1",
                 "time": "2026-11-01T08:00:00Z", "fieldsType": "FieldsV1", "fieldsV1": {
                    "f:metadata": {"f:annotations": fields, "f:labels": {"f:app": {}, "f:team": {}}},
                    "f:spec": {"f:externalTrafficPolicy": {}, "f:ports": {"k:{\"port\":80,\"protocol\":\"TCP\"}":
                        {".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}},
                        "f:selector": {}, "f:type": {}}}},
                {"manager": "cloud-controller-manager", "operation": "Update", "apiVersion": "v1",
                 "time": "2026-11-01T08:00:05Z", "fieldsType": "FieldsV1", "subresource": "status",
                 "fieldsV1": {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}},
            ],
        },
        "spec": {
            "type": "LoadBalancer", "clusterIP": "10.0.12.7", "clusterIPs": ["10.0.12.7"],
            "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack", "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster", "internalTrafficPolicy": "Cluster",
            "allocateLoadBalancerNodePorts": true, "selector": {"app": format!("web-{index}")},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
        "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.10"}]}},
    })
}

fn update(old: &Value, new: &Value) -> Vec<u8> {
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "0c7e1d5e-5f9e-4b57-a4e0-6a5a3c1d9a10",
            "kind": {"group": "", "version": "v1", "kind": "Service"},
            "resource": {"group": "", "version": "v1", "resource": "services"},
            "requestKind": {"group": "", "version": "v1", "kind": "Service"},
            "requestResource": {"group": "", "version": "v1", "resource": "services"},
            "name": new["metadata"]["name"], "namespace": new["metadata"]["namespace"],
            "operation": "UPDATE",
            "userInfo": {"username": "jane@example.com", "groups": ["developers", "system:authenticated"]},
            "object": new, "oldObject": old, "dryRun": false,
            "options": {"apiVersion": "meta.k8s.io/v1", "kind": "UpdateOptions", "fieldManager": "kubectl-annotate"},
        },
    })
    .to_string()
    .into_bytes()
}

fn admission(services: usize, nodes: usize) -> AdmissionHandler<MemoryClaims, NoApiReader> {
    let cache = Arc::new(Cache::default());
    for index in 0..services {
        cache.put_service(&service(index, "60").to_string()).expect("a Service");
    }
    cache
        .put_nodes((0..nodes).map(|index| {
            json!({
                "metadata": {"name": format!("node-{index}")},
                "spec": {"providerID": format!("cn-example.i-bp1node{index}")},
                "status": {"conditions": [{"type": "Ready", "status": "True"}],
                    "nodeInfo": {"kubeletVersion": "v1.33.1"}},
            })
            .to_string()
        }))
        .expect("nodes");
    let config = Arc::new(arc_swap::ArcSwap::from_pointee(Config::default()));
    let claims = memory_claims(&cache, []);
    AdmissionHandler::new(cache, config, Arc::new(Metrics::default()), claims, NoApiReader)
}

/// The processor's time of this thread: what others do on the machine does not count.
struct CpuTime;

impl Measurement for CpuTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        let nanos = u32::try_from(now.tv_nsec).expect("below 10^9");
        Duration::new(u64::try_from(now.tv_sec).expect("after the start"), nanos)
    }

    fn end(&self, start: Duration) -> Duration {
        self.start().saturating_sub(start)
    }

    fn add(&self, a: &Duration, b: &Duration) -> Duration {
        *a + *b
    }

    fn zero(&self) -> Duration {
        Duration::ZERO
    }

    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

fn review(criterion: &mut Criterion<CpuTime>) {
    let old = service(7, "60");
    let reviews = [
        ("weight 60 to 40", update(&old, &service(7, "40"))),
        ("weight 60 to 101, refused", update(&old, &service(7, "101"))),
    ];
    println!("a review has {} bytes, a Service {}", reviews[0].1.len(), old.to_string().len());
    for (services, nodes) in [(10, 0), (10_000, 0), (10, 3), (10, 500)] {
        let admission = admission(services, nodes);
        for (name, body) in &reviews {
            let name = format!("{name}, {services} Services, {nodes} nodes");
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    block_on(admission.review(Webhook::ValidateServices, black_box(body)))
                        .expect("an answer")
                });
            });
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().with_measurement(CpuTime);
    targets = review
}
criterion_main!(benches);
