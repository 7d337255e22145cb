//! Reviews of Services.

use std::sync::Arc;

use clbmigrate_core::{annotation, object::Service, rules};

use super::{
    AdmissionHandler, AdmissionRequest, AdmissionResponse,
    api_reader::ApiReader,
    context::{Neighbours, ReviewContext},
    decision::AdmissionDecision,
    ratcheting,
    service_versions::{Evaluation, ServiceVersions},
};
use crate::{
    claims::{ClaimResult, ClaimStore, newly_bound_groups},
    config::Config,
    metrics::ReviewResult,
    stripped::StrippedService,
};

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// Decides on a change of a Service.
    pub(super) async fn validate_service(
        &self,
        mut request: AdmissionRequest<'_, StrippedService>,
    ) -> (AdmissionResponse, ReviewResult) {
        let config = self.config.load();
        let (old, new) = (request.old_object.take(), request.object.take());
        let (old, new) = (old.map(|stripped| stripped.0), new.map(|stripped| stripped.0));
        let is_terminating = |service: &Option<Service>| {
            service.as_ref().is_some_and(|it| it.metadata.deletion_timestamp.is_some())
        };
        if let Some(result) = Self::allowed_unjudged(&config, &request) {
            return (AdmissionResponse::allow(), result);
        }
        let is_candidate = [&old, &new].into_iter().flatten().any(Service::is_candidate);
        let is_unchanged = match (&old, &new) {
            (Some(old), Some(new)) => ratcheting::is_unchanged(old, new),
            _ => false,
        };
        if is_terminating(&new)
            || (new.is_none() && is_terminating(&old))
            || !is_candidate
            || is_unchanged
        {
            return (AdmissionResponse::allow(), ReviewResult::Allowed);
        }
        let mut unknown = Vec::new();
        let mut prepared = |service: Option<Service>| {
            service.map(|mut service| {
                let meta = &mut service.metadata;
                if meta.namespace.is_none() {
                    meta.namespace = Some(request.namespace.clone().into_owned());
                }
                if meta.name.is_empty() {
                    meta.name = request.name.clone().into_owned();
                }
                unknown = limit_exemptions(&mut service, &config);
                Arc::new(service)
            })
        };
        let versions = ServiceVersions::new(prepared(old), prepared(new));
        let (mut response, decision) = self.decide(&config, &versions, request.is_dry_run()).await;
        for id in unknown {
            let key = annotation::ALLOW;
            response = response.warn(config.lang.pick(
                format!("{key}: there is no rule {id:?} to be exempt from"),
                format!("{key}：没有规则 {id:?}，无法放行"),
            ));
        }
        if !response.is_allowed() {
            self.log_denial(&request.user_info.username, &versions.label(), &decision);
        }
        let result = response.result();
        (response, result)
    }

    /// Reserves the vServer groups that the Service joins, and judges. The reservation is given up
    /// where the change is denied.
    async fn decide(
        &self,
        config: &Config,
        versions: &ServiceVersions,
        is_dry_run: bool,
    ) -> (AdmissionResponse, AdmissionDecision) {
        let mut neighbours = Neighbours {
            services: self.cache.neighbours(versions.with_own_bindings()),
            ..Neighbours::default()
        };
        let joins = versions.new.as_ref().filter(|new| {
            versions.changes_binding
                && new.is_taken_by_ccm()
                && !newly_bound_groups(versions.old.as_deref(), new).is_empty()
        });
        if let Some(new) = joins {
            match self.claims.claim(versions.old.as_deref(), new, is_dry_run).await {
                ClaimResult::Granted => {}
                ClaimResult::HeldBy(others) => neighbours.services.extend(others),
                ClaimResult::Unknown(why) => {
                    let label = versions.label();
                    let message = config.lang.pick(
                        format!(
                            "{label}: whether its vServer groups are free cannot be told: {why}. Fix: try again."
                        ),
                        format!(
                            "{label}：无法判断其虚拟服务器组是否已被占用。修复：请重试。详情：{why}。"
                        ),
                    );
                    return (AdmissionResponse::deny(message), AdmissionDecision::default());
                }
            }
        }
        let decision = self.evaluate(config, versions, neighbours).await;
        if let (true, Some(new)) = (decision.denies(), joins) {
            self.claims.release(new);
        }
        (decision.respond(&self.metrics, config.lang, &|| versions.label()), decision)
    }

    /// Judges by what is in the cache, and once more with the EndpointSlices that only the API server
    /// has where a denial hangs on them.
    async fn evaluate(
        &self,
        config: &Config,
        versions: &ServiceVersions,
        mut neighbours: Neighbours,
    ) -> AdmissionDecision {
        let context = ReviewContext { cache: &self.cache, config };
        if versions.changes_binding {
            neighbours.workloads = versions
                .all()
                .flat_map(|service| self.cache.workloads_selected_by(service))
                .collect();
        }
        let Evaluation { decision, needs_slices } = versions.evaluate(context, &neighbours);
        let Some(old) = versions.old.as_ref().filter(|_| needs_slices) else { return decision };
        let meta = &old.metadata;
        match self.api_reader.endpoint_slices(meta.namespace(), &meta.name).await {
            Ok(slices) => {
                neighbours.slices = Some(slices);
                versions.evaluate(context, &neighbours).decision
            }
            Err(error) => {
                tracing::warn!(
                    service = versions.label(),
                    %error,
                    "its EndpointSlices cannot be read, so the rules that look at them are silent"
                );
                decision
            }
        }
    }
}

/// Reduces the rules that an object asks to be exempt from to those that the administrator lets it
/// choose. Returns the ids in its annotation that are no rule's.
pub(super) fn limit_exemptions(service: &mut Service, config: &Config) -> Vec<String> {
    let annotations = &mut service.metadata.annotations;
    let Some(text) = annotations.get(annotation::ALLOW) else { return Vec::new() };
    let ids = text.split(',').map(str::trim).filter(|id| !id.is_empty());
    let (known, unknown): (Vec<&str>, Vec<&str>) =
        ids.partition(|id| rules::find(id).is_some_and(|rule| rule.id == *id));
    let permitted: Vec<&str> = known.into_iter().filter(|id| config.may_exempt(id)).collect();
    let permitted = permitted.join(",");
    let unknown = unknown.into_iter().map(str::to_owned).collect();
    annotations.set(annotation::ALLOW, permitted);
    unknown
}
