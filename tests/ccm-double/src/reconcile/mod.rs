//! One round of CCM 2.14 for one Service (`service_controller.go`): its writes to Kubernetes around what it asks
//! of the cloud.

mod apply;
mod errors;
mod groups;
pub mod kubernetes;
mod listeners;
mod load_balancer;
mod readiness_gates;

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::{LoadBalancerIngress, Service};

use crate::annotations::Annotations;
use crate::behaviour::SharedBehaviour;
use crate::cloud_client::CloudClient;
use crate::cloud_client::load_balancer::LoadBalancer;
use crate::events::ServiceEvent;
use crate::hash;
use crate::model::endpoints;
use crate::model::{Inputs, Pods};
use crate::outcome::{self, Outcome};
use crate::reports::Report;
use crate::service::{CLB_LABEL, HASH_LABEL, Key, ServiceExt};
use crate::standalone_cloud::StandaloneCloud;
use apply::{DesiredState, SyncError};
use kubernetes::{Kubernetes, KubernetesError};

/// CCM 2.14 comes again so much later for endpoints that may count by then (`pkg/util/reconcile.go`).
const SOON: Duration = Duration::from_secs(10);

/// Reconciles Services: makes the cloud and Kubernetes what a Service wants, as one round of CCM does.
#[derive(Debug)]
pub struct Reconciler<K> {
    /// Where Services are read from and written to.
    pub kubernetes: K,
    /// The client of the cloud API.
    pub cloud: CloudClient,
    /// The behaviour of the double.
    pub control: SharedBehaviour,
    /// The cloud, where it is one that has to be given what the Services name.
    pub standalone: Option<Arc<StandaloneCloud>>,
}

/// Waits for all futures, several at a time (CCM 2.14: `--max-concurrent-actions`), and keeps their order.
async fn run_concurrently<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    stream::iter(futures).buffered(10).collect().await
}

/// How a round ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The report for `GET /state`.
    pub report: Report,
    /// The error that CCM's round returns, in full: an event shows less of it. `None` after a success.
    pub error: Option<String>,
    /// After which time the Service is to be reconciled again, although the round succeeded.
    pub requeue_after: Option<Duration>,
}

/// What all steps of a round need.
pub(crate) struct Context<'a> {
    service: &'a Service,
    key: Key,
    cloud: &'a CloudClient,
    cluster_id: &'a str,
    /// Whether the Service differs from that of the last successful round.
    hash_changed: bool,
    needs_cleanup: bool,
}

impl<'a> Context<'a> {
    fn annotations(&self) -> Annotations<'a> {
        self.service.annotations()
    }

    fn uid(&self) -> &'a str {
        self.service.metadata.uid.as_deref().unwrap_or_default()
    }
}

/// A step that did not succeed: the event about it, if there is one, and how the round ends with it.
struct ReconcileError {
    event: Option<ServiceEvent>,
    error: String,
    report: Report,
}

/// A round that reached its end in the cloud.
struct Synced {
    balancer: LoadBalancer,
    local: DesiredState,
    outcome: Outcome,
    reasons: Vec<String>,
}

impl<K: Kubernetes> Reconciler<K> {
    /// Carries out one round for a Service. `None` if the Service does not exist.
    pub async fn reconcile(&self, key: &Key) -> Option<Reconciled> {
        self.control.wait_before_round().await;
        let service = match self.kubernetes.service(key).await {
            Ok(service) => service?,
            Err(error) => {
                let error = format!("cannot read it: {error}");
                let report = Report::failed(error.clone());
                return Some(Reconciled { report, error: Some(error), requeue_after: None });
            }
        };
        let is_wanted = service.needs_clb() && !service.needs_cleanup();
        let reconciled =
            if is_wanted { self.ensure(key).await } else { self.clean(key, &service).await };
        Some(match reconciled {
            Ok(reconciled) => reconciled,
            Err(ReconcileError { event, error, mut report }) => {
                report.hash = self.hash(&service);
                if let Some(event) = event {
                    self.kubernetes.record_event(&service, event).await;
                }
                Reconciled { report, error: Some(error), requeue_after: None }
            }
        })
    }

    async fn ensure(&self, key: &Key) -> Result<Reconciled, ReconcileError> {
        let service = self.kubernetes.add_finalizer(key).await.map_err(|error| {
            ReconcileError::refused("FailedAddFinalizer", "adding finalizer", &error)
        })?;
        let hash = self.hash(&service);
        let done = self.sync(&service, &hash).await.map_err(|failure| {
            ReconcileError::frozen("SyncLoadBalancerFailed", "syncing", failure)
        })?;
        readiness_gates::update_conditions(&self.kubernetes, &key.name, &done.local.model.groups)
            .await
            .map_err(|error| {
                ReconcileError::refused(
                    "FailedUpdateReadinessGate",
                    "updating readiness gate",
                    &error,
                )
            })?;
        let clb = done.balancer.id.clone();
        let labels = [(HASH_LABEL, hash.as_str()), (CLB_LABEL, clb.as_str())];
        let missing: Vec<_> = labels
            .into_iter()
            .filter(|(label, value)| service.label(label) != Some(value))
            .map(|(label, value)| (label, Some(value)))
            .collect();
        if !missing.is_empty() {
            self.kubernetes.set_labels(key, &missing).await.map_err(|error| {
                let error =
                    KubernetesError(format!("{key} failed to add service hash:, error: {error}"));
                ReconcileError::refused("FailedAddHash", "adding service hash", &error)
            })?;
        }
        self.update_ingress(&service, key, &done.balancer).await.map_err(|error| {
            ReconcileError::refused("FailedUpdateStatus", "updating load balancer status", &error)
        })?;
        if done.local.model.groups.iter().any(|group| !group.unknown.is_empty()) {
            let error = "has invalid backend in vservergroups".to_owned();
            let (outcome, reason, hash) = (Outcome::Frozen, error.clone(), String::new());
            let report = Report { outcome, reason, clb, hash };
            return Err(ReconcileError { event: None, error, report });
        }
        let ensured = format!("Ensured load balancer [{clb}]");
        self.kubernetes
            .record_event(&service, ServiceEvent::normal("EnsuredLoadBalancer", ensured))
            .await;
        let report = Report { outcome: done.outcome, reason: done.reasons.join("; "), clb, hash };
        Ok(Reconciled {
            report,
            error: None,
            requeue_after: done.local.model.may_grow.then_some(SOON),
        })
    }

    async fn clean(&self, key: &Key, service: &Service) -> Result<Reconciled, ReconcileError> {
        let mut clb = String::new();
        if service.has_finalizer() {
            let hash = self.hash(service);
            match self.sync(service, &hash).await {
                Ok(done) => clb = done.balancer.id,
                Err(failure) if failure.message.contains("LoadBalancerId does not exist") => {}
                Err(failure) => {
                    return Err(ReconcileError::frozen(
                        "CleanLoadBalancerFailed",
                        "deleting",
                        failure,
                    ));
                }
            }
            let present: Vec<_> = [HASH_LABEL, CLB_LABEL]
                .into_iter()
                .filter(|label| service.label(label).is_some())
                .map(|label| (label, None))
                .collect();
            if !present.is_empty() {
                self.kubernetes.set_labels(key, &present).await.map_err(|error| {
                    let error = KubernetesError(format!(
                        "{key} failed to remove service hash:, error: {error}"
                    ));
                    ReconcileError::refused("FailedRemoveHash", "removing service hash", &error)
                })?;
            }
            if !service.ingress().is_empty() {
                self.kubernetes.set_ingress(key, &[]).await.map_err(|error| {
                    ReconcileError::refused(
                        "FailedUpdateStatus",
                        "removing load balancer status",
                        &error,
                    )
                })?;
            }
            self.kubernetes.remove_finalizer(key).await.map_err(|error| {
                let doing = "removing load balancer finalizer";
                ReconcileError::refused("FailedRemoveFinalizer", doing, &error)
            })?;
        }
        let event = ServiceEvent::normal("CleanLoadBalancer", "Clean load balancer");
        self.kubernetes.record_event(service, event).await;
        let (outcome, reason, hash) = (Outcome::Cleaned, String::new(), String::new());
        Ok(Reconciled {
            report: Report { outcome, reason, clb, hash },
            error: None,
            requeue_after: None,
        })
    }

    fn hash(&self, service: &Service) -> String {
        let behaviour = self.control.get();
        hash::compute_as(service, behaviour.hash_release, &behaviour.salt)
    }

    /// Makes the cloud what the Service wants, unless a test wants this round to fail.
    async fn sync(&self, service: &Service, hash: &str) -> Result<Synced, SyncError> {
        if let Some(message) = self.control.take_failure() {
            return Err(SyncError { clb: service.annotations().get("id").to_owned(), message });
        }
        let behaviour = self.control.get();
        let key = Key::from_object(service);
        let (nodes, slices) = (self.kubernetes.nodes(), self.kubernetes.slices(&key));
        if let Some(standalone) = &self.standalone {
            standalone.create_missing(service, &slices, &behaviour);
        }
        let known = service.label(HASH_LABEL);
        let context = Context {
            service,
            cloud: &self.cloud,
            cluster_id: &behaviour.cluster_id,
            hash_changed: !known.is_some_and(|known| known.eq_ignore_ascii_case(hash)),
            needs_cleanup: service.needs_cleanup(),
            key,
        };
        let pods = if context.needs_cleanup { Pods::new() } else { self.pods(&slices).await };
        let inputs = Inputs {
            service,
            nodes: &nodes,
            slices: &slices,
            pods: &pods,
            cluster_id: &behaviour.cluster_id,
            default_type: behaviour.backend_type,
        };
        let mut events = Vec::new();
        let applied = match apply::build(&context, &inputs, &mut events).await {
            Err(failure) => Err(failure),
            Ok(mut local) => {
                let applied = apply::apply(&context, &mut local, &mut events).await;
                applied.map(|balancer| {
                    let (outcome, reasons) =
                        outcome::classify(&local.model, local.lacks_listeners(&context), service);
                    Synced { balancer, local, outcome, reasons }
                })
            }
        };
        for event in events {
            self.kubernetes.record_event(service, event).await;
        }
        applied
    }

    /// The Pods whose readiness gates decide about endpoints. One that cannot be read counts as not there yet.
    async fn pods(&self, slices: &[Arc<k8s_openapi::api::discovery::v1::EndpointSlice>]) -> Pods {
        let found = endpoints::pods_with_gates(slices).into_iter().map(|key| async move {
            let pod = self.kubernetes.pod(&key).await.ok().flatten();
            pod.map(|pod| (key, pod))
        });
        run_concurrently(found.collect()).await.into_iter().flatten().collect()
    }

    /// Shows the addresses, or the host name that `hostname` asks for instead, if they are not shown yet.
    async fn update_ingress(
        &self,
        service: &Service,
        key: &Key,
        balancer: &LoadBalancer,
    ) -> Result<(), KubernetesError> {
        let of_ip = |ip: String| LoadBalancerIngress { ip: Some(ip), ..Default::default() };
        let hostname = service.annotations().get("hostname");
        let mut wanted = Vec::new();
        if service.annotations().get("external-ip-type") == "eip" {
            let found = self.cloud.elastic_addresses(&balancer.id).await.unwrap_or_default();
            wanted.extend(found.into_iter().map(of_ip));
            if wanted.is_empty() {
                let event = "get eip error, set external ip to slb ip";
                self.kubernetes
                    .record_event(service, ServiceEvent::warning("FailedSetEIPAddress", event))
                    .await;
            }
        }
        if !hostname.is_empty() {
            let hostname = Some(hostname.to_owned());
            wanted = vec![LoadBalancerIngress { hostname, ..Default::default() }];
        }
        if wanted.is_empty() {
            wanted.push(of_ip(balancer.address.clone()));
        }
        let shown = |one: &LoadBalancerIngress| (one.ip.clone(), one.hostname.clone());
        let is_shown = service.ingress().iter().map(shown).eq(wanted.iter().map(shown));
        if is_shown { Ok(()) } else { self.kubernetes.set_ingress(key, &wanted).await }
    }
}

impl ReconcileError {
    /// The API server refused a write.
    fn refused(reason: &'static str, doing: &str, error: &KubernetesError) -> Self {
        let message = format!("Error {doing}: {error}");
        let report = Report::failed(message.clone());
        Self {
            event: Some(ServiceEvent::warning(reason, message)),
            error: error.to_string(),
            report,
        }
    }

    /// The cloud, or a value, stands against it.
    fn frozen(reason: &'static str, doing: &str, failure: SyncError) -> Self {
        let SyncError { clb, message: error } = failure;
        let message =
            format!("Error {doing} load balancer [{clb}]: {}", errors::event_text(&error));
        let report =
            Report { outcome: Outcome::Frozen, reason: message.clone(), clb, hash: String::new() };
        Self { event: Some(ServiceEvent::warning(reason, message)), error, report }
    }
}
