//! The cluster's id, from the `ConfigMap` in which ACK keeps it.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use serde::Deserialize;

use super::watched_resource::ObjectStore;

/// What ACK's `ConfigMap` says of the cluster.
#[derive(Default)]
pub(super) struct ClusterProfile(ArcSwapOption<String>);

impl ClusterProfile {
    /// The cluster's id; `None` without such a `ConfigMap`.
    pub fn id(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }
}

impl ObjectStore for ClusterProfile {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct ConfigMap {
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            clusterid: Option<String>,
        }
        let ConfigMap { data } = serde_json::from_str(object)?;
        let id = data.and_then(|data| data.clusterid).filter(|id| !id.is_empty());
        self.0.store(id.map(Arc::new));
        Ok(())
    }

    fn remove(&self, _: &str, _: &str) {
        self.0.store(None);
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        if !is_there("kube-system", "ack-cluster-profile") {
            self.0.store(None);
        }
    }
}
