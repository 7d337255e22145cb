//! Services stripped of what no rule reads of them: labels but that of the CLB, owners, managed fields.

use clbmigrate_core::{
    annotation::CLB_LABEL,
    object::{
        Annotations, ObjectMeta, Service, ServiceSpec, ServiceStatus, UnreadField, nullable_object,
        read_leniently,
    },
};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

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

#[derive(Debug, Deserialize, Default)]
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
#[derive(Debug, Deserialize, Default)]
#[serde(default)]
struct RawLabels {
    #[serde(rename = "service.k8s.alibaba/loadbalancer-id")]
    clb: Option<String>,
}

impl<'de> Deserialize<'de> for StrippedService {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let RawService { metadata, spec, status } = RawService::deserialize(deserializer)?;
        Ok(Self::new(metadata, spec, status))
    }
}

/// A Service of a review, whose spec is still to be read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct PostedService<'a> {
    #[serde(deserialize_with = "nullable_object")]
    metadata: RawMeta,
    #[serde(borrow)]
    spec: Option<&'a RawValue>,
    #[serde(deserialize_with = "nullable_object")]
    status: ServiceStatus,
}

impl PostedService<'_> {
    /// Reads both versions of a Service. Most changes leave the spec, which is read once then.
    ///
    /// # Errors
    /// When a spec cannot be read.
    pub fn read_both(
        old: Option<Self>,
        new: Option<Self>,
    ) -> Result<[Option<StrippedService>; 2], serde_json::Error> {
        let of_new = new.as_ref().map(Self::read_spec).transpose()?;
        let of_old = match (&old, &new, &of_new) {
            (Some(old), Some(new), Some(spec)) if old.has_spec_of(new) => Some(spec.clone()),
            _ => old.as_ref().map(Self::read_spec).transpose()?,
        };
        let stripped = |(posted, spec): (Self, ServiceSpec)| {
            StrippedService::new(posted.metadata, spec, posted.status)
        };
        Ok([old.zip(of_old), new.zip(of_new)].map(|version| version.map(stripped)))
    }

    /// Namespace and name; empty where there is none.
    pub fn names(&self) -> (&str, &str) {
        let RawMeta { namespace, name, .. } = &self.metadata;
        (namespace.as_deref().unwrap_or_default(), name.as_deref().unwrap_or_default())
    }

    fn read_spec(&self) -> Result<ServiceSpec, serde_json::Error> {
        let Some(text) = self.spec else { return Ok(ServiceSpec::default()) };
        nullable_object(&mut serde_json::Deserializer::from_str(text.get()))
    }

    /// Whether both specs are the same text.
    fn has_spec_of(&self, other: &Self) -> bool {
        self.spec.map(RawValue::get) == other.spec.map(RawValue::get)
    }
}

impl StrippedService {
    fn new(meta: RawMeta, spec: ServiceSpec, status: ServiceStatus) -> Self {
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
        Self { service, resource_version: meta.resource_version.unwrap_or_default() }
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

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::*;

    fn service(spec: &Value) -> String {
        let annotations =
            json!({"service.beta.kubernetes.io/alibaba-cloud-loadbalancer-id": "lb-a"});
        let labels = json!({CLB_LABEL: "lb-a", "app": "web"});
        json!({
            "metadata": {
                "name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7",
                "annotations": annotations, "labels": labels, "managedFields": [{"manager": "x"}],
            },
            "spec": spec,
            "status": {"loadBalancer": {"ingress": [{"ip": "203.0.113.7"}]}},
        })
        .to_string()
    }

    fn posted(text: &str) -> PostedService<'_> {
        serde_json::from_str(text).expect("a Service")
    }

    #[rstest]
    #[case::the_same(json!({"type": "LoadBalancer", "ports": [{"port": 80}]}))]
    #[case::another(json!({"type": "ClusterIP", "selector": {"app": "web"}}))]
    #[case::none(json!(null))]
    fn both_versions_of_a_review_are_read_as_each_is_alone(#[case] spec: Value) {
        let old = service(&json!({"type": "LoadBalancer", "ports": [{"port": 80}]}));
        let new = service(&spec);
        let both = PostedService::read_both(Some(posted(&old)), Some(posted(&new)));
        for (text, read) in [old, new].iter().zip(both.expect("both")) {
            let (read, alone) = (read.expect("a Service"), StrippedService::read(text));
            let alone = alone.expect("a Service");
            assert_eq!(read.service, alone.service);
            assert_eq!(read.resource_version, alone.resource_version);
        }
    }

    #[test]
    fn a_version_that_is_not_there_is_none() {
        let text = service(&json!({"type": "LoadBalancer"}));
        let [old, new] = PostedService::read_both(None, Some(posted(&text))).expect("one");
        assert!(old.is_none() && new.is_some());
        let [old, new] = PostedService::read_both(Some(posted(&text)), None).expect("one");
        assert!(old.is_some() && new.is_none());
    }

    #[rstest]
    #[case::a_list(json!(["LoadBalancer"]))]
    #[case::another_type(json!({"type": 5}))]
    fn a_spec_that_cannot_be_read_is_an_error_in_either_version(#[case] spec: Value) {
        let (good, bad) = (service(&json!({})), service(&spec));
        for (old, new) in [(&good, &bad), (&bad, &good), (&bad, &bad)] {
            let read = PostedService::read_both(Some(posted(old)), Some(posted(new)));
            assert!(read.is_err(), "{old} {new}");
        }
    }
}
