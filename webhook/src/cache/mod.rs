//! What the rules ask of the cluster besides the object under review: kept by watches, indexed so
//! that a question about one object costs the same in a small cluster and in a large one.
//!
//! One task writes to each part; whoever reads waits for single objects at most, also while a whole
//! listing is taken over.

mod feed;
mod nodes;
mod places;
mod services;
mod slim;
mod watch;
mod workloads;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use clbmigrate_core::{
    backends::NodeSet,
    object::{Service, Workload, WorkloadKind},
};
use futures::future::join_all;
use kube::Client;

use self::{
    feed::Feed,
    nodes::Nodes,
    places::{Autoscalers, Namespaces, Profile},
    services::Services,
    workloads::Workloads,
};

/// Where ACK keeps the cluster's id; the role may name this one `ConfigMap`.
const PROFILE: &str =
    "/api/v1/namespaces/kube-system/configmaps?fieldSelector=metadata.name%3Dack-cluster-profile";

/// A cluster's Services on CLBs, workloads, nodes and what else rules ask for.
pub struct Cache {
    services: Services,
    workloads: Workloads,
    nodes: Nodes,
    namespaces: Namespaces,
    autoscalers: Autoscalers,
    profile: Profile,
    feeds: Vec<Feed>,
}

impl Default for Cache {
    fn default() -> Self {
        let feeds = vec![
            Feed::needed("services", "/api/v1/services"),
            Feed::needed("deployments", "/apis/apps/v1/deployments"),
            Feed::needed("statefulsets", "/apis/apps/v1/statefulsets"),
            Feed::needed("daemonsets", "/apis/apps/v1/daemonsets"),
            Feed::needed("nodes", "/api/v1/nodes"),
            Feed::needed("namespaces", "/api/v1/namespaces"),
            Feed::useful(
                "horizontalpodautoscalers",
                "/apis/autoscaling/v2/horizontalpodautoscalers",
            ),
            Feed::useful("configmaps", PROFILE),
        ];
        Self {
            services: Services::default(),
            workloads: Workloads::default(),
            nodes: Nodes::default(),
            namespaces: Namespaces::default(),
            autoscalers: Autoscalers::default(),
            profile: Profile::default(),
            feeds,
        }
    }
}

impl Cache {
    /// Follows the cluster for as long as it is polled.
    pub async fn follow(&self, client: &Client) {
        let workloads = |kind| self.workloads.of(kind);
        let kinds = [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet];
        let [deployments, stateful_sets, daemon_sets] = kinds.map(workloads);
        let sinks: [&dyn feed::Sink; 8] = [
            &self.services,
            &deployments,
            &stateful_sets,
            &daemon_sets,
            &self.nodes,
            &self.namespaces,
            &self.autoscalers,
            &self.profile,
        ];
        let follow = |(feed, sink)| watch::follow(client, feed, sink);
        join_all(self.feeds.iter().zip(sinks).map(follow)).await;
    }

    /// Whether all that is needed has been listed once.
    pub fn is_synced(&self) -> bool {
        self.feeds.iter().all(Feed::is_synced)
    }

    /// The paths that have not been listed yet.
    pub fn waits_for(&self) -> impl Iterator<Item = &'static str> {
        self.feeds.iter().filter(|feed| !feed.is_synced()).map(Feed::path)
    }

    /// How long ago the API server was last heard of, by the part that has waited longest. An idle
    /// cluster is heard of about once a minute.
    pub fn age(&self) -> Duration {
        self.feeds.iter().filter_map(Feed::age).max().unwrap_or_default()
    }

    /// What is followed, as plurals.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.feeds.iter().map(Feed::kind)
    }

    /// How long ago the API server was last heard of about a kind; `None` before it was, and where it
    /// does not give that kind.
    pub fn age_of(&self, kind: &str) -> Option<Duration> {
        self.feeds.iter().find(|feed| feed.kind() == kind).and_then(Feed::age)
    }

    /// How many objects could not be read so far, by kind.
    pub fn unreadable(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.feeds.iter().map(|feed| (feed.kind(), feed.unreadable()))
    }

    /// How many Services on a CLB there are.
    pub fn services(&self) -> usize {
        self.services.len()
    }

    /// How many Deployments, `StatefulSets` and `DaemonSets` there are.
    pub fn workloads(&self) -> usize {
        self.workloads.len()
    }

    /// A Service on a CLB, by name.
    pub fn service(&self, namespace: &str, name: &str) -> Option<Arc<Service>> {
        self.services.get(namespace, name)
    }

    /// The other Services on a CLB that share a vServer group with one of these, or a listener that
    /// one of these takes over.
    pub fn neighbours<'s>(&self, of: impl IntoIterator<Item = &'s Service>) -> Vec<Arc<Service>> {
        self.services.neighbours(of)
    }

    /// The Services on a CLB that select pods with these labels.
    pub fn services_selecting(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
    ) -> Vec<Arc<Service>> {
        self.services.selecting(namespace, labels)
    }

    /// A Deployment, `StatefulSet` or `DaemonSet`, by name.
    pub fn workload(
        &self,
        kind: WorkloadKind,
        namespace: &str,
        name: &str,
    ) -> Option<Arc<Workload>> {
        self.workloads.get(kind, namespace, name)
    }

    /// The workloads whose pods a Service selects.
    pub fn workloads_of(&self, service: &Service) -> Vec<Arc<Workload>> {
        self.workloads.selected_by(service)
    }

    /// The nodes, once they have been listed.
    pub fn nodes(&self) -> Option<Arc<NodeSet>> {
        self.nodes.all()
    }

    /// Whether an autoscaler rules a workload's replicas.
    pub fn is_autoscaled(&self, kind: WorkloadKind, namespace: &str, name: &str) -> bool {
        self.autoscalers.rule(kind, namespace, name)
    }

    /// Whether a namespace is labelled for hooks in bare Pods.
    pub fn injects_into_pods_of(&self, namespace: &str) -> bool {
        self.namespaces.is_labelled(namespace)
    }

    /// The cluster's id by its own profile.
    pub fn cluster_id(&self) -> Option<Arc<String>> {
        self.profile.id()
    }

    /// Takes a Service as if the API server had told of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_service(&self, object: &str) -> Result<(), serde_json::Error> {
        feed::Sink::put(&self.services, object)
    }

    /// Takes a workload as if the API server had told of it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_workload(&self, kind: WorkloadKind, object: &str) -> Result<(), serde_json::Error> {
        feed::Sink::put(&self.workloads.of(kind), object)
    }

    /// Takes nodes as if the API server had listed them.
    ///
    /// # Errors
    /// When one cannot be read.
    pub fn put_nodes<S: AsRef<str>>(
        &self,
        objects: impl IntoIterator<Item = S>,
    ) -> Result<(), serde_json::Error> {
        for object in objects {
            feed::Sink::put(&self.nodes, object.as_ref())?;
        }
        feed::Sink::retain(&self.nodes, &|_, _| true);
        Ok(())
    }
}

/// A value that one task replaces and everybody reads.
type Shared<T> = ArcSwapOption<T>;

/// Counts.
fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
