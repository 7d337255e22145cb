//! What the flags `-n`, `--context` and `-l` leave of a snapshot.

use std::collections::BTreeSet;

use clbmigrate_core::{
    object::{ObjectRef, Service},
    route::Participant,
    snapshot::{Cluster, Snapshot},
};

use crate::{cli::InputArgs, selector::Selector};

/// Which Services are looked at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Selection<'f> {
    namespace: Option<&'f str>,
    context: Option<&'f str>,
    selector: Option<&'f Selector>,
}

impl<'f> Selection<'f> {
    /// What the flags say; `namespace` is the one to look at, if only one.
    pub fn new(args: &'f InputArgs, namespace: Option<&'f str>) -> Self {
        Self { namespace, context: args.context.as_deref(), selector: args.selector.as_ref() }
    }

    /// The same of one context only.
    #[must_use]
    pub fn in_context(self, context: &'f str) -> Self {
        Self { context: Some(context), ..self }
    }

    /// Whether everything is looked at.
    pub fn is_everything(&self) -> bool {
        self.namespace.is_none() && self.context.is_none() && self.selector.is_none()
    }

    /// The namespace, if only one is looked at.
    pub fn namespace(&self) -> Option<&'f str> {
        self.namespace
    }

    /// Whether a Service is looked at.
    pub fn includes(&self, cluster: &Cluster, service: &Service) -> bool {
        let meta = &service.metadata;
        self.includes_place(cluster.context.as_deref(), Some(meta.namespace()))
            && self.selector.is_none_or(|selector| selector.matches(&meta.labels))
    }

    /// Whether a participant's route is looked at for its sake.
    pub fn includes_participant(&self, participant: &Participant<'_>) -> bool {
        match &participant.service_ref {
            Some(service_ref) => self.includes(service_ref.cluster, service_ref.service),
            // Without its object, its labels are unknown.
            None => {
                self.selector.is_none()
                    && !participant.namespace.is_empty()
                    && self.includes_place(
                        participant.context.as_deref(),
                        Some(&participant.namespace),
                    )
            }
        }
    }

    fn includes_place(&self, context: Option<&str>, namespace: Option<&str>) -> bool {
        self.context.is_none_or(|wanted| context == Some(wanted))
            && self.namespace.is_none_or(|wanted| namespace == Some(wanted))
    }

    /// The selected objects of a snapshot, for rules that judge one object after the other; `None` if
    /// that is all of them.
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

    /// Whether an object of no selected Service is looked at nevertheless.
    pub fn includes_object(&self, object: &ObjectRef) -> bool {
        self.selector.is_none()
            && self.includes_place(object.context.as_deref(), object.namespace.as_deref())
    }

    /// The restriction in words, with a space before it; empty where there is none.
    pub fn describe(&self) -> String {
        let namespace = self.namespace.map(|namespace| format!(" in namespace {namespace}"));
        let context = self.context.map(|context| format!(" in cluster {context}"));
        let labels = self.selector.map(|_| " with these labels".to_owned());
        [namespace, context, labels].into_iter().flatten().collect()
    }
}

/// Objects by name.
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
