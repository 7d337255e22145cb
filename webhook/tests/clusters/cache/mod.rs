//! The cache: what it holds of a cluster, and how it follows the cluster.

pub mod faults;
pub mod following;

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use clbmigrate_fault_proxy::{FaultProxy, Upstream};
use clbmigrate_testbed::{Validity, try_wait_for};
use clbmigrate_webhook::cache::Cache;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::test_namespace::{DEADLINE, TestNamespace};

const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

impl TestNamespace<'_> {
    /// A migrated Service.
    pub fn service(&self, name: &str, group: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": self.name, "annotations": {
                key("id"): "lb-bp1example", key("vgroup-port"): format!("{group}:80"), key("weight"): "60",
            }},
            "spec": {"type": "LoadBalancer", "selector": {"app": name}, "ports": [{"port": 80}],
                "allocateLoadBalancerNodePorts": false},
        })
    }

    pub fn create(&self, name: &str) -> Result<()> {
        self.cluster.apply(&self.service(name, &format!("rsp-{name}")).to_string())
    }

    /// A cache that follows the cluster with all rights.
    pub fn cache(&self) -> Result<RunningCache> {
        RunningCache::start(&self.cluster.kubeconfig())
    }

    /// A cache that follows the cluster as a user.
    pub fn cache_as(&self, user: &str) -> Result<RunningCache> {
        RunningCache::start(&self.cluster.kubeconfig_for(user, &[], Validity::Valid)?)
    }

    /// A proxy in front of the API server.
    pub fn proxy(&self) -> Result<FaultProxy> {
        let identity = self.cluster.client_certificate()?;
        FaultProxy::start(&Upstream {
            url: self.cluster.api_server_url(),
            ca_pem: self.cluster.ca_pem()?,
            client_cert_pem: Some(identity.certificate),
            client_key_pem: Some(identity.key),
        })
    }

    /// Waits until the cache shows a Service, or no longer does.
    pub fn wait_for(&self, cache: &Cache, name: &str, is_there: bool) -> Result<()> {
        let what = format!("{name} {} the cache", if is_there { "in" } else { "out of" });
        try_wait_for(&what, DEADLINE, || {
            Ok((cache.service(&self.name, name).is_some() == is_there).then_some(()))
        })
    }
}

/// A cache that follows a cluster through a proxy.
pub fn cache_through(proxy: &FaultProxy) -> Result<RunningCache> {
    RunningCache::with(Kubeconfig::from_yaml(&proxy.kubeconfig("proxy"))?)
}

/// A client as this kubeconfig has it.
pub async fn connect(kubeconfig: Kubeconfig) -> Result<Client> {
    let options = KubeConfigOptions::default();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
    // The environment's proxy is none of the cluster's.
    config.proxy_url = None;
    Client::try_from(config).context("a client")
}

/// The whole key of a load balancer annotation.
pub fn key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// A cache that follows a cluster for as long as this value lives.
pub struct RunningCache {
    pub cache: Arc<Cache>,
    pub client: Client,
    pub runtime: Runtime,
}

impl RunningCache {
    fn start(kubeconfig: &Path) -> Result<Self> {
        Self::with(Kubeconfig::read_from(kubeconfig)?)
    }

    fn with(kubeconfig: Kubeconfig) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let cache = Arc::new(Cache::default());
        let followed = Arc::clone(&cache);
        let client = runtime.block_on(connect(kubeconfig))?;
        let following = client.clone();
        runtime.spawn(async move { followed.run(&following).await });
        Ok(Self { cache, client, runtime })
    }

    /// Waits until everything has been listed.
    pub fn synced(self) -> Result<Self> {
        try_wait_for("the cache to be synced", DEADLINE, || {
            Ok(self.cache.is_synced().then_some(()))
        })
        .with_context(|| format!("it waits for {:?}", self.cache.unsynced().collect::<Vec<_>>()))?;
        Ok(self)
    }
}
