//! Reviews of what takes Services with it: the deletion of a namespace, and new owners of a Service.
//! Kubernetes deletes what belongs to them, and CCM then takes its backends out of their groups at once,
//! whatever their weight. Such a review is never denied.

use clbmigrate_core::{
    annotation::{self, ALLOW, parse_weight},
    object::{Annotations, Service},
    rules::{self, Language},
};
use serde::Deserialize;

use super::{
    AdmissionHandler, AdmissionRequest, AdmissionResponse, Operation, api_reader::ApiReader,
    workloads::is_migrated,
};
use crate::{
    claims::ClaimStore,
    config::{Config, Mode},
    metrics::ReviewResult,
};

/// The rule about the same, where a Service alone is deleted.
const RULE: &str = "CLB404";

/// How many Services or owners are named.
const MAX_NAMED: usize = 3;

/// What is read of a Service beside the Service itself.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Owned {
    metadata: Option<OwnedMeta>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct OwnedMeta {
    deletion_timestamp: Option<String>,
    owner_references: Option<Vec<Owner>>,
}

#[derive(Deserialize, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", default)]
struct Owner {
    api_version: Option<String>,
    kind: Option<String>,
    name: Option<String>,
    uid: Option<String>,
}

impl Owned {
    fn is_terminating(&self) -> bool {
        self.metadata.as_ref().is_some_and(|meta| meta.deletion_timestamp.is_some())
    }

    fn owners(&self) -> &[Owner] {
        let owners = self.metadata.as_ref().and_then(|meta| meta.owner_references.as_deref());
        owners.unwrap_or_default()
    }
}

impl<C: ClaimStore, R: ApiReader> AdmissionHandler<C, R> {
    /// Warns where a request takes Services that carry traffic with it, now or later.
    ///
    /// # Errors
    /// When an object cannot be read.
    pub(super) fn validate_cascading_deletion(
        &self,
        request: &AdmissionRequest<'_>,
    ) -> Result<(AdmissionResponse, ReviewResult), serde_json::Error> {
        let config = self.config.load();
        if let Some(result) = Self::allowed_unjudged(&config, request) {
            return Ok((AdmissionResponse::allow(), result));
        }
        let response = match (request.resource.resource.as_ref(), request.operation) {
            ("namespaces", Operation::Delete) => self.deleted_namespace(&config, request)?,
            ("services", Operation::Update) => new_owners(&config, request)?,
            _ => AdmissionResponse::allow(),
        };
        let result = response.result();
        Ok((response, result))
    }

    fn deleted_namespace(
        &self,
        config: &Config,
        request: &AdmissionRequest<'_>,
    ) -> Result<AdmissionResponse, serde_json::Error> {
        let response = AdmissionResponse::allow();
        let old = AdmissionRequest::parse_object::<Owned>(request.old_object)?;
        let namespace = &*request.name;
        if old.is_some_and(|old| old.is_terminating()) || !is_told(config, namespace) {
            return Ok(response);
        }
        let services = self.cache.services_in(namespace);
        let mut carrying =
            services.iter().filter(|service| carries_traffic(config, service)).peekable();
        let Some(first) = carrying.peek().map(|service| service.metadata.name.clone()) else {
            return Ok(response);
        };
        let named: Vec<String> =
            carrying.by_ref().take(MAX_NAMED).map(|it| with_weight(it, config.lang)).collect();
        let (named, more) = (named.join(", "), carrying.count());
        let (more, more_in_chinese) = match more {
            0 => (String::new(), String::new()),
            more => (format!(" and {more} more"), format!("等，另有 {more} 个")),
        };
        let told = response.warn(config.lang.pick(
            format!("clbmigrate: with namespace {namespace} go Services that carry traffic: {named}{more}. CCM takes all their backends out of their vServer groups at once"),
            format!("clbmigrate：删除命名空间 {namespace} 会一并删除仍在承载流量的 Service：{named}{more_in_chinese}。CCM 会立即从虚拟服务器组中移除其全部后端服务器"),
        ));
        Ok(told.warn(config.lang.pick(
            format!("clbmigrate: set such weights to 0 first and see that others carry the traffic: kubectl clbmigrate set svc/{first} 0 -n {namespace}"),
            format!("clbmigrate：请先将权重设为 0，并确认流量已由其他后端承载：kubectl clbmigrate set svc/{first} 0 -n {namespace}"),
        )))
    }
}

fn new_owners(
    config: &Config,
    request: &AdmissionRequest<'_>,
) -> Result<AdmissionResponse, serde_json::Error> {
    let response = AdmissionResponse::allow();
    let read = AdmissionRequest::parse_object::<Owned>;
    let (Some(old), Some(new)) = (read(request.old_object)?, read(request.object)?) else {
        return Ok(response);
    };
    let added: Vec<&Owner> =
        new.owners().iter().filter(|owner| !old.owners().contains(owner)).collect();
    if added.is_empty() || new.is_terminating() || !is_told(config, &request.namespace) {
        return Ok(response);
    }
    let service = AdmissionRequest::parse_object::<Service>(request.object)?.unwrap_or_default();
    if !carries_traffic(config, &service) {
        return Ok(response);
    }
    let named: Vec<String> = added.iter().take(MAX_NAMED).map(|owner| owner.label()).collect();
    let named = named.join(", ");
    let service = with_weight(&service, config.lang);
    Ok(response.warn(config.lang.pick(
        format!("clbmigrate: Service {service} carries traffic and goes with its new owner ({named}), at once if there is none of that uid; CCM then takes its backends out of their groups. Set the weight to 0 first"),
        format!("clbmigrate：Service {service} 仍在承载流量，会随新的 owner（{named}）一并删除；若不存在该 uid 的 owner，则立即删除，CCM 会移除其全部后端服务器。请先将权重设为 0"),
    )))
}

impl Owner {
    fn label(&self) -> String {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{} {}", text(&self.kind), text(&self.name))
    }
}

/// Whether deletions that take traffic with them are told of in a namespace.
fn is_told(config: &Config, namespace: &str) -> bool {
    rules::find(RULE).is_some_and(|rule| {
        matches!(config.mode(rule, rule.severity, namespace), Mode::Deny | Mode::Warn)
    })
}

/// Whether traffic may reach the Service's backends through a CLB, and it is not marked to go with it.
fn carries_traffic(config: &Config, service: &Service) -> bool {
    let annotations = &service.metadata.annotations;
    let is_zero = parse_weight(annotations.text(annotation::WEIGHT)) == Ok(0);
    is_migrated(service) && !is_zero && !is_marked(config, annotations)
}

fn is_marked(config: &Config, annotations: &Annotations) -> bool {
    let ids = annotations.get(ALLOW).unwrap_or_default();
    config.may_exempt(RULE) && ids.split(',').any(|id| id.trim() == RULE)
}

/// The Service's name and weight: `web (weight 60)`.
fn with_weight(service: &Service, language: Language) -> String {
    let weight = match service.metadata.annotations.text(annotation::WEIGHT) {
        "" => language.pick("100 per backend", "每个后端服务器 100"),
        weight => weight,
    };
    let name = &service.metadata.name;
    language.pick(format!("{name} (weight {weight})"), format!("{name}（权重 {weight}）"))
}
