//! Services stripped of what no rule reads of them: labels but that of the CLB, owners, managed fields.

use clbmigrate_core::{
    annotation::CLB_LABEL,
    object::{
        Annotations, ObjectMeta, Service, ServiceSpec, ServiceStatus, UnreadField, nullable_object,
        read_leniently,
    },
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
    #[serde(deserialize_with = "nullable_object")]
    metadata: RawMeta,
    #[serde(deserialize_with = "nullable_object")]
    spec: ServiceSpec,
    #[serde(deserialize_with = "nullable_object")]
    status: ServiceStatus,
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
        let RawService { metadata: meta, spec, status } = RawService::deserialize(deserializer)?;
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
        let service = Service { metadata, spec, status };
        Ok(Self { service, resource_version: meta.resource_version.unwrap_or_default() })
    }
}

impl StrippedService {
    /// Reads a Service of the cluster, as [`Self::read_leniently`] does where it must be: one that a later
    /// Kubernetes writes otherwise is there all the same.
    ///
    /// # Errors
    /// When it is no Service, or its annotations cannot be read.
    pub fn read(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
            .or_else(|error| Self::read_leniently(text).map(|(read, _)| read).map_err(|_| error))
    }

    /// Reads a Service of a later Kubernetes without the fields that cannot be read, and returns those.
    /// A type that cannot be read counts as `LoadBalancer`, for API servers ask about no other. Where
    /// ports cannot be read, those that the mapping names count as there.
    ///
    /// # Errors
    /// When the annotations cannot be read, and so nothing can be judged.
    pub fn read_leniently(text: &str) -> Result<(Self, Vec<UnreadField>), String> {
        let read = read_leniently::<Self>(text).map_err(|error| error.to_string())?;
        let (Self { mut service, resource_version }, unread) = read;
        let is_unread = |path: &str| unread.iter().any(|field| field.touches(path));
        let is_annotations = |field: &&UnreadField| {
            ["metadata", "metadata.annotations"].contains(&field.path.as_str())
        };
        if let Some(field) = unread.iter().find(is_annotations) {
            return Err(field.to_string());
        }
        if is_unread("spec.type") {
            service.spec.kind = Some("LoadBalancer".to_owned());
        }
        if is_unread("spec.ports") {
            service.add_mapped_ports();
        }
        Ok((Self { service, resource_version }, unread))
    }
}
