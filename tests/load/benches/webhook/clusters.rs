//! Two clusters that hold Services and otherwise rest.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clbmigrate_load::populate;
use clbmigrate_load::review::{NAMESPACE, manifest};
use clbmigrate_testbed::{Plan, Testbed, Version};
use k8s_openapi::api::core::v1::{Node, Service};
use kube::Api;

/// No cluster with a CLB in front is without nodes.
const NODES: u32 = 3;

/// The clusters `few` and `many`, whose nodes are objects only.
pub(crate) struct Clusters {
    testbed: Testbed,
}

impl Clusters {
    /// Starts them and creates so many Services in either.
    pub fn start(few: u32, many: u32) -> Result<Self> {
        let plan = Plan::new().cluster("few", Version::NEWEST).cluster("many", Version::NEWEST);
        let testbed = Testbed::start(&plan)?;
        let sizes = [("few", few), ("many", many)];
        for (cluster, _) in sizes {
            testbed.cluster(cluster)?.run_kubectl(&["create", "namespace", NAMESPACE])?;
        }
        populate::stop_controllers(testbed.folder(), sizes.len())?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        for (cluster, services) in sizes {
            let kubeconfig = testbed.cluster(cluster)?.kubeconfig();
            let filled = runtime.block_on(async {
                let client = populate::client(&kubeconfig).await?;
                let nodes = Api::<Node>::all(client.clone());
                populate::create(&nodes, (1..=NODES).map(populate::node)).await?;
                populate::make_ready(&nodes, 1..=NODES).await?;
                let api = Api::<Service>::namespaced(client, NAMESPACE);
                populate::create(&api, (0..services).map(manifest)).await
            });
            filled.with_context(|| format!("fill the cluster {cluster}"))?;
        }
        Ok(Self { testbed })
    }

    /// Where their files are.
    pub fn folder(&self) -> &Path {
        self.testbed.folder()
    }

    /// The kubeconfig of a cluster's admin.
    pub fn kubeconfig(&self, cluster: &str) -> Result<PathBuf> {
        Ok(self.testbed.cluster(cluster)?.kubeconfig())
    }
}
