//! Deployments and the other kinds with a pod template, by name and by the labels of their pods.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use clbmigrate_core::object::{Service, Workload, WorkloadKind};

use super::{strip, watched_resource::ObjectStore};

/// All workloads, each found by its name and by the labels of its pods.
#[derive(Default)]
pub(super) struct WorkloadStore(RwLock<WorkloadIndex>);

/// The workloads of one kind, as a store of its own.
pub(super) struct WorkloadsOfKind<'w> {
    kind: WorkloadKind,
    all: &'w WorkloadStore,
}

#[derive(Default)]
struct WorkloadIndex {
    by_name: HashMap<Name, Arc<Workload>>,
    by_label: HashMap<String, Vec<Arc<Workload>>>,
}

type Name = (WorkloadKind, String);

impl WorkloadStore {
    /// The store of one kind.
    pub fn of(&self, kind: WorkloadKind) -> WorkloadsOfKind<'_> {
        WorkloadsOfKind { kind, all: self }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.read(|index| index.by_name.len())
    }

    /// The workload of this kind and name.
    pub fn get(&self, kind: WorkloadKind, namespace: &str, name: &str) -> Option<Arc<Workload>> {
        let name = (kind, format!("{namespace}/{name}"));
        self.read(|index| index.by_name.get(&name).cloned())
    }

    /// All of them, by namespace, name and kind.
    pub fn all(&self) -> Vec<Arc<Workload>> {
        let mut all: Vec<Arc<Workload>> =
            self.read(|index| index.by_name.values().cloned().collect());
        let by_name = |a: &Workload, b: &Workload| {
            let (own, other) = (&a.metadata, &b.metadata);
            own.namespace().cmp(other.namespace()).then_with(|| own.name.cmp(&other.name))
        };
        all.sort_by(|a, b| by_name(a, b).then_with(|| a.kind.cmp(&b.kind)));
        all
    }

    fn read<T>(&self, ask: impl FnOnce(&WorkloadIndex) -> T) -> T {
        ask(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn write<T>(&self, change: impl FnOnce(&mut WorkloadIndex) -> T) -> T {
        change(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// The workloads whose pods a Service selects, looked for among those that carry the rarest of
    /// the labels that no controller adds; with those that take their templates from one of them.
    pub fn selected_by(&self, service: &Service) -> Vec<Arc<Workload>> {
        let namespace = service.metadata.namespace();
        self.read(|index| {
            let pairs = service.lookup_pairs().map(|(name, value)| key(namespace, name, value));
            let lists = pairs.map(|key| index.by_label.get(&key));
            let rarest = lists.min_by_key(|list| list.map_or(0, Vec::len));
            let rarest = rarest.unwrap_or_else(|| index.by_label.get(&any_label(namespace)));
            let selects = |workload: &&Arc<Workload>| {
                workload.template_of.is_none() && service.selects_pods(workload.pod_labels())
            };
            let selected = rarest.into_iter().flatten().filter(selects);
            selected
                .flat_map(|workload| index.taking_from(workload).chain([workload]))
                .cloned()
                .collect()
        })
    }

    /// The workloads that take their templates from this one.
    pub fn taking_from(&self, workload: &Workload) -> Vec<Arc<Workload>> {
        self.read(|index| index.taking_from(workload).cloned().collect())
    }
}

impl WorkloadIndex {
    fn taking_from(&self, workload: &Workload) -> impl Iterator<Item = &Arc<Workload>> {
        let (kind, meta) = (workload.kind_name(), &workload.metadata);
        self.by_label.get(&template(meta.namespace(), kind, &meta.name)).into_iter().flatten()
    }

    fn remove(&mut self, name: &Name) {
        let Some(workload) = self.by_name.remove(name) else { return };
        for key in labels(&workload) {
            let Some(list) = self.by_label.get_mut(&key) else { continue };
            list.retain(|known| !Arc::ptr_eq(known, &workload));
            if list.is_empty() {
                self.by_label.remove(&key);
            }
        }
    }
}

impl ObjectStore for WorkloadsOfKind<'_> {
    fn put(&self, object: &str) -> Result<(), serde_json::Error> {
        let workload = Arc::new(strip::workload(self.kind, object)?);
        let meta = &workload.metadata;
        let name = (self.kind, format!("{}/{}", meta.namespace(), meta.name));
        self.all.write(|index| {
            index.remove(&name);
            for key in labels(&workload) {
                index.by_label.entry(key).or_default().push(Arc::clone(&workload));
            }
            index.by_name.insert(name, workload);
        });
        Ok(())
    }

    fn remove(&self, namespace: &str, name: &str) {
        self.all.write(|index| index.remove(&(self.kind, format!("{namespace}/{name}"))));
    }

    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool) {
        let gone: Vec<Name> = self.all.read(|index| {
            let known = index.by_name.iter().filter(|((kind, _), _)| *kind == self.kind);
            let gone = known.filter(|(_, workload)| {
                !is_there(workload.metadata.namespace(), &workload.metadata.name)
            });
            gone.map(|(name, _)| name.clone()).collect()
        });
        for name in &gone {
            self.all.write(|index| index.remove(name));
        }
    }
}

/// The keys under which a workload is found.
fn labels(workload: &Workload) -> impl Iterator<Item = String> {
    let namespace = workload.metadata.namespace();
    let pairs = workload.pod_labels().pairs().map(move |(name, value)| key(namespace, name, value));
    let other = workload.template_of.as_ref();
    let other = other.map(|other| template(namespace, &other.kind, &other.name));
    pairs.chain(other).chain([any_label(namespace)])
}

fn key(namespace: &str, name: &str, value: &str) -> String {
    format!("{namespace}\n{name}\n{value}")
}

/// The key of all workloads of a namespace. No label has an empty name.
fn any_label(namespace: &str) -> String {
    key(namespace, "", "")
}

/// The key of the workloads that take their templates from another one. No label has such a name.
fn template(namespace: &str, kind: &str, name: &str) -> String {
    key(namespace, "/template", &format!("{kind}/{name}"))
}
