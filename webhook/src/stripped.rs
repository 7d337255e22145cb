//! Services stripped of what no rule reads of them: labels but that of the CLB, owners, managed fields.

use clbmigrate_core::{
    annotation::CLB_LABEL,
    object::{Annotations, ObjectMeta, Service, ServiceSpec, ServiceStatus},
};
use serde::{Deserialize, Deserializer};

/// A Service that is stripped while it is read.
#[derive(Debug)]
pub(crate) struct StrippedService {
    /// What is left of it.
    pub service: Service,
    /// Its resource version; empty for one that is still to be created.
    pub resource_version: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawService {
    metadata: Option<RawMeta>,
    spec: Option<ServiceSpec>,
    status: Option<ServiceStatus>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawMeta {
    name: Option<String>,
    namespace: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
    annotations: Option<Annotations>,
    deletion_timestamp: Option<String>,
    labels: Option<RawLabels>,
}

/// The one label that tells which CLB CCM uses for a Service.
#[derive(Deserialize, Default)]
#[serde(default)]
struct RawLabels {
    #[serde(rename = "service.k8s.alibaba/loadbalancer-id")]
    clb: Option<String>,
}

impl<'de> Deserialize<'de> for StrippedService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawService { metadata, spec, status } = RawService::deserialize(deserializer)?;
        let meta = metadata.unwrap_or_default();
        let clb = meta.labels.and_then(|labels| labels.clb);
        let labels = clb.map(|clb| (CLB_LABEL.to_owned(), clb)).into_iter().collect();
        let metadata = ObjectMeta {
            labels,
            name: meta.name.unwrap_or_default(),
            namespace: meta.namespace,
            uid: meta.uid.unwrap_or_default(),
            annotations: meta.annotations.unwrap_or_default(),
            deletion_timestamp: meta.deletion_timestamp,
            ..ObjectMeta::default()
        };
        let service = Service {
            metadata,
            spec: spec.unwrap_or_default(),
            status: status.unwrap_or_default(),
        };
        Ok(Self { service, resource_version: meta.resource_version.unwrap_or_default() })
    }
}
