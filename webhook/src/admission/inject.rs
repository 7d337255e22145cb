//! Reviews that give workloads and Pods their preStop hook.

use std::sync::Arc;

use clbmigrate_core::{
    inject::{self, Action, Decision, InjectionContext, NATIVE_SLEEP, Note, Reason},
    object::{Node, Service, Workload, WorkloadKind},
};
use serde_json::Value;

use super::{
    AdmissionHandler, AdmissionRequest, AdmissionResponse, AuditAnnotation, Operation,
    api_reader::ApiReader, workloads::is_migrated,
};
use crate::{Webhook, claims::ClaimStore, config::Enforcement, metrics::ReviewResult};

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// Adds the preStop hook to a workload or a Pod, if it is to have one. Nothing is stored here, so a
    /// dry run is answered like any other request.
    ///
    /// # Errors
    /// When an object is no JSON, or the patch cannot be written as such.
    pub(super) async fn inject_pre_stop(
        &self,
        webhook: Webhook,
        request: &AdmissionRequest<'_>,
    ) -> Result<(AdmissionResponse, ReviewResult), serde_json::Error> {
        let config = self.config.load();
        let allow = |result| Ok((AdmissionResponse::allow(), result));
        if let Some(result) = Self::allowed_unjudged(&config, request) {
            return allow(result);
        }
        // In mode audit nothing is changed.
        let mode = self.enforcement(&config, &request.namespace);
        let is_active = config.inject.enabled && mode != Enforcement::Audit;
        let kind = reviewed_kind(webhook, request).filter(|_| is_active);
        let (Some(kind), Some(object)) =
            (kind, AdmissionRequest::parse_object::<Value>(request.object)?)
        else {
            return allow(ReviewResult::Allowed);
        };
        let old = AdmissionRequest::parse_object::<Value>(request.old_object)?;
        let operation = match (request.operation, &old) {
            (Operation::Create, _) => inject::Operation::Create,
            (Operation::Update, Some(old)) => inject::Operation::Update { old },
            _ => return allow(ReviewResult::Allowed),
        };
        let controller = self.controller_of(kind, &object, &request.namespace);
        let controller_annotations =
            controller.as_ref().map(|workload| &workload.metadata.annotations);
        let mut unlisted = None;
        let decision = match inject::examine(inject::Request {
            kind,
            operation,
            object: &object,
            controller_annotations,
        }) {
            Ok(workload) => {
                // Pods come in storms: for them, what is in the cache must do.
                let is_new = request.operation == Operation::Create && kind != WorkloadKind::Pod;
                let selecting =
                    self.services_selecting(request, kind, workload.labels(), is_new).await;
                unlisted = selecting.unlisted;
                workload
                    .decide(self.injection_context(config.pre_stop_seconds, &selecting.services))
            }
            Err(reason) => Decision { action: Action::Untouched(reason), notes: Vec::new() },
        };
        self.injection_response(webhook, request, &decision, unlisted)
    }

    /// `unlisted` says why the API server's list of Services did not count.
    fn injection_response(
        &self,
        webhook: Webhook,
        request: &AdmissionRequest<'_>,
        decision: &Decision,
        unlisted: Option<String>,
    ) -> Result<(AdmissionResponse, ReviewResult), serde_json::Error> {
        let AdmissionRequest { namespace, name, kind, .. } = request;
        let name = if name.is_empty() { "(new)" } else { name };
        let label = format!("{} {namespace}/{name}", kind.kind);
        let (mut response, result) = match &decision.action {
            Action::Patched(patch) => (AdmissionResponse::allow().patch(patch)?, "patched"),
            Action::Untouched(reason) => (AdmissionResponse::allow(), reason.as_str()),
        };
        self.metrics.count_injection(webhook, result);
        tracing::debug!(hook = webhook.name(), object = label, result, "preStop hooks");
        response = response.audit(AuditAnnotation::PreStop, result);
        if let Action::Untouched(reason) = &decision.action
            && let Some(why) = self.warning_about(reason, unlisted)
        {
            response = response.warn(self.config.load().lang.pick(
                format!("{label}: no preStop hook is added: {why}"),
                format!("{label}：未添加 preStop 钩子。详情：{why}"),
            ));
        }
        for note in decision.notes.iter().map(Note::to_string) {
            response = response.warn(format!("{label}: {note}"));
        }
        let review_result = match &decision.action {
            Action::Untouched(Reason::Unreadable(_)) => ReviewResult::Failed,
            _ => response.result(),
        };
        Ok((response, review_result))
    }

    /// The warning about an object that gets no hook although somebody may count on one; `None` where
    /// nobody does: whoever opts out knows, and most objects have nothing to do with a CLB.
    fn warning_about(&self, reason: &Reason, unlisted: Option<String>) -> Option<String> {
        match reason {
            Reason::NotSelected => unlisted.map(|error| {
                format!("no Service on a CLB is known to select its pods, but the Services of its namespace cannot be listed: {error}. If one does, the next change of the pod template adds the hook")
            }),
            Reason::NodesTooOld => {
                let nodes = self.cache.nodes();
                let too_old =
                    nodes.iter().flat_map(|nodes| nodes.iter()).find(|node| !supports_sleep(node));
                let which = too_old.map(|node| format!(" (node {})", node.metadata.name));
                Some(format!("{reason}{}", which.unwrap_or_default()))
            }
            Reason::BadRecord(_) | Reason::Unreadable(_) => Some(reason.to_string()),
            _ => None,
        }
    }

    fn injection_context(&self, seconds: u32, services: &[Arc<Service>]) -> InjectionContext {
        let nodes = self.cache.nodes();
        let nodes = nodes.as_deref().filter(|nodes| !nodes.is_empty());
        InjectionContext {
            seconds,
            nodes_sleep: nodes.is_some_and(|nodes| nodes.iter().all(supports_sleep)),
            is_selected: services.iter().any(|service| is_migrated(service)),
            // API servers ask about Pods of labelled namespaces only, and know the label sooner.
            namespace_is_labelled: true,
        }
    }

    /// The cached workload that a Pod is made for: its annotations hold for its Pods, too. `None` for
    /// other kinds, for a Pod without a controller, and for a controller that the cache does not know.
    fn controller_of(
        &self,
        kind: WorkloadKind,
        object: &Value,
        namespace: &str,
    ) -> Option<Arc<Workload>> {
        if kind != WorkloadKind::Pod {
            return None;
        }
        let controller = inject::workload_behind(object)?;
        let group = Some(controller.group.as_str()).filter(|group| !group.is_empty());
        let kind = WorkloadKind::of(group, &controller.kind)?;
        self.cache.workload(kind, namespace, &controller.name)
    }
}

/// The kind under review; `None` if the webhook is not for it, or for a subresource.
fn reviewed_kind(webhook: Webhook, request: &AdmissionRequest<'_>) -> Option<WorkloadKind> {
    use WorkloadKind::{DaemonSet, Deployment, Pod, StatefulSet};
    let kind = request.kind.workload_kind()?;
    let is_for = match kind {
        Pod => webhook == Webhook::MutatePods,
        Deployment | StatefulSet | DaemonSet => webhook != Webhook::MutatePods,
        _ => false,
    };
    (is_for && request.sub_resource.is_empty()).then_some(kind)
}

/// Whether the node's kubelet knows the native `sleep`.
fn supports_sleep(node: &Node) -> bool {
    node.kubelet.is_some_and(|version| version >= NATIVE_SLEEP)
}
