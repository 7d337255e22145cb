//! A cluster with many Services, their endpoints, and nodes.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use clbmigrate_load::populate;
use clbmigrate_load::review::{NAMESPACE, manifest};
use clbmigrate_testbed::{Cluster, Plan, Testbed, Version};
use k8s_openapi::api::core::v1::{Node, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::Api;
use serde_json::{Value, json};

const NAME: &str = "large";
/// One in so many Services is migrated.
const MIGRATED: u32 = 5;
/// Ready pods of each Service, on different nodes.
pub(crate) const PODS: u32 = 2;

pub(crate) struct LargeCluster {
    testbed: Testbed,
}

impl LargeCluster {
    /// Starts it; some Services are migrated, and every one has an EndpointSlice.
    pub fn start(services: u32, nodes: u32) -> Result<Self> {
        let testbed = Testbed::start(&Plan::new().cluster(NAME, Version::NEWEST))?;
        testbed.cluster(NAME)?.run_kubectl(&["create", "namespace", NAMESPACE])?;
        populate::stop_controllers(testbed.folder(), 1)?;
        let kubeconfig = testbed.cluster(NAME)?.kubeconfig();
        runtime()?.block_on(async {
            let client = populate::client(&kubeconfig).await?;
            let all = Api::<Node>::all(client.clone());
            populate::create(&all, (0..nodes).map(populate::node)).await?;
            populate::make_ready(&all, 0..nodes).await?;
            let api = Api::<Service>::namespaced(client.clone(), NAMESPACE);
            populate::create(&api, (0..services).map(service)).await?;
            let api = Api::<EndpointSlice>::namespaced(client, NAMESPACE);
            populate::create(&api, (0..services).map(|number| slice(number, nodes))).await
        })?;
        Ok(Self { testbed })
    }

    pub fn cluster(&self) -> Result<Cluster<'_>> {
        self.testbed.cluster(NAME)
    }

    /// How long it takes to read the three lists as bytes, at once, over one new connection, and to
    /// do nothing with them.
    pub fn raw_lists(&self) -> Result<Duration> {
        let kubeconfig = self.cluster()?.kubeconfig();
        let start = Instant::now();
        runtime()?.block_on(async {
            let client = populate::client(&kubeconfig).await?;
            let lists =
                ["/api/v1/services", "/apis/discovery.k8s.io/v1/endpointslices", "/api/v1/nodes"];
            let reads = lists.map(|path| {
                let client = client.clone();
                async move {
                    let request = http::Request::get(format!("{path}?resourceVersion=0"));
                    client.request_text(request.body(Vec::new())?).await.context(path)
                }
            });
            futures::future::try_join_all(reads).await
        })?;
        Ok(start.elapsed())
    }
}

fn service(number: u32) -> Value {
    if number.is_multiple_of(MIGRATED) {
        return manifest(number);
    }
    let name = format!("web-{number:05}");
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/name": name}},
        "spec": {
            "selector": {"app.kubernetes.io/name": name},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080}],
        },
    })
}

pub(crate) fn slice(number: u32, nodes: u32) -> Value {
    let name = format!("web-{number:05}");
    let endpoint = |pod: u32| {
        let index = number * PODS + pod;
        json!({
            "addresses": [format!("10.{}.{}.{}", 64 + index / 62_500, index / 250 % 250, index % 250 + 1)],
            "conditions": {"ready": true, "serving": true, "terminating": false},
            "nodeName": format!("node-{:03}", index % nodes),
            "targetRef": {"kind": "Pod", "namespace": NAMESPACE, "name": format!("{name}-{pod}")},
        })
    };
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{name}-1"), "namespace": NAMESPACE,
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": (0..PODS).map(endpoint).collect::<Vec<_>>(),
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}
