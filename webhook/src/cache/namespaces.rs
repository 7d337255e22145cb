//! The namespaces that are labelled for preStop hooks in Pods.

use std::{
    collections::HashSet,
    sync::{PoisonError, RwLock},
};

use clbmigrate_core::{annotation, object::ObjectMeta};
use serde::Deserialize;

use super::watched_resource::ObjectStore;

/// The namespaces labelled `clbmigrate.io/inject=enabled`.
#[derive(Default)]
pub(super) struct Namespaces(RwLock<HashSet<String>>);

impl Namespaces {
    /// Whether a namespace has the label.
    pub fn is_labelled(&self, namespace: &str) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(namespace)
    }

    fn write(&self, change: impl FnOnce(&mut HashSet<String>)) {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

impl ObjectStore for Namespaces {
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
