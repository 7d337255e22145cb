//! Reviews of Services.

use std::{collections::BTreeMap, sync::Arc};

use clbmigrate_core::{annotation, object::Service};
use serde_json::json;

use super::{
    AdmissionHandler, AdmissionRequest, AdmissionResponse,
    api_reader::ApiReader,
    context::{Neighbours, ReviewContext},
    decision::AdmissionDecision,
    exemptions::{IgnoredExemptions, limit_exemptions},
    ratcheting,
    review_log::LoggedRequest,
    service_versions::{Evaluation, ServiceVersions},
};
use crate::{
    Webhook,
    claims::{
        ClaimResult, ClaimStore, ClaimedGroup, ReviewedWrite, binding::ServiceName, bindings_in,
        group::Holder,
    },
    config::{Config, Enforcement},
    metrics::ReviewResult,
    stripped::StrippedService,
};

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// Decides on a change of a Service.
    pub(super) async fn validate_service<O: Sync>(
        &self,
        request: &AdmissionRequest<'_, O>,
        [old, new]: [Option<StrippedService>; 2],
    ) -> (AdmissionResponse, ReviewResult) {
        let config = self.config.load();
        let resource_version =
            old.as_ref().map(|old| old.resource_version.clone()).unwrap_or_default();
        let (old, new) = (old.map(|it| it.service), new.map(|it| it.service));
        let is_terminating = |service: &Option<Service>| {
            service.as_ref().is_some_and(|it| it.metadata.deletion_timestamp.is_some())
        };
        if let Some(result) = Self::allowed_unjudged(&config, request) {
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
        let mut ignored = IgnoredExemptions::default();
        let mut prepared = |service: Option<Service>| {
            service.map(|mut service| {
                let meta = &mut service.metadata;
                if meta.namespace.is_none() {
                    meta.namespace = Some(request.namespace.clone().into_owned());
                }
                if meta.name.is_empty() {
                    meta.name = request.name.clone().into_owned();
                }
                ignored = limit_exemptions(&mut service.metadata.annotations, &config);
                Arc::new(service)
            })
        };
        let versions = ServiceVersions::new(prepared(old), prepared(new));
        let write = versions.new.as_deref().map(|new| ReviewedWrite {
            old: versions.old.as_deref(),
            new,
            resource_version: &resource_version,
            is_dry_run: request.is_dry_run(),
        });
        let mode = self.enforcement(&config, &request.namespace);
        let (mut response, decision) = self.decide(&config, mode, &versions, write).await;
        response = ignored.warn(response, config.lang);
        let logged = LoggedRequest::new(request, versions.name());
        self.log.log(logged, response.is_allowed(), &decision, &self.metrics);
        let result = response.result();
        (response, result)
    }

    /// Judges, and claims the vServer groups that the Service joins where nothing else denies the change.
    async fn decide(
        &self,
        config: &Arc<Config>,
        mode: Enforcement,
        versions: &ServiceVersions,
        write: Option<ReviewedWrite<'_>>,
    ) -> (AdmissionResponse, AdmissionDecision) {
        let neighbours = Neighbours {
            services: self.cache.neighbours(versions.with_own_bindings()),
            ..Neighbours::default()
        };
        let mut decision = self.evaluate(config, versions, neighbours.clone()).await;
        let mut pending = Vec::new();
        if let (Some(write), false) = (write, decision.denies()) {
            let (groups, is_held) = match self.claims.claim(write).await {
                ClaimResult::Granted(groups) => (groups, false),
                ClaimResult::Held(groups) => (groups, true),
                ClaimResult::Unsettled(why) => {
                    let response = unsettled(config, mode, &versions.label(), &why);
                    return (response, AdmissionDecision::default());
                }
            };
            let unseen = unseen(&groups, &neighbours.services);
            if is_held || !unseen.is_empty() {
                let mut neighbours = neighbours;
                neighbours.services.extend(unseen);
                decision = self.evaluate(config, versions, neighbours).await;
            }
            let holders = groups.into_iter().flat_map(|group| group.holders);
            pending.extend(holders.filter(|holder| is_held && holder.is_pending));
        }
        decision.limit(mode, Webhook::ValidateServices, &self.metrics);
        let mut response = decision.respond(&self.metrics, config.lang, &|| versions.label());
        for Holder { service, .. } in pending {
            response = response.warn(config.lang.pick(
                format!(
                    "Service {service} was admitted a moment ago and is not in the cluster yet; if it never is, the group is free after two minutes"
                ),
                format!("Service {service} 刚刚通过校验，尚未写入集群；若最终没有写入，两分钟后该虚拟服务器组可用"),
            ));
        }
        (response, decision)
    }

    /// Judges by what is in the cache, and once more with the EndpointSlices that only the API server
    /// has where a denial hangs on them.
    async fn evaluate(
        &self,
        config: &Arc<Config>,
        versions: &ServiceVersions,
        mut neighbours: Neighbours,
    ) -> AdmissionDecision {
        let base = self.base.current(config, &self.cache);
        let context = ReviewContext { cache: &self.cache, config, base: &base };
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

/// The answer to a Service whose claims cannot be settled now.
fn unsettled(config: &Config, mode: Enforcement, label: &str, why: &str) -> AdmissionResponse {
    let message = config.lang.pick(
        format!(
            "{label}: whether its vServer groups are free cannot be told: {why}. Fix: try again."
        ),
        format!("{label}：无法判断其虚拟服务器组是否已被占用。修复：请重试。详情：{why}。"),
    );
    match mode {
        Enforcement::Enforce => AdmissionResponse::deny(message),
        Enforcement::Warn | Enforcement::Audit => AdmissionResponse::allow().warn(message),
    }
}

/// The Services with these claims that are not among the neighbours with the same bindings, with as much
/// of each as rules need to tell of it: those bindings. What the cache shows by now does not count, for
/// the write is judged by the neighbours.
fn unseen(groups: &[ClaimedGroup], neighbours: &[Arc<Service>]) -> Vec<Arc<Service>> {
    let mut found: BTreeMap<(&ServiceName, &str), GroupPorts<'_>> = BTreeMap::new();
    for ClaimedGroup { group, holders } in groups {
        for Holder { service, binding, .. } in holders {
            let is_known = neighbours.iter().any(|known| {
                let meta = &known.metadata;
                meta.name == service.name
                    && meta.namespace() == service.namespace
                    && bindings_in(known, group).contains(binding)
            });
            if !is_known {
                found.entry((service, &binding.clb)).or_default().push((group, binding.port));
            }
        }
    }
    let services = found.into_iter();
    services.filter_map(|((name, clb), ports)| holder_as_service(name, clb, &ports)).collect()
}

/// Groups, each with the port that is bound to it.
type GroupPorts<'g> = Vec<(&'g str, u16)>;

fn holder_as_service(
    ServiceName { namespace, name }: &ServiceName,
    clb: &str,
    ports: &[(&str, u16)],
) -> Option<Arc<Service>> {
    let mapping: Vec<String> =
        ports.iter().map(|(group, port)| format!("{group}:{port}")).collect();
    let ports: Vec<_> = ports.iter().map(|(_, port)| json!({"port": port})).collect();
    let key = annotation::full_key;
    let service = json!({
        "metadata": {
            "namespace": namespace,
            "name": name,
            "annotations": {
                (key(annotation::ID)): clb,
                (key(annotation::VGROUP_PORT)): mapping.join(","),
            },
        },
        "spec": {"type": "LoadBalancer", "ports": ports},
    });
    serde_json::from_value(service).ok().map(Arc::new)
}
