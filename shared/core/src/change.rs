//! What differs between two snapshots.

use std::collections::BTreeSet;

use crate::{
    object::{Annotations, ObjectRef, Service},
    snapshot::{Cluster, Snapshot},
};

/// A Service that differs between two snapshots, or that somebody asked about.
pub struct ServiceChange<'a> {
    /// The Service's name in reports.
    pub object: ObjectRef,
    /// The index of its cluster in both snapshots.
    pub cluster: usize,
    /// The Service before the change; `None` where the change creates it.
    pub old: Option<&'a Service>,
    /// The Service after the change; `None` where the change deletes it.
    pub new: Option<&'a Service>,
}

impl<'a> ServiceChange<'a> {
    /// The annotations that differ, as `(key, old, new)`, in the order of the keys. `None` stands
    /// for an absent annotation.
    pub fn annotations(&self) -> Vec<(&'a str, Option<&'a str>, Option<&'a str>)> {
        let of = |service: Option<&'a Service>| service.map(|s| &s.metadata.annotations);
        let (old, new) = (of(self.old), of(self.new));
        let keys: BTreeSet<&str> = old.into_iter().chain(new).flat_map(Annotations::keys).collect();
        let value = |annotations: Option<&'a Annotations>, key: &str| {
            annotations.and_then(|annotations| annotations.get(key))
        };
        let pairs = keys.into_iter().map(|key| (key, value(old, key), value(new, key)));
        pairs.filter(|(_, old, new)| old != new).collect()
    }
}

/// Compares two snapshots whose clusters have the same order. Returns first the Services to look
/// at, those that differ in spec or annotations and the `named` ones, and second only those that
/// differ.
pub(crate) fn service_changes<'a>(
    before: &'a Snapshot,
    after: &'a Snapshot,
    named: &[ObjectRef],
) -> (Vec<ServiceChange<'a>>, Vec<ServiceChange<'a>>) {
    let (mut looked_at, mut changes) = (Vec::new(), Vec::new());
    let count = before.clusters.len().max(after.clusters.len());
    for cluster in 0..count {
        let (old, new) = (before.clusters.get(cluster), after.clusters.get(cluster));
        let services = old.into_iter().chain(new).flat_map(Cluster::services);
        let all: BTreeSet<(&str, &str)> =
            services.map(|s| (s.metadata.namespace(), s.metadata.name.as_str())).collect();
        for (namespace, name) in all {
            let of =
                |cluster: Option<&'a Cluster>| cluster.and_then(|c| c.service(namespace, name));
            let (old, new) = (of(old), of(new));
            let differs = match (old, new) {
                (Some(old), Some(new)) => {
                    old.spec != new.spec || old.metadata.annotations != new.metadata.annotations
                }
                _ => true,
            };
            let context = after.clusters.get(cluster).and_then(|c| c.context.as_ref());
            let Some(service) = new.or(old) else { continue };
            let object = service.object_ref(context);
            if differs {
                changes.push(ServiceChange { object: object.clone(), cluster, old, new });
            }
            if differs || named.contains(&object) {
                looked_at.push(ServiceChange { object, cluster, old, new });
            }
        }
    }
    (looked_at, changes)
}
