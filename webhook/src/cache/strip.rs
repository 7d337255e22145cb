//! Strips objects of what no rule asks of a neighbour, because the cache holds those of a whole
//! cluster.

use clbmigrate_core::{
    annotation,
    object::{Annotations, Service, ServiceStatus, Workload, WorkloadKind},
};

use crate::stripped::StrippedService;

/// The prefix of this project's own annotations, which steer rules and hooks.
const OWN_PREFIX: &str = "clbmigrate.io/";

/// A stripped Service; `None` if it names no CLB, or CCM does not take it.
pub(super) fn service(object: &str) -> Result<Option<Service>, serde_json::Error> {
    let StrippedService { mut service, .. } = StrippedService::read(object)?;
    let annotations = &service.metadata.annotations;
    if !service.is_taken_by_ccm() || annotations.text(annotation::ID).is_empty() {
        return Ok(None);
    }
    service.metadata.annotations = kept(annotations, is_ccms);
    // Of a neighbour no rule asks to which CLB it is bound.
    service.metadata.labels.clear();
    service.status = ServiceStatus::default();
    service.spec.ports.shrink_to_fit();
    Ok(Some(service))
}

/// A stripped workload.
pub(super) fn workload(kind: WorkloadKind, object: &str) -> Result<Workload, serde_json::Error> {
    let mut workload =
        Workload::deserialize(kind, &mut serde_json::Deserializer::from_str(object))?;
    // One that carries CCM's keys, which nobody reads there, is told so (CLB021).
    workload.metadata.annotations = kept(&workload.metadata.annotations, is_ccms);
    workload.metadata.labels.clear();
    let template = &mut workload.template.metadata.annotations;
    *template = template.iter().filter(|(key, _)| is_ccms(key)).collect();
    workload.template.spec.containers.shrink_to_fit();
    workload.template.spec.init_containers.shrink_to_fit();
    Ok(workload)
}

/// Whether CCM reads the annotation on a Service.
fn is_ccms(key: &str) -> bool {
    annotation::suffix_of(key).is_some() || key == annotation::BACKEND_TYPE
}

/// The annotations that are needed, and this project's own.
fn kept(annotations: &Annotations, is_needed: impl Fn(&str) -> bool) -> Annotations {
    annotations.iter().filter(|(key, _)| is_needed(key) || key.starts_with(OWN_PREFIX)).collect()
}
