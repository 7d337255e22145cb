//! The labels of namespaces that tell the webhook what to do there.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use clbmigrate_core::{annotation, object::ObjectMeta};
use serde::Deserialize;

use super::watched_resource::ObjectStore;

/// The labels of one namespace.
#[derive(Default)]
struct NamespaceLabels {
    /// Whether it is labelled `clbmigrate.io/inject=enabled`.
    injects: bool,
    /// The value of `clbmigrate.io/mode`.
    mode: Option<String>,
}

/// The labels of the namespaces that have any of these.
#[derive(Default)]
pub(super) struct Namespaces(RwLock<HashMap<String, NamespaceLabels>>);

impl Namespaces {
    /// Whether a namespace is labelled for preStop hooks in Pods.
    pub fn injects(&self, namespace: &str) -> bool {
        self.read(namespace, |labels| labels.injects).unwrap_or_default()
    }

    /// The value of a namespace's label for the mode.
    pub fn mode(&self, namespace: &str) -> Option<String> {
        self.read(namespace, |labels| labels.mode.clone()).flatten()
    }

    fn read<T>(&self, namespace: &str, look: impl FnOnce(&NamespaceLabels) -> T) -> Option<T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(namespace).map(look)
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<String, NamespaceLabels>)) {
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
        let label = |key: &str| metadata.labels.get(key).map(ToString::to_string);
        let labels = NamespaceLabels {
            injects: label(annotation::INJECT).is_some_and(|value| value == "enabled"),
            mode: label(annotation::MODE),
        };
        self.write(|namespaces| {
            if labels.injects || labels.mode.is_some() {
                namespaces.insert(metadata.name, labels);
            } else {
                namespaces.remove(&metadata.name);
            }
        });
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.write(|namespaces| {
            namespaces.remove(name);
        });
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.write(|namespaces| namespaces.retain(|name, _| is_there("", name)));
    }
}
