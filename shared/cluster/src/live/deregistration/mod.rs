//! How long clients are still sent to pods whose end has begun, in a running cluster
//! ([`clbmigrate_core::deregistration`]).

mod wire;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use clbmigrate_core::{
    backends::{self, Mode},
    deregistration::{DeregistrationTimes, KILLING, ObservedPods, is_final_stop},
    index::{Index, ServiceRef},
    inject::NATIVE_SLEEP,
    object::{PodLabels, Service, WorkloadKind},
    reconciliation::ENSURED,
    snapshot::Cluster,
};
use futures::{StreamExt, stream};

use self::wire::{EventList, PodList};
use super::{
    connect::Connection,
    error::Error,
    list::ListMode,
    read::{ReadOptions, read_cluster},
};

/// How many namespaces are read at once.
const AT_ONCE: usize = 4;

/// What a cluster shows of the ends of pods behind migrated Services.
#[derive(Debug, Clone, Default)]
pub struct Deregistrations {
    /// The migrated Services whose backends are pods, or the nodes of pods: CCM changes them when a pod
    /// ends. As `(namespace, name)`.
    pub services: Vec<(String, String)>,
    /// How many migrated Services have all nodes for backends: nothing changes when a pod ends.
    pub in_cluster_mode: usize,
    /// How many may be either, for nothing tells what CCM takes for backends by default.
    pub of_unknown_mode: usize,
    /// The times.
    pub times: DeregistrationTimes,
    /// What could not be read, each with the reason.
    pub unread: Vec<String>,
    /// The nodes whose kubelet does not know the preStop hook that is injected, by name; `None` where
    /// nodes could not be listed.
    pub old_nodes: Option<Vec<String>>,
}

impl Connection {
    /// Looks at the Events of pods that have ended and of CCM, as far as the user may. What of that may
    /// not be read is told in [`Deregistrations::unread`].
    ///
    /// # Errors
    /// Services cannot be listed.
    pub async fn deregistrations(&self) -> Result<Deregistrations, Error> {
        let options = ReadOptions {
            namespace: &self.namespace,
            is_only_namespace: false,
            mode: ListMode::FromCache,
        };
        let loaded = read_cluster(self, options).await?.loaded;
        let index = Index::new(&loaded.snapshot);
        let mut found = Deregistrations::default();
        let mut by_namespace: BTreeMap<&str, Vec<ServiceRef<'_>>> = BTreeMap::new();
        for service_ref in index.services() {
            let service = service_ref.service;
            if !service.is_taken_by_ccm() || !backends::is_mapped(service) {
                continue;
            }
            match index.mode(&service_ref) {
                None => found.of_unknown_mode += 1,
                Some(Mode::Cluster) => found.in_cluster_mode += 1,
                Some(_) => {
                    let meta = &service.metadata;
                    found.services.push((meta.namespace().to_owned(), meta.name.clone()));
                    by_namespace.entry(meta.namespace()).or_default().push(service_ref);
                }
            }
        }
        found.old_nodes = loaded.snapshot.clusters.first().and_then(old_nodes);
        let mut reads = stream::iter(by_namespace)
            .map(|(namespace, services)| async move {
                (namespace, self.times_in(namespace, &services).await)
            })
            .buffered(AT_ONCE);
        while let Some((namespace, times)) = reads.next().await {
            match times {
                Ok(times) => found.times += times,
                Err(error) => {
                    found.unread.push(format!("namespace {namespace}: {}", error.message));
                }
            }
        }
        Ok(found)
    }

    /// The times of the pods behind some Services of a namespace.
    async fn times_in(
        &self,
        namespace: &str,
        services: &[ServiceRef<'_>],
    ) -> Result<DeregistrationTimes, Error> {
        let mut times = DeregistrationTimes::default();
        let mut stops = self.events_about(namespace, "Pod", KILLING).await?;
        stops.items.retain(|event| is_final_stop(&event.message));
        if stops.items.is_empty() {
            return Ok(times);
        }
        let successes = self.events_about(namespace, "Service", ENSURED).await?;
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let pods: PodList = self.get(&path).await?.parse(self)?;
        for ServiceRef { cluster, service, .. } in services {
            let observed = observe(cluster, service, (&stops, &successes), &pods);
            times += observed.times(&format!("{namespace}/{}", service.metadata.name));
        }
        Ok(times)
    }

    async fn events_about(
        &self,
        namespace: &str,
        kind: &str,
        reason: &str,
    ) -> Result<EventList, Error> {
        let path = format!(
            "/api/v1/namespaces/{namespace}/events?fieldSelector=reason%3D{reason}%2CinvolvedObject.kind%3D{kind}"
        );
        self.get(&path).await?.parse(self)
    }
}

/// The nodes whose kubelet is too old for the hook, or does not say how old it is.
fn old_nodes(cluster: &Cluster) -> Option<Vec<String>> {
    let nodes = cluster.all_nodes()?.iter();
    let old = nodes.filter(|node| node.kubelet.is_none_or(|version| version < NATIVE_SLEEP));
    Some(old.map(|node| node.metadata.name.clone()).collect())
}

/// What happened behind one Service.
fn observe(
    cluster: &Cluster,
    service: &Service,
    (stops, successes): (&EventList, &EventList),
    pods: &PodList,
) -> ObservedPods {
    let name = &service.metadata.name;
    let mut observed = ObservedPods::default();
    let of_service = successes.items.iter().filter(|event| event.involved_object.name == *name);
    observed.successes.extend(of_service.filter_map(wire::Event::success));

    let selected = pods.items.iter().filter(|pod| {
        let meta = &pod.metadata;
        service.selects_pods(PodLabels::new(WorkloadKind::Pod, &meta.name, &meta.labels))
    });
    let (staying, ending): (Vec<_>, Vec<_>) = selected.partition(|pod| pod.is_staying());
    let uids = |pods: &[&wire::Pod]| -> BTreeSet<String> {
        pods.iter().map(|pod| pod.metadata.uid.clone()).collect()
    };
    let (stay, end) = (uids(&staying), uids(&ending));
    for event in &stops.items {
        let pod = &event.involved_object;
        let is_of_service = end.contains(&pod.uid)
            || cluster.workloads_of(service).any(|workload| workload.may_have_made(&pod.name));
        // Its containers are made anew, in the same pod.
        let goes_on = stay.contains(&pod.uid);
        if let Some(at) = event.created().filter(|_| is_of_service && !goes_on) {
            observed.stopping(&pod.uid, at);
        }
    }
    let others = staying.iter().chain(&ending);
    let others = others.filter(|pod| !observed.ends.contains_key(&pod.metadata.uid));
    let changes: Vec<i64> = others.filter_map(|pod| pod.ready_since()).collect();
    observed.changes = changes;
    observed
}
