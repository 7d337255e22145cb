//! The Kubernetes side of a round on a real API server. Labels, addresses and conditions go through the status,
//! the finalizer through the Service itself.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{LoadBalancerIngress, Node, Pod, PodCondition, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Map, Value, json};

use crate::cache::Cache;
use crate::event_handlers;
use crate::events::{Recorder, ServiceEvent};
use crate::reconcile::kubernetes::{Kubernetes, KubernetesError, Label};
use crate::service::{FINALIZER, Key};

/// Attempts at a write that others' writes may overtake (client-go's `DefaultRetry`).
const ATTEMPTS: usize = 5;

/// An API server, with what the watches have told.
pub(crate) struct ApiServer {
    pub(crate) client: Client,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) nodes: Arc<Cache<Node>>,
    pub(crate) slices: Arc<Cache<EndpointSlice>>,
}

impl From<kube::Error> for KubernetesError {
    fn from(error: kube::Error) -> Self {
        Self(error.to_string())
    }
}

impl ApiServer {
    fn services(&self, key: &Key) -> Api<Service> {
        Api::namespaced(self.client.clone(), &key.namespace)
    }

    async fn change_finalizers(
        &self,
        key: &Key,
        change: impl Fn(&mut Vec<String>) + Send,
    ) -> Result<Service, KubernetesError> {
        let api = self.services(key);
        let mut attempt = 1;
        loop {
            let service = api.get(&key.name).await?;
            let mut held = service.finalizers().to_vec();
            change(&mut held);
            if held == service.finalizers() {
                return Ok(service);
            }
            let held = if held.is_empty() { Value::Null } else { json!(held) };
            let patch = json!({"metadata": {"finalizers": held, "resourceVersion": service.resource_version()}});
            match api.patch(&key.name, &params(), &Patch::Merge(patch)).await {
                Err(kube::Error::Api(status)) if status.is_conflict() && attempt < ATTEMPTS => {
                    attempt += 1;
                }
                done => return Ok(done?),
            }
        }
    }
}

impl Kubernetes for ApiServer {
    async fn service(&self, key: &Key) -> Result<Option<Service>, KubernetesError> {
        Ok(self.services(key).get_opt(&key.name).await?)
    }

    async fn add_finalizer(&self, key: &Key) -> Result<Service, KubernetesError> {
        self.change_finalizers(key, |held| {
            if !held.iter().any(|one| one == FINALIZER) {
                held.push(FINALIZER.to_owned());
            }
        })
        .await
    }

    async fn remove_finalizer(&self, key: &Key) -> Result<(), KubernetesError> {
        self.change_finalizers(key, |held| held.retain(|one| one != FINALIZER)).await.map(drop)
    }

    async fn set_labels(&self, key: &Key, labels: &[Label<'_>]) -> Result<(), KubernetesError> {
        let labels: Map<String, Value> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), json!(value))).collect();
        let patch = json!({"metadata": {"labels": labels}});
        let api = self.services(key);
        Ok(api.patch_status(&key.name, &params(), &Patch::Merge(patch)).await.map(drop)?)
    }

    async fn set_ingress(
        &self,
        key: &Key,
        ingress: &[LoadBalancerIngress],
    ) -> Result<(), KubernetesError> {
        let ingress = if ingress.is_empty() { Value::Null } else { json!(ingress) };
        let patch = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        match self.services(key).patch_status(&key.name, &params(), &Patch::Merge(patch)).await {
            // Gone in the meantime: nothing is left to show.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.all()
    }

    fn slices(&self, service: &Key) -> Vec<Arc<EndpointSlice>> {
        self.slices.all_of(|slice| event_handlers::service_of(slice).as_ref() == Some(service))
    }

    async fn pod(&self, key: &Key) -> Result<Option<Pod>, KubernetesError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &key.namespace);
        Ok(api.get_opt(&key.name).await?)
    }

    async fn set_condition(
        &self,
        pod: &Key,
        condition: PodCondition,
    ) -> Result<(), KubernetesError> {
        let api: Api<Pod> = Api::namespaced(self.client.clone(), &pod.namespace);
        let patch = json!({"status": {"conditions": [condition]}});
        match api.patch_status(&pod.name, &params(), &Patch::Strategic(patch)).await {
            // Gone in the meantime: nobody is left to be told.
            Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
            done => Ok(done.map(drop)?),
        }
    }

    async fn record_event(&self, service: &Service, event: ServiceEvent) {
        self.recorder.record(service, event).await;
    }
}

fn params() -> PatchParams {
    PatchParams {
        field_manager: Some("cloud-controller-manager".to_owned()),
        ..PatchParams::default()
    }
}
