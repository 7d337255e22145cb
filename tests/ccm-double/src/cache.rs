//! A cache of the API server's objects, which tells what has changed between two versions of each.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use kube::runtime::watcher::Event;

use crate::service::Key;

/// A change of one object.
#[derive(Debug, PartialEq)]
pub enum Change<K> {
    /// It is new, or was listed for the first time.
    Created(Arc<K>),
    /// It has changed.
    Updated {
        /// As it was.
        old: Arc<K>,
        /// As it is.
        new: Arc<K>,
    },
    /// It is gone.
    Deleted(Arc<K>),
}

/// All objects of one kind, as far as the watch has told.
#[derive(Debug)]
pub(crate) struct Cache<K> {
    objects: Mutex<BTreeMap<Key, Arc<K>>>,
    /// Objects of a listing that has not ended.
    listed: Mutex<HashMap<Key, Arc<K>>>,
}

impl<K: kube::Resource> Cache<K> {
    pub(crate) fn new() -> Self {
        Self { objects: Mutex::default(), listed: Mutex::default() }
    }

    pub(crate) fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<K>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Those for which this holds, by key.
    pub(crate) fn all_of(&self, is_wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        let objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        objects.values().filter(|object| is_wanted(object)).cloned().collect()
    }

    /// Takes an event of the watch and gives what it changes.
    pub(crate) fn apply(&self, event: Event<K>) -> Vec<Change<K>> {
        let mut listed = self.listed.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => {
                listed.clear();
                Vec::new()
            }
            Event::InitApply(object) => {
                listed.insert(Key::from_object(&object), Arc::new(object));
                Vec::new()
            }
            Event::InitDone => self.replace(std::mem::take(&mut listed)),
            Event::Apply(object) => vec![self.put(Key::from_object(&object), Arc::new(object))],
            Event::Delete(object) => {
                let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
                objects
                    .remove(&Key::from_object(&object))
                    .map(Change::Deleted)
                    .into_iter()
                    .collect()
            }
        }
    }

    fn put(&self, key: Key, new: Arc<K>) -> Change<K> {
        let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
        match objects.insert(key, Arc::clone(&new)) {
            Some(old) => Change::Updated { old, new },
            None => Change::Created(new),
        }
    }

    /// A listing says everything: what it lacks is gone.
    fn replace(&self, listed: HashMap<Key, Arc<K>>) -> Vec<Change<K>> {
        let gone = {
            let mut objects = self.objects.lock().unwrap_or_else(PoisonError::into_inner);
            let gone: Vec<Key> =
                objects.keys().filter(|key| !listed.contains_key(key)).cloned().collect();
            gone.iter()
                .filter_map(|key| objects.remove(key))
                .map(Change::Deleted)
                .collect::<Vec<_>>()
        };
        gone.into_iter()
            .chain(listed.into_iter().map(|(key, object)| self.put(key, object)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;

    use super::*;

    fn service(name: &str, version: &str) -> Service {
        let mut service = Service::default();
        service.metadata.name = Some(name.to_owned());
        service.metadata.resource_version = Some(version.to_owned());
        service
    }

    fn told(changes: &[Change<Service>]) -> Vec<String> {
        let version =
            |service: &Service| service.metadata.resource_version.clone().unwrap_or_default();
        let mut told: Vec<String> = changes
            .iter()
            .map(|change| match change {
                Change::Created(new) => format!("+{}", version(new)),
                Change::Updated { old, new } => format!("{}>{}", version(old), version(new)),
                Change::Deleted(old) => format!("-{}", version(old)),
            })
            .collect();
        told.sort();
        told
    }

    #[test]
    fn objects_come_change_and_go() {
        let cache = Cache::new();
        assert_eq!(told(&cache.apply(Event::Apply(service("a", "1")))), ["+1"]);
        assert_eq!(told(&cache.apply(Event::Apply(service("a", "2")))), ["1>2"]);
        assert_eq!(told(&cache.apply(Event::Delete(service("a", "3")))), ["-2"]);
        assert!(cache.all().is_empty());
    }

    #[test]
    fn after_a_gap_a_new_listing_tells_what_was_missed() {
        let cache = Cache::new();
        for name in ["kept", "gone"] {
            cache.apply(Event::Apply(service(name, "1")));
        }
        let mut changes = cache.apply(Event::Init);
        changes.extend(cache.apply(Event::InitApply(service("kept", "2"))));
        changes.extend(cache.apply(Event::InitApply(service("new", "3"))));
        assert!(changes.is_empty(), "a listing counts when it is complete");
        assert_eq!(told(&cache.apply(Event::InitDone)), ["+3", "-1", "1>2"]);
    }
}
