//! One round: what CCM 2.14 writes to a Service, in its order (`service_controller.go`).

mod writes;

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, Service};
use kube::{Api, Client, ResourceExt};

use crate::behaviour::Control;
use crate::classify::{self, Frozen, World};
use crate::events::{Note, Recorder};
use crate::hash;
use crate::ledger::Report;
use crate::outcome::Outcome;
use crate::service::{HASH_LABEL, Key, ServiceExt};
use crate::watch::Mirror;

/// Carries Services out.
pub(crate) struct Reconciler {
    pub(crate) client: Client,
    pub(crate) recorder: Arc<Recorder>,
    pub(crate) control: Control,
    pub(crate) nodes: Arc<Mirror<Node>>,
}

/// A step that did not succeed: the event about it, and how the round ends with it.
struct Setback {
    note: Note,
    outcome: Outcome,
    clb: String,
}

impl Setback {
    /// The API server refused a write.
    fn refused(reason: &'static str, doing: &str, error: &dyn std::fmt::Display) -> Self {
        let note = Note::warning(reason, format!("Error {doing}: {error}"));
        Self { note, outcome: Outcome::Failed, clb: String::new() }
    }

    /// The cloud, or a value, stands against it.
    fn frozen(reason: &'static str, doing: &str, frozen: Frozen) -> Self {
        let Frozen { clb, message } = frozen;
        let note = Note::warning(reason, format!("Error {doing} load balancer [{clb}]: {message}"));
        Self { note, outcome: Outcome::Frozen, clb }
    }
}

impl Reconciler {
    /// A whole round; `None` if there is no such Service.
    pub(crate) async fn round(&self, key: &Key) -> Option<Report> {
        self.control.pause().await;
        let api: Api<Service> = Api::namespaced(self.client.clone(), &key.namespace);
        let service = match api.get_opt(&key.name).await {
            Ok(service) => service?,
            Err(error) => {
                let (outcome, reason) = (Outcome::Failed, format!("cannot read it: {error}"));
                return Some(Report { outcome, reason, clb: String::new(), hash: String::new() });
            }
        };
        let is_wanted = service.wants_clb() && !service.is_over();
        let ended = if is_wanted {
            self.ensure(&api, &service).await
        } else {
            self.clean(&api, &service).await
        };
        Some(match ended {
            Ok(report) => report,
            Err(Setback { note, outcome, clb }) => {
                let hash = hash::of(&service, &self.control.get().salt);
                let report = Report { outcome, reason: note.message.clone(), clb, hash };
                self.recorder.write(&service, note).await;
                report
            }
        })
    }

    async fn ensure(&self, api: &Api<Service>, service: &Service) -> Result<Report, Setback> {
        let service = writes::add_finalizer(api, &service.name_any())
            .await
            .map_err(|error| Setback::refused("FailedAddFinalizer", "adding finalizer", &error))?;
        let hash = hash::of(&service, &self.control.get().salt);
        let done = self
            .judge(&service, &hash, classify::round)
            .map_err(|frozen| Setback::frozen("SyncLoadBalancerFailed", "syncing", frozen))?;
        for _ in 0..done.without_nodes {
            let note = "There are no available nodes for LoadBalancer";
            self.recorder.write(&service, Note::normal("UnAvailableLoadBalancer", note)).await;
        }
        writes::label(api, &service, &hash, &done.clb).await.map_err(|error| {
            let error =
                format!("{} failed to add service hash:, error: {error}", Key::of(&service));
            Setback::refused("FailedAddHash", "adding service hash", &error)
        })?;
        writes::show(api, &service, done.address).await.map_err(|error| {
            Setback::refused("FailedUpdateStatus", "updating load balancer status", &error)
        })?;
        let ensured = format!("Ensured load balancer [{}]", done.clb);
        self.recorder.write(&service, Note::normal("EnsuredLoadBalancer", ensured)).await;
        Ok(Report { outcome: done.outcome, reason: done.reasons.join("; "), clb: done.clb, hash })
    }

    async fn clean(&self, api: &Api<Service>, service: &Service) -> Result<Report, Setback> {
        let mut left = None;
        if service.has_finalizer() {
            let hash = hash::of(service, &self.control.get().salt);
            left = self
                .judge(service, &hash, classify::cleanup)
                .map_err(|frozen| Setback::frozen("CleanLoadBalancerFailed", "deleting", frozen))?;
            writes::unlabel(api, service).await.map_err(|error| {
                let error =
                    format!("{} failed to remove service hash:, error: {error}", Key::of(service));
                Setback::refused("FailedRemoveHash", "removing service hash", &error)
            })?;
            writes::hide(api, service).await.map_err(|error| {
                Setback::refused("FailedUpdateStatus", "removing load balancer status", &error)
            })?;
            writes::remove_finalizer(api, &service.name_any()).await.map_err(|error| {
                Setback::refused(
                    "FailedRemoveFinalizer",
                    "removing load balancer finalizer",
                    &error,
                )
            })?;
        }
        self.recorder
            .write(service, Note::normal("CleanLoadBalancer", "Clean load balancer"))
            .await;
        let clb = left.unwrap_or_default();
        Ok(Report { outcome: Outcome::Cleaned, reason: String::new(), clb, hash: String::new() })
    }

    /// What becomes of a Service by CCM's rules, unless a test wants this round to fail.
    fn judge<T>(
        &self,
        service: &Service,
        hash: &str,
        by: impl Fn(&Service, &World<'_>) -> Result<T, Frozen>,
    ) -> Result<T, Frozen> {
        if let Some(message) = self.control.take_failure() {
            return Err(Frozen { clb: service.notes().get("id").to_owned(), message });
        }
        let known = service.label(HASH_LABEL);
        let hash_changed = !known.is_some_and(|known| known.eq_ignore_ascii_case(hash));
        let nodes = self.nodes.all();
        by(service, &World { behaviour: &self.control.get(), nodes: &nodes, hash_changed })
    }
}
