//! Kubernetes in memory: objects that a scenario puts there, and what rounds write to them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use clbmigrate_ccm_double::events::ServiceEvent;
use clbmigrate_ccm_double::reconcile::kubernetes::{Kubernetes, KubernetesError, Label};
use clbmigrate_ccm_double::service::{FINALIZER, Key};
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Node, Pod, PodCondition, Service};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// Objects in Kubernetes' JSON by kind and name, all in one namespace.
#[derive(Debug, Default)]
pub struct FakeKubernetes {
    objects: Mutex<BTreeMap<(String, String), Value>>,
    events: Mutex<Vec<String>>,
}

impl FakeKubernetes {
    /// Creates or replaces an object.
    pub fn put(&self, object: &Value) {
        let text = |value: &Value| value.as_str().expect("kind and name").to_owned();
        let key = (text(&object["kind"]), text(&object["metadata"]["name"]));
        self.objects().insert(key, object.clone());
    }

    /// Applies a JSON merge patch.
    pub fn patch(&self, kind: &str, name: &str, patch: &Value) {
        let mut objects = self.objects();
        let object = objects.get_mut(&(kind.to_owned(), name.to_owned()));
        json_patch::merge(object.expect("an object to patch"), patch);
    }

    /// Removes an object.
    pub fn remove(&self, kind: &str, name: &str) {
        let gone = self.objects().remove(&(kind.to_owned(), name.to_owned()));
        assert!(gone.is_some(), "there is no {kind} {name}");
    }

    /// Asks for a Service's end: it goes as soon as nothing holds it.
    pub fn end(&self, name: &str) {
        let stamp = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
        self.patch("Service", name, &stamp);
        self.let_go(name);
    }

    /// An object as it is now.
    pub fn object(&self, kind: &str, name: &str) -> Option<Value> {
        self.objects().get(&(kind.to_owned(), name.to_owned())).cloned()
    }

    /// All objects of a kind, by name.
    pub fn objects_of(&self, kind: &str) -> Vec<Value> {
        let objects = self.objects();
        let of_kind = objects.iter().filter(|((one, _), _)| one == kind);
        of_kind.map(|(_, object)| object.clone()).collect()
    }

    /// The events since the last time: `Normal Reason message`.
    pub fn take_events(&self) -> Vec<String> {
        std::mem::take(&mut self.events.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn let_go(&self, name: &str) {
        let service = self.object("Service", name).expect("a Service");
        let meta = &service["metadata"];
        let is_held = meta["finalizers"].as_array().is_some_and(|held| !held.is_empty());
        if meta["deletionTimestamp"].is_string() && !is_held {
            self.remove("Service", name);
        }
    }

    fn all<T: DeserializeOwned>(&self, kind: &str) -> Vec<Arc<T>> {
        let objects = self.objects();
        let of_kind = objects.iter().filter(|((one, _), _)| one == kind);
        of_kind.map(|(_, object)| Arc::new(read(object))).collect()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<(String, String), Value>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn read<T: DeserializeOwned>(object: &Value) -> T {
    serde_json::from_value(object.clone()).expect("an object of Kubernetes")
}

impl Kubernetes for FakeKubernetes {
    async fn service(&self, key: &Key) -> Result<Option<Service>, KubernetesError> {
        Ok(self.object("Service", &key.name).map(|object| read(&object)))
    }

    async fn add_finalizer(&self, key: &Key) -> Result<Service, KubernetesError> {
        self.patch("Service", &key.name, &json!({"metadata": {"finalizers": [FINALIZER]}}));
        self.service(key).await?.ok_or_else(|| KubernetesError("not found".to_owned()))
    }

    async fn remove_finalizer(&self, key: &Key) -> Result<(), KubernetesError> {
        self.patch("Service", &key.name, &json!({"metadata": {"finalizers": null}}));
        self.let_go(&key.name);
        Ok(())
    }

    async fn set_labels(&self, key: &Key, labels: &[Label<'_>]) -> Result<(), KubernetesError> {
        let labels: Map<String, Value> =
            labels.iter().map(|(label, value)| ((*label).to_owned(), json!(value))).collect();
        self.patch("Service", &key.name, &json!({"metadata": {"labels": labels}}));
        Ok(())
    }

    async fn set_ingress(
        &self,
        key: &Key,
        ingress: &[LoadBalancerIngress],
    ) -> Result<(), KubernetesError> {
        let status = json!({"status": {"loadBalancer": {"ingress": ingress}}});
        self.patch("Service", &key.name, &status);
        Ok(())
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.all("Node")
    }

    fn slices(&self, service: &Key) -> Vec<Arc<EndpointSlice>> {
        let mut slices = self.all::<EndpointSlice>("EndpointSlice");
        let label = "kubernetes.io/service-name";
        slices.retain(|slice| {
            slice.metadata.labels.iter().any(|labels| labels.get(label) == Some(&service.name))
        });
        slices
    }

    async fn pod(&self, key: &Key) -> Result<Option<Pod>, KubernetesError> {
        Ok(self.object("Pod", &key.name).map(|object| read(&object)))
    }

    async fn set_condition(
        &self,
        pod: &Key,
        condition: PodCondition,
    ) -> Result<(), KubernetesError> {
        let mut object = self.object("Pod", &pod.name).expect("a Pod");
        let conditions = &mut object["status"]["conditions"];
        if conditions.is_null() {
            *conditions = json!([]);
        }
        let conditions = conditions.as_array_mut().expect("conditions");
        conditions.retain(|known| known["type"] != condition.type_.as_str());
        conditions.insert(0, json!(condition));
        self.put(&object);
        Ok(())
    }

    async fn record_event(&self, _: &Service, event: ServiceEvent) {
        let event = format!("{} {} {}", event.kind.as_str(), event.reason, event.message);
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.push(event.trim_end().to_owned());
    }
}
