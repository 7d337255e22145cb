//! The autoscalers, and which workloads they scale.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use clbmigrate_core::object::{HorizontalPodAutoscaler, ObjectMeta, WorkloadKind};

use super::watched_resource::ObjectStore;

/// The autoscalers by namespace and name, each with the workload that it scales.
#[derive(Default)]
pub(super) struct Autoscalers(RwLock<HashMap<(String, String), Target>>);

/// Kind and name of a workload.
type Target = (String, String);

impl Autoscalers {
    /// Whether an autoscaler scales this workload.
    pub fn scale(&self, kind: WorkloadKind, namespace: &str, name: &str) -> bool {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        all.iter().any(|((scaler_namespace, _), target)| {
            scaler_namespace == namespace && target.0 == kind.as_str() && target.1 == name
        })
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<(String, String), Target>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ObjectStore for Autoscalers {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let scaler: HorizontalPodAutoscaler = serde_json::from_str(object)?;
        let ObjectMeta { name, namespace, .. } = scaler.metadata;
        let target = scaler.spec.scale_target_ref;
        let key = (namespace.unwrap_or_default(), name);
        self.write(|all| drop(all.insert(key, (target.kind, target.name))));
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let key = (namespace.to_owned(), name.to_owned());
        self.write(|all| drop(all.remove(&key)));
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.write(|all| all.retain(|(namespace, name), _| is_there(namespace, name)));
    }
}
