//! One test's namespace, and a cache that follows the cluster.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use clbmigrate_fault_proxy::{FaultProxy, Upstream};
use clbmigrate_testbed::{Cluster, Testbed, Validity, try_wait_for};
use clbmigrate_webhook::cache::Cache;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(60);
const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";

/// A test by name.
pub type Test = (&'static str, fn(&Scene<'_>) -> Result<()>);

pub struct Scene<'a> {
    pub cluster: Cluster<'a>,
    pub namespace: String,
}

impl<'a> Scene<'a> {
    pub fn new(testbed: &'a Testbed) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = testbed.cluster("a")?;
        let namespace = format!("cache-{}", NEXT.fetch_add(1, Ordering::Relaxed));
        cluster.run_kubectl(&["create", "namespace", &namespace])?;
        Ok(Self { cluster, namespace })
    }

    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.run_kubectl(&[&["--namespace", &self.namespace], arguments].concat())
    }

    /// A migrated Service.
    pub fn service(&self, name: &str, group: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {"name": name, "namespace": self.namespace, "annotations": {
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
    pub fn cache(&self) -> Result<Following> {
        Following::start(&self.cluster.kubeconfig())
    }

    /// A cache that follows the cluster as a user.
    pub fn cache_as(&self, user: &str) -> Result<Following> {
        Following::start(&self.cluster.kubeconfig_for(user, &[], Validity::Valid)?)
    }

    /// A proxy in front of the API server.
    pub fn proxy(&self) -> Result<FaultProxy> {
        let identity = self.cluster.client_certificate()?;
        FaultProxy::start(&Upstream {
            url: self.cluster.server(),
            ca_pem: self.cluster.ca_pem()?,
            client_cert_pem: Some(identity.certificate),
            client_key_pem: Some(identity.key),
        })
    }

    /// Waits until the cache shows a Service, or no longer does.
    pub fn wait_for(&self, cache: &Cache, name: &str, is_there: bool) -> Result<()> {
        let what = format!("{name} {} the cache", if is_there { "in" } else { "out of" });
        try_wait_for(&what, DEADLINE, || {
            Ok((cache.service(&self.namespace, name).is_some() == is_there).then_some(()))
        })
    }
}

/// A cache that follows a cluster through a proxy.
pub fn cache_through(proxy: &FaultProxy) -> Result<Following> {
    Following::with(Kubeconfig::from_yaml(&proxy.kubeconfig("proxy"))?)
}

/// The whole key of a load balancer annotation.
pub fn key(suffix: &str) -> String {
    format!("{PREFIX}{suffix}")
}

/// A cache with whatever follows the cluster for it, which ends with this value.
pub struct Following {
    pub cache: Arc<Cache>,
    _runtime: Runtime,
}

impl Following {
    fn start(kubeconfig: &Path) -> Result<Self> {
        Self::with(Kubeconfig::read_from(kubeconfig)?)
    }

    fn with(kubeconfig: Kubeconfig) -> Result<Self> {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let cache = Arc::new(Cache::default());
        let followed = Arc::clone(&cache);
        let client = runtime.block_on(async {
            let options = KubeConfigOptions::default();
            let config = Config::from_custom_kubeconfig(kubeconfig, &options).await?;
            anyhow::Ok(Client::try_from(config)?)
        });
        let client = client.context("a client")?;
        runtime.spawn(async move { followed.follow(&client).await });
        Ok(Self { cache, _runtime: runtime })
    }

    /// Waits until everything has been listed.
    pub fn synced(self) -> Result<Self> {
        try_wait_for("the cache to be synced", DEADLINE, || {
            Ok(self.cache.is_synced().then_some(()))
        })
        .with_context(|| {
            format!("it waits for {:?}", self.cache.waits_for().collect::<Vec<_>>())
        })?;
        Ok(self)
    }
}
