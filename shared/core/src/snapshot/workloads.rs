//! A cluster's workloads, the pods of others, and what is asked about them.

use std::{
    collections::{BTreeMap, HashMap, btree_map::Entry},
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, OnceLock},
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
    /// Both, by label; made when it is first asked for.
    by_label: OnceLock<LabelIndex>,
}

/// The workloads of a namespace, and the pods of others, by one of their pods' labels.
#[derive(Debug, Clone, Default)]
struct LabelIndex(HashMap<String, HashMap<u64, Labelled>>);

/// What carries a label, in the order of the names.
#[derive(Debug, Clone, Default)]
struct Labelled {
    workloads: Vec<Arc<Workload>>,
    owned_pods: Vec<(ControllerReference, Arc<Workload>)>,
}

/// What a Service may select, in the order of the names.
#[derive(Default)]
struct Candidates<'a> {
    workloads: Vec<&'a Workload>,
    owned_pods: Vec<(&'a ControllerReference, &'a Workload)>,
}

impl Labelled {
    fn candidates(&self) -> Candidates<'_> {
        let owned_pods = self.owned_pods.iter().map(|(controller, pod)| (controller, pod.as_ref()));
        Candidates {
            workloads: self.workloads.iter().map(Arc::as_ref).collect(),
            owned_pods: owned_pods.collect(),
        }
    }
}

impl LabelIndex {
    fn new(workloads: &Workloads) -> Self {
        let mut index = Self::default();
        for (namespace, by_name) in &workloads.by_name {
            let labels = index.0.entry(namespace.clone()).or_default();
            for workload in by_name.values() {
                for (key, value) in workload.pod_labels().pairs() {
                    let labelled = labels.entry(hash_of(key, value)).or_default();
                    // A label of the template may be a temporary one as well.
                    if labelled.workloads.last().is_none_or(|last| !Arc::ptr_eq(last, workload)) {
                        labelled.workloads.push(Arc::clone(workload));
                    }
                }
            }
        }
        for (namespace, owners) in &workloads.owned_pods {
            let labels = index.0.entry(namespace.clone()).or_default();
            for (controller, pod) in
                owners.iter().flat_map(|(of, pods)| pods.iter().map(move |pod| (of, pod)))
            {
                for (key, value) in pod.pod_labels().pairs() {
                    let labelled = labels.entry(hash_of(key, value)).or_default();
                    if labelled.owned_pods.last().is_none_or(|(_, last)| !Arc::ptr_eq(last, pod)) {
                        labelled.owned_pods.push((controller.clone(), Arc::clone(pod)));
                    }
                }
            }
        }
        index
    }
}

/// A label as a key. Two labels may have one, so that what is found is looked at again.
fn hash_of(key: &str, value: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value).hash(&mut hasher);
    hasher.finish()
}

/// As many workloads are looked through one by one as fast as by their labels.
const FEW: usize = 16;

/// Kind and name of a workload. The name has the kind's in front where that is
/// [`WorkloadKind::Other`].
type Key = (WorkloadKind, String);

impl Workloads {
    /// The place of a workload.
    pub fn entry(&mut self, workload: &Workload) -> Entry<'_, Key, Arc<Workload>> {
        self.by_label = OnceLock::new();
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
        self.by_label = OnceLock::new();
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
        self.by_label = OnceLock::new();
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

    /// The workloads and pods of a namespace that a Service may select: all of them where there are
    /// few, else those that carry one of the labels that it selects by.
    fn candidates<'a>(&'a self, namespace: &str, service: &Service) -> Candidates<'a> {
        let pods = self.owned_pods.get(namespace);
        let count =
            self.by_name.get(namespace).map_or(0, BTreeMap::len) + pods.map_or(0, BTreeMap::len);
        let mut owned = pods.into_iter().flat_map(BTreeMap::values);
        let is_many = count > FEW || owned.any(|pods| pods.len() > FEW);
        let label = service.lookup_pairs().next();
        if let (true, Some((key, value))) = (is_many, label) {
            let by_label = self.by_label.get_or_init(|| LabelIndex::new(self));
            let labels = by_label.0.get(namespace);
            let found = labels.and_then(|labels| labels.get(&hash_of(key, value)));
            return found.map(Labelled::candidates).unwrap_or_default();
        }
        let owned = pods.into_iter().flatten();
        let owned = owned.flat_map(|(of, pods)| pods.iter().map(move |pod| (of, pod.as_ref())));
        Candidates {
            workloads: self.in_namespace(namespace).map(Arc::as_ref).collect(),
            owned_pods: owned.collect(),
        }
    }

    /// The workloads of a namespace, by kind and name.
    fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Arc<Workload>> {
        self.by_name.get(namespace).into_iter().flat_map(BTreeMap::values)
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
        self.workloads.by_label = OnceLock::new();
        let known = self.workloads.by_name.entry(namespace).or_default();
        known.insert(key_of(&workload), workload);
    }

    /// The workloads whose pods a Service selects: those whose pods carry its labels, and those that
    /// pods at hand belong to which it selects. A pod whose workload is not at hand is judged for
    /// itself.
    pub fn workloads_of<'a>(&'a self, service: &'a Service) -> impl Iterator<Item = &'a Workload> {
        let namespace = service.metadata.namespace();
        let Candidates { workloads, owned_pods } = self.workloads.candidates(namespace, service);
        let mut found = workloads;
        found.retain(|workload| {
            workload.template_of.is_none() && service.selects_pods(workload.pod_labels())
        });
        let selected = owned_pods.into_iter();
        for (controller, pod) in selected.filter(|(_, pod)| service.selects_pods(pod.pod_labels()))
        {
            match self.workloads.template_of(namespace, controller) {
                Some(workload) if found.iter().any(|known| std::ptr::eq(*known, workload)) => {}
                Some(workload) => found.push(workload),
                None => found.push(pod),
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::snapshot::Object;

    fn from<T: serde::de::DeserializeOwned>(value: Value) -> T {
        serde_json::from_value(value).expect("an object")
    }

    fn deployment(name: &str, app: &str) -> Workload {
        let value = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": app, "tier": "front"}}}},
        });
        Workload::deserialize(WorkloadKind::Deployment, value).expect("a Deployment")
    }

    fn stateful_set(name: &str) -> Workload {
        let value = json!({
            "metadata": {"name": name, "namespace": "shop"},
            "spec": {"template": {"metadata": {"labels": {"app": name}}}},
        });
        Workload::deserialize(WorkloadKind::StatefulSet, value).expect("a StatefulSet")
    }

    fn pod_of(controller: &str, name: &str) -> Pod {
        from(json!({
            "metadata": {
                "name": name, "namespace": "shop", "labels": {"app": controller},
                "ownerReferences": [{
                    "apiVersion": "example.com/v1", "kind": "Fleet", "name": controller,
                    "controller": true,
                }],
            },
        }))
    }

    /// A cluster with so many Deployments, a StatefulSet, and pods of a controller that is not at hand.
    fn cluster(deployments: usize) -> Cluster {
        let mut cluster = Cluster::default();
        for number in 0..deployments {
            cluster.replace_workload(deployment(
                &format!("web-{number:03}"),
                &format!("web-{number}"),
            ));
        }
        cluster.replace_workload(stateful_set("mq"));
        for number in 0..3 {
            cluster.insert(Object::Pod(Box::new(pod_of("fleet", &format!("fleet-{number}")))));
        }
        cluster
    }

    fn selected(cluster: &Cluster, selector: &Value) -> Vec<String> {
        let service: Service = from(json!({
            "metadata": {"name": "web", "namespace": "shop"},
            "spec": {"type": "LoadBalancer", "selector": selector},
        }));
        cluster.workloads_of(&service).map(|of| of.metadata.name.clone()).collect()
    }

    /// What there are many of is found by its labels, as the same is found among few.
    #[test]
    fn many_workloads_are_found_as_few_are() {
        let many = cluster(100);
        let few = cluster(3);
        let selectors = [
            json!({"app": "web-1"}),
            json!({"app": "web-1", "tier": "front"}),
            json!({"app": "web-1", "tier": "back"}),
            json!({"pod-template-hash": "abc", "app": "web-2"}),
            json!({"statefulset.kubernetes.io/pod-name": "mq-0"}),
            json!({"app": "mq", "statefulset.kubernetes.io/pod-name": "mq-0"}),
            json!({"app": "fleet"}),
            json!({"app": "nobody"}),
            json!({}),
        ];
        for selector in selectors {
            assert_eq!(selected(&many, &selector), selected(&few, &selector), "{selector}");
        }
        assert_eq!(selected(&many, &json!({"tier": "front"})).len(), 100);
        assert_eq!(selected(&many, &json!({"app": "fleet"})).len(), 1);
    }

    #[test]
    fn a_workload_that_comes_later_is_found_too() {
        let mut cluster = cluster(100);
        assert_eq!(selected(&cluster, &json!({"app": "late"})).len(), 0);
        cluster.replace_workload(deployment("late", "late"));
        assert_eq!(selected(&cluster, &json!({"app": "late"})), ["late"]);
        cluster.replace_workload(deployment("late", "other"));
        assert_eq!(selected(&cluster, &json!({"app": "late"})).len(), 0);
    }
}
