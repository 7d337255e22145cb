//! What is wrong with objects as they are stored, judged as a review would judge them.

use std::sync::Arc;

use clbmigrate_core::{
    annotation::ALLOW,
    finding::Report,
    index::{Index, ServiceRef},
    object::{ObjectMeta, Service, Workload},
    rules,
};

use super::{
    context::{LastBaseCluster, Neighbours, ReviewContext},
    exemptions::limit_exemptions,
};
use crate::{cache::Cache, config::Config};

/// What the rules find in a Service. It is judged as if it were created as it is: rules about changes are
/// silent. A Service that is no candidate, or that is being deleted, has no findings.
pub(crate) fn judge_service(
    cache: &Cache,
    config: &Arc<Config>,
    base: &LastBaseCluster,
    mut service: Service,
) -> Report {
    if !service.is_candidate() || service.metadata.deletion_timestamp.is_some() {
        return Report::default();
    }
    limit_exemptions(&mut service.metadata.annotations, config);
    let service = Arc::new(service);
    let services = cache.neighbours([&*service]);
    let workloads = cache.workloads_selected_by(&service);
    let neighbours = Neighbours { services, workloads, slices: None };
    let base = base.current(config, cache);
    let context = ReviewContext { cache, config, base: &base };
    let snapshot = context.snapshot_with_service(Some(&service), &neighbours);
    let Some(cluster) = snapshot.clusters.first() else { return Report::default() };
    let stored = ServiceRef { cluster_index: 0, cluster, service: &service };
    let mut report = rules::check_service(&Index::new(&snapshot), None, stored);
    // The workloads behind it are judged for themselves.
    retain_about(&mut report, "Service", &service.metadata);
    report
}

/// What the rules find in a workload. One that is being deleted has no findings.
pub(crate) fn judge_workload(
    cache: &Cache,
    config: &Arc<Config>,
    base: &LastBaseCluster,
    workload: &Arc<Workload>,
) -> Report {
    if workload.metadata.deletion_timestamp.is_some() {
        return Report::default();
    }
    let mut workload = Arc::clone(workload);
    if workload.metadata.annotations.get(ALLOW).is_some() {
        limit_exemptions(&mut Arc::make_mut(&mut workload).metadata.annotations, config);
    }
    let namespace = workload.metadata.namespace();
    let services = cache.services_selecting(namespace, workload.pod_labels());
    let base = base.current(config, cache);
    let context = ReviewContext { cache, config, base: &base };
    let snapshot = context.snapshot_with_stored_workload(&workload, &services);
    let mut report = rules::check_workloads(&Index::new(&snapshot));
    retain_about(&mut report, workload.kind_name(), &workload.metadata);
    report
}

/// Drops the findings about other objects.
fn retain_about(report: &mut Report, kind: &str, meta: &ObjectMeta) {
    report.findings.retain(|finding| {
        let object = &finding.object;
        object.kind == kind
            && object.name == meta.name
            && object.namespace.as_deref().unwrap_or_default() == meta.namespace()
    });
}
