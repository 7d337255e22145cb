//! Reviews of Deployments, `StatefulSets` and `DaemonSets`.

use std::{collections::BTreeMap, sync::Arc};

use clbmigrate_core::{
    backends,
    finding::Report,
    index::Index,
    object::{PodTemplate, Service, Workload, WorkloadKind},
    rules,
    snapshot::Snapshot,
};
use serde_json::value::RawValue;

use super::{
    Admission, Operation, Request, Response,
    evidence::{Ancestor, Evidence},
    ratchet,
    ruling::Rulings,
    scene::Ground,
};
use crate::{claims::Claims, config::Config, metrics::Verdict};

impl<C: Claims, E: Evidence> Admission<C, E> {
    /// Judges a change of a workload.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub(super) async fn judge_workload(
        &self,
        request: &Request<'_>,
    ) -> Result<(Response, Verdict), serde_json::Error> {
        let config = self.config.load();
        let Some(kind) = kind_of(request) else {
            return Ok((Response::allow(), Verdict::Allowed));
        };
        if let Some(verdict) = Self::passes(&config, request) {
            return Ok((Response::allow(), verdict));
        }
        let Some(new) = read(kind, request, request.object)? else {
            return Ok((Response::allow(), Verdict::Allowed));
        };
        let old = read(kind, request, request.old_object)?;
        let is_going = new.metadata.deletion_timestamp.is_some();
        if is_going || old.as_deref().is_some_and(|old| is_unchanged(old, &new)) {
            return Ok((Response::allow(), Verdict::Allowed));
        }
        let is_new = request.operation == Operation::Create;
        let services =
            self.services_selecting(new.metadata.namespace(), new.pod_labels(), is_new).await;
        let rulings = self.rule_on(&config, old.as_ref(), &new, &services).await;
        let meta = &new.metadata;
        let label = || format!("{} {}/{}", kind.as_str(), meta.namespace(), meta.name);
        let response = rulings.answer(&self.metrics, &label);
        if !response.is_allowed() {
            self.log_denial(&request.user_info.username, &label(), &rulings);
        }
        let verdict = response.verdict();
        Ok((response, verdict))
    }

    /// The Services on a CLB that select pods with these labels. One `kubectl apply -f` brings Service
    /// and workload within milliseconds: where the cache knows of no migrated one for a workload that
    /// is new, the API server is asked.
    pub(super) async fn services_selecting(
        &self,
        namespace: &str,
        labels: &BTreeMap<String, String>,
        is_new: bool,
    ) -> Vec<Arc<Service>> {
        let known = self.cache.services_selecting(namespace, labels);
        if !is_new || labels.is_empty() || known.iter().any(|service| is_migrated(service)) {
            return known;
        }
        match self.evidence.services(namespace).await {
            Ok(services) => {
                let selecting = services
                    .into_iter()
                    .filter(|service| service.is_taken_by_ccm() && service.selects(labels));
                selecting.map(Arc::new).collect()
            }
            Err(error) => {
                tracing::warn!(namespace, %error, "its Services cannot be listed, so those in the cache count");
                known
            }
        }
    }

    async fn rule_on(
        &self,
        config: &Config,
        old: Option<&Arc<Workload>>,
        new: &Arc<Workload>,
        services: &[Arc<Service>],
    ) -> Rulings {
        let ground = Ground { cache: &self.cache, config };
        let look = |workload: &Arc<Workload>| check(&ground.with_workload(workload, services));
        let object = new.object_ref(None);
        let namespace = new.metadata.namespace();
        let findings = look(new).findings;
        let mut rulings = Rulings::new(findings, config, namespace, |reviewed| *reviewed == object);
        let Some(old) = old else { return rulings };
        if rulings.denies() {
            let before = look(old);
            rulings.excuse(|finding| ratchet::excuse(finding, &before, &new.metadata.annotations));
        }
        if rulings.denies() {
            let name = &new.metadata.name;
            match self.evidence.past(Ancestor { kind: new.kind, namespace, name }).await {
                Ok(past) => {
                    for template in past {
                        let before = look(&Arc::new(with_template(new, template)));
                        rulings.excuse(|finding| ratchet::excuse_by_past(finding, &before));
                    }
                }
                Err(error) => {
                    tracing::warn!(
                        %object,
                        %error,
                        "its past templates cannot be read, so it passes with a warning"
                    );
                    rulings.excuse(|_| Some("whether it lived before cannot be told: "));
                }
            }
        }
        rulings
    }
}

fn check(snapshot: &Snapshot) -> Report {
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
fn kind_of(request: &Request<'_>) -> Option<WorkloadKind> {
    let kinds = [WorkloadKind::Deployment, WorkloadKind::StatefulSet, WorkloadKind::DaemonSet];
    kinds.into_iter().find(|kind| kind.as_str() == request.kind.kind)
}

fn read(
    kind: WorkloadKind,
    request: &Request<'_>,
    object: Option<&RawValue>,
) -> Result<Option<Arc<Workload>>, serde_json::Error> {
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
    Ok(Some(Arc::new(workload)))
}

/// Whether a change leaves everything that rules read.
fn is_unchanged(old: &Workload, new: &Workload) -> bool {
    old.template == new.template
        && old.replicas == new.replicas
        && old.strategy == new.strategy
        && old.metadata.annotations == new.metadata.annotations
}
