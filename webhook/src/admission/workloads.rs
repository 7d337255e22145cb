//! Reviews of Deployments and the other kinds with a pod template.

use std::sync::Arc;

use clbmigrate_core::{
    backends,
    finding::Report,
    index::Index,
    object::{PodLabels, PodTemplate, Service, Workload, WorkloadKind},
    rules,
    snapshot::Snapshot,
};
use serde_json::value::RawValue;

use super::{
    AdmissionHandler, AdmissionRequest, AdmissionResponse, Operation,
    api_reader::{ApiReader, WorkloadRef, stored_selector},
    context::ReviewContext,
    decision::{AdmissionDecision, Remark},
    exemptions::limit_exemptions,
    ratcheting,
    review_log::LoggedRequest,
};
use crate::{Webhook, claims::ClaimStore, config::Config, metrics::ReviewResult};

/// The Services on a CLB that select a workload's pods.
pub(super) struct SelectingServices {
    pub services: Vec<Arc<Service>>,
    /// Why the API server's list is not among them, so that one which was created a moment ago may be
    /// missing.
    pub unlisted: Option<String>,
}

impl SelectingServices {
    fn complete(services: Vec<Arc<Service>>) -> Self {
        Self { services, unlisted: None }
    }
}

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// Decides on a change of a workload.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub(super) async fn validate_workload(
        &self,
        request: &AdmissionRequest<'_>,
    ) -> Result<(AdmissionResponse, ReviewResult), serde_json::Error> {
        let config = self.config.load();
        let Some(kind) = reviewed_kind(request) else {
            return Ok((AdmissionResponse::allow(), ReviewResult::Allowed));
        };
        if let Some(result) = Self::allowed_unjudged(&config, request) {
            return Ok((AdmissionResponse::allow(), result));
        }
        let Some(mut new) = read(kind, request, request.object)? else {
            return Ok((AdmissionResponse::allow(), ReviewResult::Allowed));
        };
        let mut old = read(kind, request, request.old_object)?;
        let is_terminating = new.metadata.deletion_timestamp.is_some();
        if is_terminating || old.as_ref().is_some_and(|old| is_unchanged(old, &new)) {
            return Ok((AdmissionResponse::allow(), ReviewResult::Allowed));
        }
        let ignored = limit_exemptions(&mut new.metadata.annotations, &config);
        if let Some(old) = &mut old {
            limit_exemptions(&mut old.metadata.annotations, &config);
        }
        let (old, new) = (old.map(Arc::new), Arc::new(new));
        let is_new = request.operation == Operation::Create;
        let services =
            self.services_selecting(request, kind, new.pod_labels(), is_new).await.services;
        let stored = old.as_ref().map(|old| (old, request.old_object));
        let mut decision = self.evaluate_workload(&config, stored, &new, &services).await;
        let mode = self.enforcement(&config, &request.namespace);
        decision.limit(mode, Webhook::ValidateWorkloads, &self.metrics);
        let meta = &new.metadata;
        let label = || format!("{} {}/{}", kind.as_str(), meta.namespace(), meta.name);
        let response = decision.respond(&self.metrics, config.lang, &label);
        let response = ignored.warn(response, config.lang);
        let logged = LoggedRequest::new(request, &meta.name);
        self.log.log(logged, response.is_allowed(), &decision, &self.metrics);
        let result = response.result();
        Ok((response, result))
    }

    /// The Services on a CLB that select pods with these labels. One `kubectl apply -f` brings Service
    /// and workload within milliseconds: where the cache knows of no migrated one for a workload that
    /// is new, the API server is asked.
    pub(super) async fn services_selecting(
        &self,
        request: &AdmissionRequest<'_>,
        kind: WorkloadKind,
        labels: PodLabels<'_>,
        is_new: bool,
    ) -> SelectingServices {
        let namespace = &*request.namespace;
        let known = self.cache.services_selecting(namespace, labels);
        if !is_new
            || labels.pairs().next().is_none()
            || known.iter().any(|service| is_migrated(service))
        {
            return SelectingServices::complete(known);
        }
        let name = &*request.name;
        let workload = (!name.is_empty()).then(|| format!("{}/{name}", kind.as_str()));
        match &*self.service_lists.of(namespace, workload).await {
            Ok(services) => {
                let selecting = services.iter().filter(|service| service.selects_pods(labels));
                SelectingServices::complete(selecting.map(Arc::clone).collect())
            }
            Err(error) => {
                tracing::warn!(namespace, %error, "its Services cannot be listed, so those in the cache count");
                SelectingServices { services: known, unlisted: Some(error.to_string()) }
            }
        }
    }

    /// Judges the new version. The old one comes with its JSON, which is read further only where the
    /// past is asked for.
    async fn evaluate_workload(
        &self,
        config: &Arc<Config>,
        old: Option<(&Arc<Workload>, Option<&RawValue>)>,
        new: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> AdmissionDecision {
        let base = self.base.current(config, &self.cache);
        let context = ReviewContext { cache: &self.cache, config, base: &base };
        let check = |workload: &Arc<Workload>| {
            check_snapshot(&context.snapshot_with_workload(workload, services))
        };
        let object = new.object_ref(None);
        let namespace = new.metadata.namespace();
        let findings = check(new).findings;
        let mut decision =
            AdmissionDecision::new(findings, config, namespace, |reviewed| *reviewed == object);
        let Some((old, stored)) = old else { return decision };
        if decision.denies() {
            let before = check(old);
            decision.downgrade_denials(|finding| {
                ratcheting::preexisting(finding, &before, &new.metadata.annotations)
            });
        }
        if decision.denies() {
            let selector = stored_selector(stored);
            let past = self.api_reader.past_templates(WorkloadRef {
                kind: new.kind,
                namespace,
                name: &new.metadata.name,
                selector: &selector,
            });
            match past.await {
                Ok(templates) => {
                    for template in templates {
                        let before = check(&Arc::new(with_template(new, template)));
                        decision.downgrade_denials(|finding| {
                            ratcheting::in_earlier_template(finding, &before)
                        });
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        %object,
                        %error,
                        "its past templates cannot be read, so it passes with a warning"
                    );
                    decision.downgrade_denials(|_| Some(Remark::PastUnknown));
                }
            }
        }
        decision
    }
}

fn check_snapshot(snapshot: &Snapshot) -> Report {
    rules::check_workloads(&Index::new(snapshot))
}

fn with_template(workload: &Workload, template: PodTemplate) -> Workload {
    Workload { template, ..workload.clone() }
}

/// Whether CCM carries out a Service's mapping: traffic may reach its pods through a CLB.
pub(super) fn is_migrated(service: &Service) -> bool {
    service.is_taken_by_ccm() && backends::is_mapped(service)
}

/// The kind under review, if it is one that is judged.
fn reviewed_kind(request: &AdmissionRequest<'_>) -> Option<WorkloadKind> {
    let kind = request.kind.workload_kind();
    kind.filter(|kind| *kind != WorkloadKind::Pod)
}

fn read(
    kind: WorkloadKind,
    request: &AdmissionRequest<'_>,
    object: Option<&RawValue>,
) -> Result<Option<Workload>, serde_json::Error> {
    let Some(object) = object else { return Ok(None) };
    let mut json = serde_json::Deserializer::from_str(object.get());
    let mut workload = Workload::deserialize(kind, &mut json)?;
    let meta = &mut workload.metadata;
    if meta.namespace.is_none() {
        meta.namespace = Some(request.namespace.clone().into_owned());
    }
    if meta.name.is_empty() {
        meta.name = request.name.clone().into_owned();
    }
    Ok(Some(workload))
}

/// Whether a change leaves everything that rules read.
fn is_unchanged(old: &Workload, new: &Workload) -> bool {
    old.template == new.template
        && old.replicas == new.replicas
        && old.strategy == new.strategy
        && old.metadata.annotations == new.metadata.annotations
}
