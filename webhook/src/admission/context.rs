//! The part of the cluster that a review is judged in: the object, those it shares a group with,
//! nodes, and the workloads it selects. Small, whatever the cluster's size.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use clbmigrate_core::{
    annotation,
    backends::NodeSet,
    object::{EndpointSlice, HorizontalPodAutoscaler, ObjectMeta, Service, Workload},
    snapshot::{Cluster, Object, Snapshot},
};

use crate::{
    cache::Cache,
    config::{BackendType, Config},
};

/// The objects that a Service under review is judged beside.
#[derive(Clone, Default)]
pub(super) struct Neighbours {
    /// The Services that share a vServer group or a listener with it.
    pub services: Vec<Arc<Service>>,
    /// The workloads whose pods it selects.
    pub workloads: Vec<Arc<Workload>>,
    /// Its EndpointSlices; `None` where they have not been read.
    pub slices: Option<Vec<EndpointSlice>>,
}

/// The cluster without its Services and workloads: its id, settings and nodes. All reviews share it
/// until one of them changes.
pub(crate) struct BaseCluster {
    config: Arc<Config>,
    nodes: Option<Arc<NodeSet>>,
    id: Option<Arc<String>>,
    cluster: Cluster,
}

impl BaseCluster {
    fn new(config: Arc<Config>, nodes: Option<Arc<NodeSet>>, id: Option<Arc<String>>) -> Self {
        let settings = &config.cluster;
        let mut cluster = Cluster::default();
        cluster.id = settings.id.clone().or_else(|| id.as_deref().cloned());
        cluster.suffix.clone_from(&settings.suffix);
        cluster.eni_by_default = settings.backend_type.map(|kind| kind == BackendType::Eni);
        if let Some(ccm) = config.ccm {
            cluster.set_ccm(ccm, "ccm.version");
        }
        if let Some(nodes) = &nodes {
            cluster.replace_nodes(Arc::clone(nodes));
        }
        // Copies keep what was found out, for which all nodes are looked at.
        let _ = cluster.pods_by_default();
        Self { config, nodes, id, cluster }
    }

    fn is_of(
        &self,
        config: &Arc<Config>,
        nodes: Option<&Arc<NodeSet>>,
        id: Option<&Arc<String>>,
    ) -> bool {
        Arc::ptr_eq(&self.config, config)
            && is_same(self.nodes.as_ref(), nodes)
            && is_same(self.id.as_ref(), id)
    }
}

fn is_same<T>(a: Option<&Arc<T>>, b: Option<&Arc<T>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (a, b) => a.is_none() && b.is_none(),
    }
}

/// The [`BaseCluster`] of the last review.
#[derive(Default)]
pub(crate) struct LastBaseCluster(ArcSwapOption<BaseCluster>);

impl LastBaseCluster {
    /// That of this moment.
    pub fn current(&self, config: &Arc<Config>, cache: &Cache) -> Arc<BaseCluster> {
        let (nodes, id) = (cache.nodes(), cache.cluster_id());
        let last = self.0.load_full();
        if let Some(last) = last.filter(|last| last.is_of(config, nodes.as_ref(), id.as_ref())) {
            return last;
        }
        let base = Arc::new(BaseCluster::new(Arc::clone(config), nodes, id));
        self.0.store(Some(Arc::clone(&base)));
        base
    }
}

/// What all reviews are judged by: the cache, and configuration and cluster of this moment.
#[derive(Clone, Copy)]
pub(super) struct ReviewContext<'c> {
    pub cache: &'c Cache,
    pub config: &'c Config,
    pub base: &'c BaseCluster,
}

impl ReviewContext<'_> {
    /// The cluster without Services and workloads.
    fn cluster(&self) -> Cluster {
        self.base.cluster.clone()
    }

    /// Adds a workload with its autoscalers.
    fn add_workload(&self, cluster: &mut Cluster, workload: &Arc<Workload>) {
        for spec in self.cache.autoscalers_of(workload) {
            let namespace = workload.metadata.namespace.clone();
            let metadata = ObjectMeta { namespace, ..ObjectMeta::default() };
            let scaler = HorizontalPodAutoscaler { metadata, spec };
            cluster.insert(Object::Autoscaler(Box::new(scaler)));
        }
        cluster.replace_workload(Arc::clone(workload));
    }

    /// A snapshot with one version of a Service, or without any where that is `None`, beside its
    /// neighbours. The workloads count as they run: the next rollout alone brings them a hook.
    pub fn snapshot_with_service(
        &self,
        service: Option<&Arc<Service>>,
        neighbours: &Neighbours,
    ) -> Snapshot {
        let mut cluster = self.cluster();
        for neighbour in &neighbours.services {
            cluster.replace_service(Arc::clone(neighbour));
        }
        for workload in &neighbours.workloads {
            self.add_workload(&mut cluster, workload);
        }
        if let Some(service) = service {
            let namespace = service.metadata.namespace();
            if let Some(slices) = &neighbours.slices {
                cluster.endpoints_listed.insert(namespace.to_owned());
                for slice in slices {
                    cluster.insert(Object::EndpointSlice(Box::new(slice.clone())));
                }
            }
            cluster.replace_service(Arc::clone(service));
        }
        Snapshot { clusters: vec![cluster], ..Snapshot::default() }
    }

    /// A snapshot with one workload under review and the Services that select its pods. It is still to
    /// get its hook.
    pub fn snapshot_with_workload(
        &self,
        workload: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> Snapshot {
        let mut cluster = self.cluster();
        cluster.injects_pre_stop_hooks = self.config.inject.enabled;
        self.snapshot_of_workload(cluster, workload, services)
    }

    /// A snapshot with one workload as it is stored and the Services that select its pods. Without a
    /// hook in its template, its Pods have one only where their namespace asks for it.
    pub fn snapshot_with_stored_workload(
        &self,
        workload: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> Snapshot {
        let mut cluster = self.cluster();
        let namespace = workload.metadata.namespace();
        if self.config.inject.enabled && self.cache.is_labelled_for_injection(namespace) {
            cluster.injects_pre_stop_hooks = true;
            cluster.insert(Object::Namespace(Box::new(ObjectMeta {
                name: namespace.to_owned(),
                labels: std::iter::once((annotation::INJECT.to_owned(), "enabled".to_owned()))
                    .collect(),
                ..ObjectMeta::default()
            })));
        }
        self.snapshot_of_workload(cluster, workload, services)
    }

    fn snapshot_of_workload(
        &self,
        mut cluster: Cluster,
        workload: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> Snapshot {
        for service in services {
            cluster.replace_service(Arc::clone(service));
        }
        for other in self.cache.workloads_taking_from(workload) {
            self.add_workload(&mut cluster, &other);
        }
        self.add_workload(&mut cluster, workload);
        Snapshot { clusters: vec![cluster], ..Snapshot::default() }
    }
}

#[cfg(test)]
mod tests {
    use clbmigrate_core::object::WorkloadKind;

    use super::*;

    #[test]
    fn reviews_share_a_cluster_until_configuration_or_nodes_change() {
        let (cache, last) = (Cache::default(), LastBaseCluster::default());
        let config = Arc::new(Config::default());
        let first = last.current(&config, &cache);
        assert!(Arc::ptr_eq(&first, &last.current(&config, &cache)));

        cache.put_nodes([r#"{"metadata": {"name": "node-1"}}"#]).expect("a node");
        let with_nodes = last.current(&config, &cache);
        assert_eq!((first.cluster.nodes().len(), with_nodes.cluster.nodes().len()), (0, 1));
        assert!(Arc::ptr_eq(&with_nodes, &last.current(&config, &cache)));

        let workload = r#"{"metadata": {"name": "web", "namespace": "shop"},
            "spec": {"template": {"spec": {"containers": []}}}}"#;
        cache.put_workload(WorkloadKind::Deployment, workload).expect("a workload");
        assert!(Arc::ptr_eq(&with_nodes, &last.current(&config, &cache)));

        let named = Arc::new(Config::parse("cluster: {id: c1, suffix: '-a'}").expect("a file"));
        let named = last.current(&named, &cache);
        assert_eq!(named.cluster.id.as_deref(), Some("c1"));
        assert_eq!(named.cluster.suffix.as_deref(), Some("-a"));
        assert_eq!(named.cluster.nodes().len(), 1);
    }
}
