//! Kubernetes objects, reduced to what CCM and the rules read.
//!
//! Everything here is deserialised from Kubernetes' own JSON. Unknown fields are skipped, `null`
//! stands for an absent field, as it does for the API server.

mod autoscaler;
mod controller;
mod endpoints;
mod labels;
mod lenient;
mod meta;
mod names;
mod node;
mod pod;
mod pod_labels;
mod pod_names;
mod pre_stop;
mod service;
mod shell;
mod strategy;
mod workload;

pub use autoscaler::{
    AutoscalerSpec, DEFAULT_MIN_REPLICAS, HorizontalPodAutoscaler, WorkloadReference,
};
pub use controller::ControllerReference;
pub use endpoints::{Endpoint, EndpointConditions, EndpointPort, EndpointSlice, TargetRef};
pub use labels::{Labels, PairRef};
pub use lenient::{UnreadField, read_leniently};
pub use meta::{Annotations, ObjectMeta, ObjectRef, Origin, SourceLocation};
pub use names::{is_dns_label, is_dns_subdomain};
pub use node::{Node, ProviderIdError};
pub use pod::{
    Container, ContainerPort, DEFAULT_GRACE_PERIOD_SECONDS, Pod, PodSpec, PodStatus, PodTemplate,
};
pub use pod_labels::PodLabels;
pub use pre_stop::PreStopHook;
pub use service::{
    ExternalTrafficPolicy, LoadBalancerIngress, LoadBalancerStatus, Service, ServicePort,
    ServiceSpec, ServiceStatus, TargetPort,
};
pub use strategy::{MaxUnavailable, RolloutStrategy};
pub use workload::{Workload, WorkloadKind};

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

/// Reads `null` as the type's default, as Kubernetes' own decoders do.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Option::<T>::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Reads an object, or `null` as the type's default. Serde would take a list for an object, too, and
/// its items for the fields in their order.
///
/// # Errors
/// When it is neither, or a field cannot be read.
pub fn nullable_object<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    struct ObjectVisitor<T>(PhantomData<T>);

    impl<'de, T: Deserialize<'de> + Default> Visitor<'de> for ObjectVisitor<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_unit<E>(self) -> Result<T, E> {
            Ok(T::default())
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
            T::deserialize(MapAccessDeserializer::new(map))
        }
    }

    deserializer.deserialize_any(ObjectVisitor(PhantomData))
}

/// Reads a list without room for more: there are many, and they stay as they are.
pub(crate) fn fitting<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut list: Vec<T> = nullable(deserializer)?;
    list.shrink_to_fit();
    Ok(list)
}

/// An object of a kind that nothing is computed from. It is kept for the rules that judge objects
/// of any kind.
#[derive(Debug, Clone, PartialEq)]
pub struct OtherObject {
    /// The object's kind, as written.
    pub kind: String,
    /// Name, namespace and annotations.
    pub meta: ObjectMeta,
}
