//! The Kubernetes side of a round: what CCM reads and writes there.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Node, Pod, PodCondition, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;

use crate::events::ServiceEvent;
use crate::service::Key;

/// Why a request to Kubernetes did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct KubernetesError(pub String);

/// A label to set, or to take away with `None`.
pub type Label<'a> = (&'static str, Option<&'a str>);

/// The reads and writes of Kubernetes that a round needs.
pub trait Kubernetes: Send + Sync {
    /// A Service as it is now.
    fn service(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Option<Service>, KubernetesError>> + Send;

    /// Adds CCM's finalizer unless it is there, and returns the Service with it.
    fn add_finalizer(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<Service, KubernetesError>> + Send;

    /// Takes CCM's finalizer away.
    fn remove_finalizer(
        &self,
        key: &Key,
    ) -> impl Future<Output = Result<(), KubernetesError>> + Send;

    /// Writes labels, through the status.
    fn set_labels(
        &self,
        key: &Key,
        labels: &[Label<'_>],
    ) -> impl Future<Output = Result<(), KubernetesError>> + Send;

    /// Replaces the addresses in the status. A Service that no longer exists is no error.
    fn set_ingress(
        &self,
        key: &Key,
        ingress: &[LoadBalancerIngress],
    ) -> impl Future<Output = Result<(), KubernetesError>> + Send;

    /// All nodes, by name.
    fn nodes(&self) -> Vec<Arc<Node>>;

    /// A Service's EndpointSlices, by name.
    fn slices(&self, service: &Key) -> Vec<Arc<EndpointSlice>>;

    /// A Pod as it is now.
    fn pod(&self, key: &Key) -> impl Future<Output = Result<Option<Pod>, KubernetesError>> + Send;

    /// Writes one condition of a Pod, through its status.
    fn set_condition(
        &self,
        pod: &Key,
        condition: PodCondition,
    ) -> impl Future<Output = Result<(), KubernetesError>> + Send;

    /// Writes an event about a Service. A failure is ignored, as by client-go's recorder.
    fn record_event(
        &self,
        service: &Service,
        event: ServiceEvent,
    ) -> impl Future<Output = ()> + Send;
}
