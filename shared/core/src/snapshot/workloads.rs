//! A cluster's workloads, the pods of others, and what is asked about them.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    sync::Arc,
};

use super::Cluster;
use crate::object::{
    ControllerReference, HorizontalPodAutoscaler, Pod, Service, Workload, WorkloadKind,
};

/// The workloads of a cluster.
#[derive(Debug, Clone, Default)]
pub(super) struct Workloads {
    /// By namespace, then by kind and name.
    by_name: BTreeMap<String, BTreeMap<Key, Arc<Workload>>>,
    /// Pods with a controller, by namespace and the workload behind them. Of those that are alike,
    /// one stands for all.
    owned_pods: BTreeMap<String, BTreeMap<ControllerReference, Vec<Arc<Workload>>>>,
    /// The fewest replicas that autoscalers leave, by namespace, kind and name of the workload.
    minimums: HashMap<(String, String, String), u32>,
}

/// Kind and name of a workload. The name has the kind's in front where that is
/// [`WorkloadKind::Other`].
type Key = (WorkloadKind, String);

impl Workloads {
    /// The place of a workload.
    pub fn entry(&mut self, workload: &Workload) -> Entry<'_, Key, Arc<Workload>> {
        let namespace = self.by_name.entry(workload.metadata.namespace().to_owned()).or_default();
        namespace.entry(key_of(workload))
    }

    /// Adds a Pod that was not there: as a workload if no controller owns it.
    pub fn insert_pod(&mut self, pod: &Pod) {
        let meta = &pod.metadata;
        let Some(controller) = ControllerReference::behind(meta) else {
            let workload = Arc::new(Workload::from_pod(pod));
            self.entry(&workload).or_insert_with(|| Arc::clone(&workload));
            return;
        };
        // Jobs end by themselves, and nobody rolls them out.
        if controller.kind == "Job" || meta.deletion_timestamp.is_some() {
            return;
        }
        let namespace = self.owned_pods.entry(meta.namespace().to_owned()).or_default();
        let known = namespace.entry(controller).or_default();
        let is_alike = |other: &Arc<Workload>| {
            other.metadata.labels == meta.labels && other.template.spec == pod.spec
        };
        if !known.iter().any(is_alike) {
            known.push(Arc::new(Workload::from_pod(pod)));
        }
    }

    /// Adds an autoscaler. Of several that scale one workload, the lowest minimum counts.
    pub fn insert_autoscaler(&mut self, scaler: HorizontalPodAutoscaler) {
        let minimum = scaler.spec.minimum();
        let namespace = scaler.metadata.namespace().to_owned();
        let target = scaler.spec.scale_target_ref;
        let known = self.minimums.entry((namespace, target.kind, target.name)).or_insert(minimum);
        *known = minimum.min(*known);
    }

    /// Puts every object of `newer` in place of the one of its name.
    pub fn overlay(&mut self, newer: &Self) {
        for (namespace, workloads) in &newer.by_name {
            let known = self.by_name.entry(namespace.clone()).or_default();
            known.extend(workloads.iter().map(|(key, new)| (key.clone(), Arc::clone(new))));
        }
        for (namespace, pods) in &newer.owned_pods {
            // What is read anew of a workload's pods is what they are now.
            let known = self.owned_pods.entry(namespace.clone()).or_default();
            known.extend(pods.iter().map(|(owner, pods)| (owner.clone(), pods.clone())));
        }
        self.minimums.extend(newer.minimums.iter().map(|(of, minimum)| (of.clone(), *minimum)));
    }

    /// The workloads of a namespace, by kind and name.
    fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Workload> {
        self.by_name.get(namespace).into_iter().flat_map(BTreeMap::values).map(Arc::as_ref)
    }

    /// The workload of that kind and name.
    fn find(
        &self,
        namespace: &str,
        group: Option<&str>,
        kind: &str,
        name: &str,
    ) -> Option<&Workload> {
        let of = WorkloadKind::of(group, kind).unwrap_or(WorkloadKind::Other);
        let key = (of, key_name(kind, of, name));
        self.by_name.get(namespace)?.get(&key).map(Arc::as_ref)
    }

    /// The workload whose template the pods of a controller have; `None` where it is not at hand.
    fn template_of(&self, namespace: &str, controller: &ControllerReference) -> Option<&Workload> {
        let ControllerReference { group, kind, name } = controller;
        let group = (!group.is_empty()).then_some(group.as_str());
        let workload = self.find(namespace, group, kind, name)?;
        match &workload.template_of {
            Some(other) => self.find(namespace, None, &other.kind, &other.name),
            None => Some(workload),
        }
    }
}

fn key_of(workload: &Workload) -> Key {
    let Workload { kind, metadata, .. } = workload;
    (*kind, key_name(workload.kind_name(), *kind, &metadata.name))
}

/// The name of a workload in a [`Key`].
fn key_name(kind_name: &str, kind: WorkloadKind, name: &str) -> String {
    match kind {
        WorkloadKind::Other => format!("{kind_name}/{name}"),
        _ => name.to_owned(),
    }
}

impl Cluster {
    /// Adds a workload in the place of the one of its kind, namespace and name.
    pub fn replace_workload(&mut self, workload: impl Into<Arc<Workload>>) {
        let workload = workload.into();
        let namespace = workload.metadata.namespace().to_owned();
        let known = self.workloads.by_name.entry(namespace).or_default();
        known.insert(key_of(&workload), workload);
    }

    /// The workloads whose pods a Service selects: those whose pods carry its labels, and those that
    /// pods at hand belong to which it selects. A pod whose workload is not at hand is judged for
    /// itself.
    pub fn workloads_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Workload> {
        let namespace = service.metadata.namespace();
        let selected = self.workloads.in_namespace(namespace).filter(|workload| {
            workload.template_of.is_none() && service.selects_pods(workload.pod_labels())
        });
        let mut found: Vec<&Workload> = selected.collect();
        let owned = self.workloads.owned_pods.get(namespace);
        for (controller, pods) in owned.into_iter().flatten() {
            let selected = pods.iter().filter(|pod| service.selects_pods(pod.pod_labels()));
            let selected: Vec<&Workload> = selected.map(Arc::as_ref).collect();
            if selected.is_empty() {
                continue;
            }
            match self.workloads.template_of(namespace, controller) {
                Some(workload) if found.iter().any(|known| std::ptr::eq(*known, workload)) => {}
                Some(workload) => found.push(workload),
                None => found.extend(selected),
            }
        }
        found.into_iter()
    }

    /// All workloads, by namespace, kind and name; not the pods of others.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        self.workloads.by_name.values().flat_map(BTreeMap::values).map(Arc::as_ref)
    }

    /// The Rollout that takes its template from a workload and runs the pods in its place.
    pub fn rollout_over(&self, workload: &Workload) -> Option<&Workload> {
        let of_namespace = self.workloads.by_name.get(workload.metadata.namespace())?;
        let rollouts = of_namespace.range((WorkloadKind::Rollout, String::new())..);
        let mut rollouts = rollouts.take_while(|((kind, _), _)| *kind == WorkloadKind::Rollout);
        let rollout = rollouts.find(|(_, rollout)| {
            let other = rollout.template_of.as_ref();
            other.is_some_and(|other| workload.is(&other.kind, &other.name))
        });
        rollout.map(|(_, rollout)| rollout.as_ref())
    }

    /// The fewest replicas that autoscalers leave a workload; `None` where none scales it.
    pub fn autoscaler_minimum(&self, workload: &Workload) -> Option<u32> {
        let meta = &workload.metadata;
        let kind = workload.kind_name().to_owned();
        let target = (meta.namespace().to_owned(), kind, meta.name.clone());
        self.workloads.minimums.get(&target).copied()
    }
}
