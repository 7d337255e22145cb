//! The modes that namespaces are labelled with.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

use clbmigrate_core::{annotation, object::ObjectMeta};
use serde::Deserialize;

use super::watched_resource::ObjectStore;

/// The values of the label `clbmigrate.io/mode`, by namespace.
#[derive(Default)]
pub(super) struct Namespaces(RwLock<HashMap<String, String>>);

impl Namespaces {
    /// The value of a namespace's label.
    pub fn mode(&self, namespace: &str) -> Option<String> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(namespace).cloned()
    }

    fn write(&self, change: impl FnOnce(&mut HashMap<String, String>)) {
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
        let mode = metadata.labels.get(annotation::MODE).map(ToString::to_string);
        self.write(|modes| {
            match mode {
                Some(mode) => modes.insert(metadata.name, mode),
                None => modes.remove(&metadata.name),
            };
        });
        Ok(())
    }

    fn remove(&self, _: &str, name: &str) {
        self.write(|modes| {
            modes.remove(name);
        });
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        self.write(|modes| modes.retain(|name, _| is_there("", name)));
    }
}
