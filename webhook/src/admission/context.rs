//! The part of the cluster that a review is judged in: the object, those it shares a group with,
//! nodes, and the workloads it selects. Small, whatever the cluster's size.

use std::sync::Arc;

use clbmigrate_core::{
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

/// What all reviews are judged by: the cache, and the configuration of this moment.
#[derive(Clone, Copy)]
pub(super) struct ReviewContext<'c> {
    pub cache: &'c Cache,
    pub config: &'c Config,
}

impl ReviewContext<'_> {
    /// A cluster with its id, settings and nodes, and nothing else.
    fn cluster(&self) -> Cluster {
        let config = &self.config.cluster;
        let mut cluster = Cluster::default();
        let id = config.id.clone();
        cluster.id = id.or_else(|| self.cache.cluster_id().map(|id| String::clone(&id)));
        cluster.suffix.clone_from(&config.suffix);
        cluster.eni_by_default = config.backend_type.map(|kind| kind == BackendType::Eni);
        if let Some(ccm) = self.config.ccm {
            cluster.set_ccm(ccm, "ccm.version");
        }
        if let Some(nodes) = self.cache.nodes() {
            cluster.replace_nodes(nodes);
        }
        cluster
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

    /// A snapshot with one workload and the Services that select its pods.
    pub fn snapshot_with_workload(
        &self,
        workload: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> Snapshot {
        let mut cluster = self.cluster();
        cluster.injects_pre_stop_hooks = self.config.inject.enabled;
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
