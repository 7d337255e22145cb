//! Small things: namespaces that ask for hooks in bare Pods, autoscalers, the cluster's own id.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, PoisonError, RwLock},
};

use clbmigrate_core::{
    annotation,
    object::{HorizontalPodAutoscaler, ObjectMeta, WorkloadKind},
};
use serde::Deserialize;

use super::{Shared, feed::Sink};

/// The namespaces labelled `clbmigrate.io/inject=enabled`.
#[derive(Default)]
pub(super) struct Namespaces(RwLock<HashSet<String>>);

impl Namespaces {
    pub fn is_labelled(&self, namespace: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(namespace)
    }

    fn write(&self, change: impl FnOnce(&mut HashSet<String>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Sink for Namespaces {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct Namespace {
            metadata: ObjectMeta,
        }
        let Namespace { metadata } = serde_json::from_str(object)?;
        let is_labelled = metadata.labels.get(annotation::INJECT).is_some_and(|v| v == "enabled");
        self.write(|labelled| {
            if is_labelled {
                labelled.insert(metadata.name);
            } else {
                labelled.remove(&metadata.name);
            }
        });
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.write(|labelled| {
            labelled.remove(name);
        });
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.write(|labelled| labelled.retain(|name| is_there("", name)));
    }
}

/// The autoscalers, each with the workload whose replicas it rules.
#[derive(Default)]
pub(super) struct Autoscalers(RwLock<HashMap<(String, String), Target>>);

/// Kind and name.
type Target = (String, String);

impl Autoscalers {
    /// Whether one rules a workload's replicas.
    pub fn rule(&self, kind: WorkloadKind, namespace: &str, name: &str) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|((place, _), target)| {
            place == namespace && target.0 == kind.as_str() && target.1 == name
        })
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<(String, String), Target>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Sink for Autoscalers {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let scaler: HorizontalPodAutoscaler = serde_json::from_str(object)?;
        let ObjectMeta { name, namespace, .. } = scaler.metadata;
        let target = scaler.spec.scale_target_ref;
        let place = (namespace.unwrap_or_default(), name);
        self.write(|all| drop(all.insert(place, (target.kind, target.name))));
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let place = (namespace.to_owned(), name.to_owned());
        self.write(|all| drop(all.remove(&place)));
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.write(|all| all.retain(|(namespace, name), _| is_there(namespace, name)));
    }
}

/// What ACK says of the cluster.
#[derive(Default)]
pub(super) struct Profile(Shared<String>);

impl Profile {
    /// The cluster's id.
    pub fn id(&self) -> Option<Arc<String>> {
        self.0.load_full()
    }
}

impl Sink for Profile {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        #[derive(Deserialize)]
        struct ConfigMap {
            data: Option<Data>,
        }
        #[derive(Deserialize)]
        struct Data {
            clusterid: Option<String>,
        }
        let ConfigMap { data } = serde_json::from_str(object)?;
        let id = data.and_then(|data| data.clusterid).filter(|id| !id.is_empty());
        self.0.store(id.map(Arc::new));
        Ok(())
    }

    fn remove(&self, _: &str, _: &str) {
        self.0.store(None);
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        if !is_there("kube-system", "ack-cluster-profile") {
            self.0.store(None);
        }
    }
}
