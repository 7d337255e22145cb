//! The autoscalers, and which workloads they scale.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use clbmigrate_core::object::{AutoscalerSpec, HorizontalPodAutoscaler, Workload};

use super::watched_resource::ObjectStore;

/// The autoscalers by namespace and name.
#[derive(Default)]
pub(super) struct Autoscalers(RwLock<HashMap<(String, String), AutoscalerSpec>>);

impl Autoscalers {
    /// The autoscalers of a workload.
    pub fn of(&self, workload: &Workload) -> Vec<AutoscalerSpec> {
        let all = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let is_of_namespace = |namespace: &str| namespace == workload.metadata.namespace();
        let known = all.iter().filter(|((namespace, _), scaler)| {
            let target = &scaler.scale_target_ref;
            is_of_namespace(namespace) && workload.is(&target.kind, &target.name)
        });
        known.map(|(_, scaler)| scaler.clone()).collect()
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<(String, String), AutoscalerSpec>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ObjectStore for Autoscalers {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let HorizontalPodAutoscaler { metadata, spec } = serde_json::from_str(object)?;
        let key = (metadata.namespace.unwrap_or_default(), metadata.name);
        self.write(|all| drop(all.insert(key, spec)));
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
