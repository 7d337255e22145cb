//! The part of the cluster that a review is judged in: the object, those it shares a group with,
//! nodes, and the workloads it selects. Small, whatever the cluster's size.

use std::sync::Arc;

use clbmigrate_core::{
    object::{
        AutoscalerSpec, EndpointSlice, HorizontalPodAutoscaler, ObjectMeta, ScaleTarget, Service,
        Workload,
    },
    snapshot::{Cluster, Object, Snapshot},
};

use crate::{
    cache::Cache,
    config::{BackendType, Config},
};

/// What is around the object under review.
#[derive(Clone, Default)]
pub(super) struct Around {
    pub services: Vec<Arc<Service>>,
    pub workloads: Vec<Arc<Workload>>,
    /// The EndpointSlices of the Service under review; `None` where nobody has read them.
    pub slices: Option<Vec<EndpointSlice>>,
}

/// What all reviews share.
#[derive(Clone, Copy)]
pub(super) struct Ground<'g> {
    pub cache: &'g Cache,
    pub config: &'g Config,
}

impl Ground<'_> {
    fn cluster(&self) -> Cluster {
        let config = &self.config.cluster;
        let mut cluster = Cluster::default();
        let id = config.id.clone();
        cluster.id = id.or_else(|| self.cache.cluster_id().map(|id| String::clone(&id)));
        cluster.suffix.clone_from(&config.suffix);
        cluster.eni_by_default = config.backend_type == BackendType::Eni;
        if let Some(nodes) = self.cache.nodes() {
            cluster.replace_nodes(nodes);
        }
        cluster
    }

    /// A snapshot with a Service in it, or without it where it is not there. Workloads behind it run as
    /// they are: what they lack is brought by their next rollout only.
    pub fn with_service(&self, service: Option<&Arc<Service>>, around: &Around) -> Snapshot {
        let mut cluster = self.cluster();
        for neighbour in &around.services {
            cluster.replace_service(Arc::clone(neighbour));
        }
        for workload in &around.workloads {
            cluster.replace_workload(Arc::clone(workload));
        }
        if let Some(service) = service {
            let namespace = service.metadata.namespace();
            if let Some(slices) = &around.slices {
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
    pub fn with_workload(&self, workload: &Arc<Workload>, services: &[Arc<Service>]) -> Snapshot {
        let mut cluster = self.cluster();
        cluster.injects_pre_stop_hooks = self.config.inject.enabled;
        for service in services {
            cluster.replace_service(Arc::clone(service));
        }
        let (kind, meta) = (workload.kind, &workload.metadata);
        if self.cache.is_autoscaled(kind, meta.namespace(), &meta.name) {
            let target = ScaleTarget { kind: kind.as_str().to_owned(), name: meta.name.clone() };
            cluster.insert(Object::Autoscaler(Box::new(HorizontalPodAutoscaler {
                metadata: ObjectMeta { namespace: meta.namespace.clone(), ..ObjectMeta::default() },
                spec: AutoscalerSpec { scale_target_ref: target },
            })));
        }
        cluster.replace_workload(Arc::clone(workload));
        Snapshot { clusters: vec![cluster], ..Snapshot::default() }
    }
}
