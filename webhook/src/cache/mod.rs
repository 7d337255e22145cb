//! What the rules ask of the cluster besides the object under review: kept up to date by watches, and
//! indexed so that a question about one object costs the same in a small cluster and in a large one.
//!
//! One task writes to each store. A reader waits for single objects at most, also while a whole list
//! is taken over.

mod autoscalers;
mod cluster_profile;
mod namespaces;
mod nodes;
mod services;
mod strip;
mod watch;
mod watched_resource;
mod workloads;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use clbmigrate_core::{
    backends::NodeSet,
    object::{AutoscalerSpec, PodLabels, Service, Workload, WorkloadKind},
};
use futures::future::join_all;
use kube::Client;

use self::{
    autoscalers::Autoscalers,
    cluster_profile::ClusterProfile,
    namespaces::Namespaces,
    nodes::NodeStore,
    services::ServiceStore,
    watched_resource::{ObjectStore, WatchedResource},
    workloads::WorkloadStore,
};

/// The `ConfigMap` in which ACK keeps the cluster's id; the role of this program may name it alone.
const PROFILE: &str =
    "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dack-cluster-profile";

/// A cache of a cluster's Services on CLBs, workloads, nodes and what else rules ask for.
pub struct Cache {
    services: ServiceStore,
    workloads: WorkloadStore,
    nodes: NodeStore,
    namespaces: Namespaces,
    autoscalers: Autoscalers,
    profile: ClusterProfile,
    resources: Vec<WatchedResource>,
}

impl Default for Cache {
    fn default() -> Self {
        let resources = vec![
            WatchedResource::required("services", "/api/v1/services"),
            WatchedResource::required("deployments", "/apis/apps/v1/deployments"),
            WatchedResource::required("statefulsets", "/apis/apps/v1/statefulsets"),
            WatchedResource::required("daemonsets", "/apis/apps/v1/daemonsets"),
            WatchedResource::required("nodes", "/api/v1/nodes"),
            WatchedResource::required("namespaces", "/api/v1/namespaces"),
            WatchedResource::optional(
                "horizontalpodautoscalers",
                "/apis/autoscaling/v2/horizontalpodautoscalers",
            ),
            WatchedResource::optional("configmaps", PROFILE),
            WatchedResource::optional(
                "rollouts.argoproj.io",
                "/apis/argoproj.io/v1alpha1/rollouts",
            ),
            WatchedResource::optional(
                "clonesets.apps.kruise.io",
                "/apis/apps.kruise.io/v1alpha1/clonesets",
            ),
            WatchedResource::optional(
                "statefulsets.apps.kruise.io",
                "/apis/apps.kruise.io/v1beta1/statefulsets",
            ),
            WatchedResource::optional(
                "daemonsets.apps.kruise.io",
                "/apis/apps.kruise.io/v1alpha1/daemonsets",
            ),
        ];
        Self {
            services: ServiceStore::default(),
            workloads: WorkloadStore::default(),
            nodes: NodeStore::default(),
            namespaces: Namespaces::default(),
            autoscalers: Autoscalers::default(),
            profile: ClusterProfile::default(),
            resources,
        }
    }
}

impl Cache {
    /// Lists and watches the cluster, and never ends.
    pub async fn run(&self, client: &Client) {
        let of_kind = |kind| self.workloads.of(kind);
        let deployments = of_kind(WorkloadKind::Deployment);
        let stateful_sets = of_kind(WorkloadKind::StatefulSet);
        let daemon_sets = of_kind(WorkloadKind::DaemonSet);
        let rollouts = of_kind(WorkloadKind::Rollout);
        let clone_sets = of_kind(WorkloadKind::CloneSet);
        let advanced_stateful_sets = of_kind(WorkloadKind::AdvancedStatefulSet);
        let advanced_daemon_sets = of_kind(WorkloadKind::AdvancedDaemonSet);
        let stores: [&dyn ObjectStore; 12] = [
            &self.services,
            &deployments,
            &stateful_sets,
            &daemon_sets,
            &self.nodes,
            &self.namespaces,
            &self.autoscalers,
            &self.profile,
            &rollouts,
            &clone_sets,
            &advanced_stateful_sets,
            &advanced_daemon_sets,
        ];
        let watch = |(resource, store)| watch::run(client, resource, store);
        let needed = self.resources.iter().zip(stores).filter(|(resource, _)| resource.is_needed());
        join_all(needed.map(watch)).await;
    }

    /// Whether all that is required has been listed once.
    pub fn is_synced(&self) -> bool {
        self.resources.iter().all(WatchedResource::is_synced)
    }

    /// The paths that are required and have not been listed yet.
    pub fn unsynced(&self) -> impl Iterator<Item = &'static str> {
        self.resources.iter().filter(|resource| !resource.is_synced()).map(WatchedResource::path)
    }

    /// How long ago the API server was last heard of, by the watch that has waited longest; zero before
    /// any was. An idle cluster is heard of about once a minute.
    pub fn age(&self) -> Duration {
        self.resources.iter().filter_map(WatchedResource::age).max().unwrap_or_default()
    }

    /// The kinds that are watched, as plurals.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        let needed = self.resources.iter().filter(|resource| resource.is_needed());
        needed.map(WatchedResource::kind)
    }

    /// How long ago the API server was last heard of about a kind, given as a plural; `None` before it
    /// was, and where it does not serve that kind.
    pub fn age_of(&self, kind: &str) -> Option<Duration> {
        self.resources
            .iter()
            .find(|resource| resource.kind() == kind)
            .and_then(WatchedResource::age)
    }

    /// How many objects could not be read so far, by kind.
    pub fn unreadable(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.resources.iter().map(|resource| (resource.kind(), resource.unreadable()))
    }

    /// How many Services on a CLB are cached.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// How many workloads are cached.
    pub fn workloads(&self) -> usize {
        self.workloads.len()
    }

    /// The Service on a CLB of this name; `None` if there is none.
    pub fn service(&self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.services.get(namespace, name)
    }

    /// The uids of Services on a CLB of this name that have been seen: of the present one, and of those
    /// that were removed in the last minutes.
    pub fn past_uids(&self, namespace: &str, name: &str) -> BTreeSet<String> {
        self.services.past_uids(namespace, name)
    }

    /// The Services on a CLB in a namespace, by name.
    pub fn services_in(&self, namespace: &str) -> Vec<Arc<Service>> {
        self.services.in_namespace(namespace)
    }

    /// The other Services on a CLB that share a vServer group with one of these, or a listener that
    /// one of these takes over.
    pub fn neighbours<'s>(&self, of: impl IntoIterator<Item = &'s Service>) -> Vec<Arc<Service>> {
        self.services.neighbours(of)
    }

    /// The Services on a CLB that may select some of the pods that carry these labels.
    pub fn services_selecting(&self, namespace: &str, labels: PodLabels<'_>) -> Vec<Arc<Service>> {
        self.services.selecting(namespace, labels)
    }

    /// The workload of this kind and name; `None` if there is none.
    pub fn workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Workload>> {
        self.workloads.get(kind, namespace, name)
    }

    /// All workloads, by namespace, name and kind.
    pub fn all_workloads(&self) -> Vec<Arc<Workload>> {
        self.workloads.all()
    }

    /// The workloads whose pods a Service selects, and those that take their templates from one of
    /// them.
    pub fn workloads_selected_by(&self, service: &Service) -> Vec<Arc<Workload>> {
        self.workloads.selected_by(service)
    }

    /// The nodes; `None` before they have been listed.
    pub fn nodes(&self) -> Option<Arc<NodeSet>> {
        self.nodes.all()
    }

    /// The workloads that take their templates from this one.
    pub fn workloads_taking_from(&self, workload: &Workload) -> Vec<Arc<Workload>> {
        self.workloads.taking_from(workload)
    }

    /// The autoscalers of a workload.
    pub fn autoscalers_of(&self, workload: &Workload) -> Vec<AutoscalerSpec> {
        self.autoscalers.of(workload)
    }

    /// Whether a namespace is labelled for preStop hooks in Pods.
    pub fn is_labelled_for_injection(&self, namespace: &str) -> bool {
        self.namespaces.injects(namespace)
    }

    /// The value of a namespace's label `clbmigrate.io/mode`; `None` without one.
    pub fn mode_of_namespace(&self, namespace: &str) -> Option<String> {
        self.namespaces.mode(namespace)
    }

    /// The cluster's id by ACK's `ConfigMap`; `None` without one.
    pub fn cluster_id(&self) -> Option<Arc<String>> {
        self.profile.id()
    }

    /// Stores a Service, given as JSON, as a watch would.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_service(&self, object: &str) -> Result<(), serde_json::Error> {
        ObjectStore::put(&self.services, object)
    }

    /// Stores a workload, given as JSON, as a watch would.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_workload(&self, kind: WorkloadKind, object: &str) -> Result<(), serde_json::Error> {
        ObjectStore::put(&self.workloads.of(kind), object)
    }

    /// Stores a namespace, given as JSON, as a watch would.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_namespace(&self, object: &str) -> Result<(), serde_json::Error> {
        ObjectStore::put(&self.namespaces, object)
    }

    /// Stores nodes, each given as JSON, as a complete list would.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn put_nodes<S: AsRef<str>>(
        &self,
        objects: impl IntoIterator<Item = S>,
    ) -> Result<(), serde_json::Error> {
        for object in objects {
            ObjectStore::put(&self.nodes, object.as_ref())?;
        }
        ObjectStore::retain(&self.nodes, &|_, _| true);
        Ok(())
    }
}
