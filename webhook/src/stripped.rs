//! Services stripped of what no rule reads of them: labels, owners, managed fields.

use clbmigrate_core::object::{Annotations, ObjectMeta, Service, ServiceSpec};
use serde::{Deserialize, Deserializer};

/// A Service that is stripped while it is read.
#[derive(Debug)]
pub(crate) struct StrippedService(pub Service);

#[derive(Deserialize, Default)]
#[serde(default)]
struct RawService {
    metadata: Option<RawMeta>,
    spec: Option<ServiceSpec>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct RawMeta {
    name: Option<String>,
    namespace: Option<String>,
    annotations: Option<Annotations>,
    deletion_timestamp: Option<String>,
}

impl<'de> Deserialize<'de> for StrippedService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawService { metadata, spec } = RawService::deserialize(deserializer)?;
        let meta = metadata.unwrap_or_default();
        let metadata = ObjectMeta {
            name: meta.name.unwrap_or_default(),
            namespace: meta.namespace,
            annotations: meta.annotations.unwrap_or_default(),
            deletion_timestamp: meta.deletion_timestamp,
            ..ObjectMeta::default()
        };
        Ok(Self(Service { metadata, spec: spec.unwrap_or_default(), ..Service::default() }))
    }
}
