//! Which Services of a snapshot a command looks at, by `-n`, `--context`, `-l` and names.

use std::collections::BTreeSet;

use clbmigrate_core::{
    object::{ObjectRef, Service},
    route::Participant,
    snapshot::{Cluster, Snapshot},
};

use crate::{namespaces::Namespaces, request::Request, selector::Selector};

/// Which Services are looked at.
#[derive(Debug, Clone, Copy)]
pub struct Selection<'f> {
    namespaces: &'f Namespaces,
    context: Option<&'f str>,
    selector: Option<&'f Selector>,
    /// Empty for Services of any name.
    names: &'f [String],
}

impl<'f> Selection<'f> {
    /// The selection of the flags, in these namespaces.
    pub fn new(args: &'f Request, namespaces: &'f Namespaces) -> Self {
        Self {
            namespaces,
            context: args.context.as_deref(),
            selector: args.selector.as_ref(),
            names: &args.names,
        }
    }

    /// The same selection, of any name.
    #[must_use]
    pub fn of_any_name(self) -> Self {
        Self { names: &[], ..self }
    }

    /// All Services in these namespaces.
    #[cfg(test)]
    pub fn in_namespaces(namespaces: &'f Namespaces) -> Self {
        Self { namespaces, context: None, selector: None, names: &[] }
    }

    /// The same selection, of one context only.
    #[must_use]
    pub fn in_context(self, context: &'f str) -> Self {
        Self { context: Some(context), ..self }
    }

    /// Whether no flag leaves anything out.
    pub fn is_everything(&self) -> bool {
        *self.namespaces == Namespaces::All
            && self.context.is_none()
            && self.selector.is_none()
            && self.names.is_empty()
    }

    /// The namespace that is selected in every cluster; `None` where there is not just one.
    pub fn namespace(&self) -> Option<&'f str> {
        self.namespaces.only()
    }

    /// Whether a Service is selected, by its cluster, namespace and labels.
    pub fn includes(&self, cluster: &Cluster, service: &Service) -> bool {
        let meta = &service.metadata;
        self.includes_place(cluster.context.as_deref(), Some(meta.namespace()))
            && self.selector.is_none_or(|selector| selector.matches(&meta.labels))
            && self.includes_name(&meta.name)
    }

    fn includes_name(&self, name: &str) -> bool {
        self.names.is_empty() || self.names.iter().any(|wanted| wanted == name)
    }

    /// Whether a participant is selected, and its route is shown for that. One whose Service is not
    /// in the snapshot has unknown labels: with `-l` it is never selected.
    pub fn includes_participant(&self, participant: &Participant<'_>) -> bool {
        match &participant.service_ref {
            Some(service_ref) => self.includes(service_ref.cluster, service_ref.service),
            // Without its object, its labels are unknown.
            None => {
                self.selector.is_none()
                    && !participant.namespace.is_empty()
                    && self.includes_name(&participant.name)
                    && self.includes_place(
                        participant.context.as_deref(),
                        Some(&participant.namespace),
                    )
            }
        }
    }

    fn includes_place(&self, context: Option<&str>, namespace: Option<&str>) -> bool {
        self.context.is_none_or(|wanted| context == Some(wanted))
            && self.namespaces.includes(context, namespace)
    }

    /// The selected Services of a snapshot, and the workloads behind them; `None` where everything
    /// is selected.
    pub fn objects(&self, snapshot: &Snapshot) -> Option<SelectedObjects> {
        if self.is_everything() {
            return None;
        }
        let mut objects = SelectedObjects::default();
        for cluster in &snapshot.clusters {
            for service in cluster.services().filter(|service| self.includes(cluster, service)) {
                objects.named.insert(service.object_ref(cluster.context.as_ref()));
                for workload in cluster.workloads_of(service) {
                    objects.named.insert(workload.object_ref(cluster.context.as_ref()));
                }
            }
        }
        Some(objects)
    }

    /// Whether an object that belongs to no Service is selected, by its context and namespace. With
    /// `-l` or names none is.
    pub fn includes_object(&self, object: &ObjectRef) -> bool {
        self.selector.is_none()
            && self.names.is_empty()
            && self.includes_place(object.context.as_deref(), object.namespace.as_deref())
    }

    /// The selection in words with a space before them, for example ` in namespace shop`; empty
    /// where everything is selected.
    pub fn describe(&self) -> String {
        let namespaces = self.namespaces.describe(self.context);
        let context = self.context.map(|context| format!(" in cluster {context}"));
        let labels = self.selector.map(|_| " with these labels".to_owned());
        [Some(namespaces), context, labels].into_iter().flatten().collect()
    }
}

/// The objects that a selection names.
#[derive(Debug, Default)]
pub struct SelectedObjects {
    named: BTreeSet<ObjectRef>,
}

impl SelectedObjects {
    /// Whether an object is among them.
    pub fn contains(&self, object: &ObjectRef) -> bool {
        self.named.contains(object)
    }
}
