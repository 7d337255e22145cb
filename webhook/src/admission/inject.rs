//! Reviews that give workloads and Pods their preStop hook.

use std::sync::Arc;

use clbmigrate_core::{
    inject::{
        self, Action, Controller, Decision, ExaminedWorkload, InjectionContext, NATIVE_SLEEP, Note,
        Reason,
    },
    object::{Node, Workload, WorkloadKind},
};
use serde_json::Value;

use super::{Admission, Operation, Request, Response, evidence::Evidence, workloads::is_migrated};
use crate::{Hook, claims::Claims, metrics::Verdict};

impl<C: Claims, E: Evidence> Admission<C, E> {
    /// Gives a workload or a Pod its hook, if it is to have one. Nothing is stored here, so a dry run
    /// is answered like any other request.
    ///
    /// # Errors
    /// When an object is no JSON, or the patch cannot be written as such.
    pub(super) async fn give_hook(
        &self,
        hook: Hook,
        request: &Request<'_>,
    ) -> Result<(Response, Verdict), serde_json::Error> {
        let config = self.config.load();
        let pass = |verdict| Ok((Response::allow(), verdict));
        if let Some(verdict) = Self::passes(&config, request) {
            return pass(verdict);
        }
        let kind = kind_of(hook, request).filter(|_| config.inject.enabled);
        let (Some(kind), Some(object)) = (kind, Request::read::<Value>(request.object)?) else {
            return pass(Verdict::Allowed);
        };
        let old = Request::read::<Value>(request.old_object)?;
        let operation = match (request.operation, &old) {
            (Operation::Create, _) => inject::Operation::Create,
            (Operation::Update, Some(old)) => inject::Operation::Update { old },
            _ => return pass(Verdict::Allowed),
        };
        let controller = self.workload_behind(kind, &object, &request.namespace);
        let controller_annotations =
            controller.as_ref().map(|workload| &workload.metadata.annotations);
        let decision = match inject::examine(inject::Request {
            kind,
            operation,
            object: &object,
            controller_annotations,
        }) {
            Ok(candidate) => {
                let settings =
                    self.settings(config.pre_stop_seconds, kind, request, &candidate).await;
                candidate.decide(settings)
            }
            Err(reason) => Decision { action: Action::Untouched(reason), notes: Vec::new() },
        };
        self.answer_with(hook, request, &decision)
    }

    fn answer_with(
        &self,
        hook: Hook,
        request: &Request<'_>,
        decision: &Decision,
    ) -> Result<(Response, Verdict), serde_json::Error> {
        let Request { namespace, name, kind, .. } = request;
        let name = if name.is_empty() { "(new)" } else { name };
        let label = format!("{} {namespace}/{name}", kind.kind);
        let (mut response, result) = match &decision.action {
            Action::Patched(patch) => (Response::allow().patch(patch)?, "patched"),
            Action::Untouched(reason) => (Response::allow(), reason.as_str()),
        };
        self.metrics.hooked(hook, result);
        tracing::debug!(hook = hook.name(), object = label, result, "preStop hooks");
        response = response.audit("preStop", result);
        if let Action::Untouched(reason) = &decision.action
            && let Some(why) = self.worth_telling(reason)
        {
            response = response.warn(format!("{label}: no preStop hook is added: {why}"));
        }
        for note in decision.notes.iter().map(Note::to_string) {
            response = response.warn(format!("{label}: {note}"));
        }
        let verdict = match &decision.action {
            Action::Untouched(Reason::Unreadable(_)) => Verdict::Failed,
            _ => response.verdict(),
        };
        Ok((response, verdict))
    }

    /// What to say of an object that gets no hook although somebody may count on one. Who opts out
    /// knows, and most objects are none of our business.
    fn worth_telling(&self, reason: &Reason) -> Option<String> {
        match reason {
            Reason::NodesTooOld => {
                let nodes = self.cache.nodes();
                let old = nodes.iter().flat_map(|nodes| nodes.iter()).find(|node| !sleeps(node));
                let which = old.map(|node| format!(" (node {})", node.metadata.name));
                Some(format!("{reason}{}", which.unwrap_or_default()))
            }
            Reason::BadRecord(_) | Reason::Unreadable(_) => Some(reason.to_string()),
            _ => None,
        }
    }

    async fn settings(
        &self,
        seconds: u32,
        kind: WorkloadKind,
        request: &Request<'_>,
        candidate: &ExaminedWorkload<'_>,
    ) -> InjectionContext {
        // Pods come in storms: for them, what is in the cache must do.
        let is_new = request.operation == Operation::Create && kind != WorkloadKind::Pod;
        let services =
            self.services_selecting(&request.namespace, candidate.labels(), is_new).await;
        let nodes = self.cache.nodes();
        let nodes = nodes.as_deref().filter(|nodes| !nodes.is_empty());
        InjectionContext {
            seconds,
            nodes_sleep: nodes.is_some_and(|nodes| nodes.iter().all(sleeps)),
            is_selected: services.iter().any(|service| is_migrated(service)),
            // API servers ask about Pods of labelled namespaces only, and know the label sooner.
            namespace_is_labelled: true,
        }
    }

    /// The workload that a Pod is decision for: what it says of hooks holds for its Pods, too.
    fn workload_behind(
        &self,
        kind: WorkloadKind,
        object: &Value,
        namespace: &str,
    ) -> Option<Arc<Workload>> {
        let controller = Controller::of(object).filter(|_| kind == WorkloadKind::Pod)?;
        let kind = WorkloadKind::ALL.into_iter().find(|kind| kind.as_str() == controller.kind)?;
        self.cache.workload(kind, namespace, &controller.name)
    }
}

/// The kind under review, if it is one that the hook is for.
fn kind_of(hook: Hook, request: &Request<'_>) -> Option<WorkloadKind> {
    let is_for = |kind: &WorkloadKind| (*kind == WorkloadKind::Pod) == (hook == Hook::MutatePods);
    let kind = WorkloadKind::ALL.into_iter().find(|kind| kind.as_str() == request.kind.kind)?;
    (is_for(&kind) && request.sub_resource.is_empty()).then_some(kind)
}

/// Whether the node's kubelet knows the native `sleep`.
fn sleeps(node: &Node) -> bool {
    node.kubelet.is_some_and(|version| version >= NATIVE_SLEEP)
}
