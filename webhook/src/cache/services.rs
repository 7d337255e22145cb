//! The Services on CLBs, by name, vServer group, listener and selector.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use clbmigrate_core::{
    annotation, backends,
    index::routes_of,
    listener::{self, ListenerKey},
    object::{PodLabels, Service},
};

use super::{strip, watched_resource::ObjectStore};

/// How many Services of one listener count as neighbours: the first by name.
const MAX_RIVALS: usize = 16;

/// How long, and how many of, the uids of removed Services are kept. A write is over long before.
const REMOVED_LIFETIME: Duration = Duration::from_secs(300);
const MAX_REMOVED: usize = 4096;

/// The Services on CLBs, each found by its name and by what it shares with others.
#[derive(Default)]
pub(super) struct ServiceStore(RwLock<ServiceIndex>);

#[derive(Default)]
struct ServiceIndex {
    names: HashMap<Arc<str>, Arc<Service>>,
    groups: Lists,
    /// One listener may have thousands of Services, so they are found by name, too. They are in its
    /// order, so that all replicas of the webhook judge by the same ones.
    listeners: HashMap<String, BTreeMap<Arc<str>, Arc<Service>>>,
    selectors: Lists,
    removed: VecDeque<RemovedService>,
}

/// A Service that is no longer there, or no longer on a CLB.
struct RemovedService {
    name: Arc<str>,
    uid: String,
    at: Instant,
}

/// Services with their names beside them: to compare names needs no look at the Services, which are not
/// in the processor's caches where there are thousands.
type Lists = HashMap<String, Vec<(Arc<str>, Arc<Service>)>>;

impl ServiceStore {
    fn read<T>(&self, ask: impl FnOnce(&ServiceIndex) -> T) -> T {
        ask(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut ServiceIndex) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read(|index| index.names.len())
    }

    /// The Service of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.read(|index| index.names.get(key(&[namespace, name]).as_str()).cloned())
    }

    /// The uids of the present Service of this name and of those that were removed lately.
    pub fn past_uids(&self, namespace: &str, name: &str) -> BTreeSet<String> {
        let name = key(&[namespace, name]);
        self.read(|index| {
            let removed = index.removed.iter().filter(|removed| *removed.name == *name);
            let removed = removed.map(|removed| removed.uid.clone());
            let present = index.names.get(name.as_str());
            removed.chain(present.map(|service| service.metadata.uid.clone())).collect()
        })
    }

    /// Those of a namespace, by name.
    pub fn in_namespace(&self, namespace: &str) -> Vec<Arc<Service>> {
        let mut found: Vec<Arc<Service>> = self.read(|index| {
            let all = index.names.values();
            all.filter(|service| service.metadata.namespace() == namespace).cloned().collect()
        });
        found.sort_by(|a, b| a.metadata.name.cmp(&b.metadata.name));
        found
    }

    /// The other Services that share a vServer group with one of these, or a listener that one of these
    /// takes over.
    pub fn neighbours<'s>(&self, of: impl IntoIterator<Item = &'s Service>) -> Vec<Arc<Service>> {
        let mut found: Vec<Arc<Service>> = Vec::new();
        self.read(|index| {
            for service in of {
                let own = name_of(service);
                let mut add = |name: &str, service: &Arc<Service>| {
                    if name != own && !found.iter().any(|known| Arc::ptr_eq(known, service)) {
                        found.push(Arc::clone(service));
                    }
                };
                for group in groups(service) {
                    let bound = index.groups.get(group).into_iter().flatten();
                    bound.for_each(|(name, service)| add(name, service));
                }
                if overrides(service) {
                    // The rule names one rival; among thousands, the first few will do.
                    for key in listeners(service) {
                        let rivals = index.listeners.get(&key).into_iter().flatten();
                        let rivals = rivals.filter(|(name, _)| ***name != *own);
                        rivals.take(MAX_RIVALS).for_each(|(name, rival)| add(name, rival));
                    }
                }
            }
        });
        found
    }

    /// The Services that may select some of the pods that carry these labels.
    pub fn selecting(&self, namespace: &str, labels: PodLabels<'_>) -> Vec<Arc<Service>> {
        self.read(|index| {
            let keys = labels.pairs().map(|(name, value)| key(&[namespace, name, value]));
            let keys = keys.chain([any_label(namespace)]);
            let lists = keys.filter_map(|key| index.selectors.get(&key));
            let services = lists.flatten().map(|(_, service)| service);
            services.filter(|service| service.selects_pods(labels)).cloned().collect()
        })
    }
}

impl ServiceIndex {
    /// Removes a Service, and keeps its uid for a while.
    fn remove(&mut self, name: &str) {
        let Some((name, service)) = self.take(name) else { return };
        let at = Instant::now();
        let is_old = |removed: &RemovedService| at - removed.at > REMOVED_LIFETIME;
        while self.removed.len() >= MAX_REMOVED || self.removed.front().is_some_and(is_old) {
            self.removed.pop_front();
        }
        self.removed.push_back(RemovedService { name, uid: service.metadata.uid.clone(), at });
    }

    /// Takes a Service out of all lists.
    fn take(&mut self, name: &str) -> Option<(Arc<str>, Arc<Service>)> {
        let (name, service) = self.names.remove_entry(name)?;
        let take = |lists: &mut Lists, key: &str| {
            let Some(list) = lists.get_mut(key) else { return };
            list.retain(|(known, _)| **known != *name);
            if list.is_empty() {
                lists.remove(key);
            }
        };
        for group in groups(&service) {
            take(&mut self.groups, group);
        }
        for key in listeners(&service) {
            if let Some(list) = self.listeners.get_mut(&key) {
                list.remove(&name);
                if list.is_empty() {
                    self.listeners.remove(&key);
                }
            }
        }
        if let Some(key) = selector(&service) {
            take(&mut self.selectors, &key);
        }
        Some((name, service))
    }

    fn insert(&mut self, name: &str, service: Arc<Service>) {
        let name: Arc<str> = name.into();
        let add = |lists: &mut Lists, key: &str| {
            let list = match lists.get_mut(key) {
                Some(list) => list,
                None => lists.entry(key.to_owned()).or_insert_with(|| Vec::with_capacity(1)),
            };
            list.push((Arc::clone(&name), Arc::clone(&service)));
        };
        for group in groups(&service) {
            add(&mut self.groups, group);
        }
        for key in listeners(&service) {
            let list = self.listeners.entry(key).or_default();
            list.insert(Arc::clone(&name), Arc::clone(&service));
        }
        if let Some(key) = selector(&service) {
            add(&mut self.selectors, &key);
        }
        self.names.insert(name, service);
    }
}

impl ObjectStore for ServiceStore {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        #[derive(serde::Deserialize)]
        struct Named {
            metadata: clbmigrate_core::object::ObjectMeta,
        }
        match strip::service(object)? {
            Some(service) => {
                let name = name_of(&service);
                self.write(|index| {
                    let before = index.names.get(name.as_str()).map(|known| &known.metadata.uid);
                    if before.is_some_and(|before| *before != service.metadata.uid) {
                        index.remove(&name);
                    } else {
                        index.take(&name);
                    }
                    index.insert(&name, Arc::new(service));
                });
            }
            None => {
                let meta = serde_json::from_str::<Named>(object)?.metadata;
                self.remove(meta.namespace(), &meta.name);
            }
        }
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        let name = key(&[namespace, name]);
        if self.read(|index| index.names.contains_key(name.as_str())) {
            self.write(|index| index.remove(&name));
        }
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        let gone: Vec<Arc<str>> = self.read(|index| {
            let known = index.names.iter();
            let gone = known.filter(|(_, service)| {
                !is_there(service.metadata.namespace(), &service.metadata.name)
            });
            gone.map(|(name, _)| Arc::clone(name)).collect()
        });
        for name in &gone {
            self.write(|index| index.remove(name));
        }
    }
}

fn name_of(service: &Service) -> String {
    key(&[service.metadata.namespace(), &service.metadata.name])
}

/// A key of several parts, none of which can contain a line break.
fn key(parts: &[&str]) -> String {
    parts.join("\n")
}

/// The groups that a Service's mapping names, as written and as CCM reads them, each once.
fn groups(service: &Service) -> Vec<&str> {
    let Some(mapping) = backends::mapping(service) else { return Vec::new() };
    let written = mapping.entries().iter().map(|entry| entry.group);
    let mut groups: Vec<&str> = Vec::with_capacity(mapping.entries().len());
    for group in written.chain(routes_of(service).into_iter().map(|(group, _)| group)) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    groups
}

/// Whether a Service takes over listeners of its CLB.
fn overrides(service: &Service) -> bool {
    service.metadata.annotations.text(annotation::FORCE_OVERRIDE) == "true"
}

/// The keys of the listeners that a Service takes.
fn listeners(service: &Service) -> Vec<String> {
    let clb = service.metadata.annotations.text(annotation::ID);
    let taken = listener::taken_by(service);
    let mut keys: Vec<String> = taken
        .map(|ListenerKey { port, protocol }| key(&[clb, &port.to_string(), &protocol]))
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys
}

/// One pair of the selector, which every template carries whose pods it selects. Where a controller
/// may have added all of them, the Service is looked for with any label.
fn selector(service: &Service) -> Option<String> {
    let namespace = service.metadata.namespace();
    if service.spec.selector.is_empty() {
        return None;
    }
    let pair = service.lookup_pairs().next();
    Some(pair.map_or_else(|| any_label(namespace), |(name, value)| key(&[namespace, name, value])))
}

/// The key of the Services of a namespace that select pods by nothing but what controllers add. No
/// label has an empty name.
fn any_label(namespace: &str) -> String {
    key(&[namespace, "", ""])
}
