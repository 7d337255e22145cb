//! What is watched: each resource in all namespaces, or in some of them.

use std::collections::{BTreeMap, BTreeSet};

use futures::channel::mpsc;

use super::{ClusterWatch, object::HeldObject, store::Told};
use crate::live::{
    namespaces::{NAMESPACES, Resource, workloads},
    read::NeededNamespaces,
};

/// What one stream is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    /// The objects of a resource, of one namespace or of all.
    Of(Resource, Option<String>),
    /// A namespace itself, where the user may not watch all.
    Namespace(String),
    /// The pods of a path.
    Pods(String),
    /// What tells of the cluster as a whole.
    ClusterWide,
}

impl Subject {
    pub fn services() -> Resource {
        Resource::new("v1", "services")
    }

    pub fn nodes() -> Resource {
        Resource::new("v1", "nodes")
    }

    pub fn namespaces() -> Resource {
        Resource::new("v1", "namespaces")
    }

    /// The resource that may be asked for in single namespaces, where it was asked for in all; `None`
    /// of any other subject.
    pub fn narrowable(&self) -> Option<&Resource> {
        match self {
            Self::Of(resource, None) if *resource != Self::nodes() => Some(resource),
            _ => None,
        }
    }

    pub fn is_services(&self) -> bool {
        matches!(self, Self::Of(resource, _) if *resource == Self::services())
    }
}

impl ClusterWatch {
    /// The namespaces of which more than Services is needed.
    pub(super) fn needed_namespaces(&self) -> BTreeSet<String> {
        let (tell, mut found) = mpsc::unbounded();
        let only = self.is_only_namespace.then_some(self.namespace.as_str());
        let mut needed = NeededNamespaces::new(only, tell);
        for (_, of) in self.watches.iter().filter(|(subject, _)| subject.is_services()) {
            for held in of.value.listing().into_iter().flat_map(BTreeMap::values) {
                if let Ok(HeldObject::Service(service)) = held {
                    needed.see(service);
                }
            }
        }
        drop(needed);
        std::iter::from_fn(|| found.try_recv().ok()).collect()
    }

    /// The kinds of workload, and what scales them.
    pub(super) fn workload_kinds(&self) -> Vec<Resource> {
        let custom = self.cluster_wide.custom.iter().flatten().flatten();
        workloads().into_iter().chain(custom.cloned()).collect()
    }

    /// What has to be watched or read again and again, pods aside.
    pub(super) fn subjects(&self) -> BTreeSet<Subject> {
        let is_refused = |resource: &Resource| self.refused.contains_key(&resource.label);
        let services = Subject::services();
        let namespace = is_refused(&services).then(|| self.namespace.clone());
        let mut subjects = BTreeSet::from([
            Subject::ClusterWide,
            Subject::Of(services, namespace),
            Subject::Of(Subject::nodes(), None),
        ]);
        if self.namespaces.is_empty() {
            return subjects;
        }
        for resource in [Resource::slices()].into_iter().chain(self.workload_kinds()) {
            if self.is_wide && !is_refused(&resource) {
                subjects.insert(Subject::Of(resource, None));
            } else {
                let of =
                    |namespace: &String| Subject::Of(resource.clone(), Some(namespace.clone()));
                subjects.extend(self.namespaces.iter().map(of));
            }
        }
        let all = Subject::namespaces();
        if is_refused(&all) {
            let few = self.namespaces.iter().take(NAMESPACES);
            subjects.extend(few.cloned().map(Subject::Namespace));
        } else {
            subjects.insert(Subject::Of(all, None));
        }
        subjects
    }

    /// Whether what is told is about an object of a namespace that is looked at.
    pub(super) fn is_looked_at(&self, subject: &Subject, told: &Told) -> bool {
        let Some(resource) = subject.narrowable().filter(|_| !subject.is_services()) else {
            return true;
        };
        let (Told::Put((namespace, name), _) | Told::Gone((namespace, name))) = told else {
            return true;
        };
        let is_namespace = *resource == Subject::namespaces();
        self.namespaces.contains(if is_namespace { name } else { namespace })
    }
}
