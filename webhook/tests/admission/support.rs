//! A cluster in the cache alone, and reviews of its objects.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use clbmigrate_core::object::{EndpointSlice, PodTemplate, Service, WorkloadKind};
use clbmigrate_webhook::{
    Webhook,
    admission::{AdmissionHandler, ApiReadError, ApiReader, WorkloadRef},
    cache::Cache,
    claims::{ClaimStore, binding::ServiceName},
    config::Config,
    metrics::Metrics,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

pub use crate::memory_claims::{MemoryClaims, memory_claims};

pub const PREFIX: &str = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-";
pub const BACKEND_TYPE: &str = "service.beta.kubernetes.io/backend-type";
pub const ALLOW: &str = "clbmigrate.io/allow";
/// A user that is no part of Kubernetes.
pub const USER: &str = "jane@example.com";

/// Answers what an API server would; `None` stands for one that does not answer. By default there is no
/// Service that the cache does not know, and no answer to all else.
#[derive(Clone)]
pub struct FakeApiReader {
    pub slices: Option<Vec<Value>>,
    pub past_templates: Option<Vec<Value>>,
    pub services: Option<Vec<Value>>,
}

impl Default for FakeApiReader {
    fn default() -> Self {
        Self { slices: None, past_templates: None, services: Some(Vec::new()) }
    }
}

fn read<T: serde::de::DeserializeOwned>(
    values: Option<&Vec<Value>>,
) -> Result<Vec<T>, ApiReadError> {
    let values = values.ok_or(ApiReadError::Unavailable)?;
    Ok(values.iter().map(|v| serde_json::from_value(v.clone()).expect("an object")).collect())
}

impl ApiReader for FakeApiReader {
    fn endpoint_slices<'r>(
        &'r self,
        _: &'r str,
        _: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>> {
        Box::pin(async { read(self.slices.as_ref()) })
    }

    fn past_templates<'r>(
        &'r self,
        _: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>> {
        Box::pin(async { read(self.past_templates.as_ref()) })
    }

    fn services<'r>(&'r self, _: &'r str) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>> {
        Box::pin(async { read(self.services.as_ref()) })
    }
}

/// A webhook whose cache shows a small cluster.
pub struct TestCluster {
    pub cache: Arc<Cache>,
    /// Services that CCM does not take.
    unbound: Vec<ServiceName>,
    config: String,
    api_reader: FakeApiReader,
    user: &'static str,
}

/// An empty cluster with default settings.
pub fn test_cluster() -> TestCluster {
    TestCluster {
        cache: Arc::default(),
        unbound: Vec::new(),
        config: String::new(),
        api_reader: FakeApiReader::default(),
        user: USER,
    }
}

impl TestCluster {
    pub fn with_service(mut self, service: &Value) -> Self {
        self.cache.put_service(&service.to_string()).expect("a Service");
        let text = |of: &Value| of.as_str().expect("a string").to_owned();
        let [namespace, name] = ["namespace", "name"].map(|key| text(&service["metadata"][key]));
        if self.cache.service(&namespace, &name).is_none() {
            self.unbound.push(ServiceName { namespace, name });
        }
        self
    }

    pub fn with_workload(self, workload: &Value) -> Self {
        let kind = kind_of(workload);
        self.cache.put_workload(kind, &workload.to_string()).expect("a workload");
        self
    }

    pub fn nodes(self, nodes: &[Value]) -> Self {
        self.cache.put_nodes(nodes.iter().map(Value::to_string)).expect("nodes");
        self
    }

    pub fn config(mut self, config: &str) -> Self {
        config.clone_into(&mut self.config);
        self
    }

    pub fn api_reader(mut self, api_reader: FakeApiReader) -> Self {
        self.api_reader = api_reader;
        self
    }

    pub fn user(mut self, user: &'static str) -> Self {
        self.user = user;
        self
    }

    pub fn admission(&self) -> AdmissionHandler<MemoryClaims, FakeApiReader> {
        self.admission_with(memory_claims(&self.cache, self.unbound.iter().cloned()))
    }

    /// The same with other claims.
    pub fn admission_with<C: ClaimStore>(&self, claims: C) -> AdmissionHandler<C, FakeApiReader> {
        let config = Config::parse(&self.config).expect("a good file");
        AdmissionHandler::new(
            Arc::clone(&self.cache),
            Arc::new(ArcSwap::from_pointee(config)),
            Arc::new(Metrics::default()),
            claims,
            self.api_reader.clone(),
        )
    }

    pub fn create(&self, object: &Value) -> ReviewResponse {
        self.review("CREATE", None, Some(object))
    }

    pub fn update(&self, old: &Value, new: &Value) -> ReviewResponse {
        self.review("UPDATE", Some(old), Some(new))
    }

    pub fn delete(&self, object: &Value) -> ReviewResponse {
        self.review("DELETE", Some(object), None)
    }

    fn review(&self, operation: &str, old: Option<&Value>, new: Option<&Value>) -> ReviewResponse {
        validate(&self.admission(), &review(self.user, operation, old, new))
    }
}

/// The review that an API server would post.
pub fn review(user: &str, operation: &str, old: Option<&Value>, new: Option<&Value>) -> Value {
    let object = new.or(old).expect("an object");
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "u-1", "operation": operation,
            "kind": {"group": group_of(object), "version": "v1", "kind": object["kind"]},
            "name": object["metadata"]["name"].as_str().unwrap_or_default(), "namespace": object["metadata"]["namespace"],
            "userInfo": {"username": user, "groups": ["developers", "system:authenticated"]},
            "object": new, "oldObject": old,
        },
    })
}

/// Runs a future to its end, with timers.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime").block_on(future)
}

/// Posts a review to the hook that validates its kind.
pub fn validate<C: ClaimStore>(
    admission: &AdmissionHandler<C, FakeApiReader>,
    review: &Value,
) -> ReviewResponse {
    let webhook = if review["request"]["kind"]["kind"] == "Service" {
        Webhook::ValidateServices
    } else {
        Webhook::ValidateWorkloads
    };
    answer_of(admission, webhook, review)
}

/// Posts a review to a hook.
pub fn answer_of<C: ClaimStore>(
    admission: &AdmissionHandler<C, FakeApiReader>,
    webhook: Webhook,
    review: &Value,
) -> ReviewResponse {
    let answer =
        block_on(admission.review(webhook, review.to_string().as_bytes())).expect("a review");
    let answer: Value = serde_json::from_slice(&answer).expect("JSON");
    ReviewResponse(answer["response"].clone())
}

/// The response to a review.
pub struct ReviewResponse(Value);

impl ReviewResponse {
    pub fn allowed(&self) -> bool {
        self.0["allowed"] == true
    }

    pub fn message(&self) -> &str {
        self.0["status"]["message"].as_str().unwrap_or_default()
    }

    pub fn warnings(&self) -> Vec<&str> {
        self.0["warnings"].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    }

    pub fn audit(&self) -> &str {
        self.0["auditAnnotations"]["findings"].as_str().unwrap_or_default()
    }

    /// The rules that would have denied the request, but for the mode.
    pub fn would_refuse(&self) -> &str {
        self.0["auditAnnotations"]["wouldRefuse"].as_str().unwrap_or_default()
    }

    /// What was done about a rule's finding: `denied`, `warned`, `audited`, or empty.
    pub fn action_on(&self, rule: &str) -> &str {
        let found = self.audit().split(',').filter_map(|one| one.split_once('='));
        found.filter(|(id, _)| *id == rule).map(|(_, action)| action).next().unwrap_or_default()
    }

    pub fn is_silent(&self) -> bool {
        self.allowed() && self.warnings().is_empty()
    }
}

impl fmt::Debug for ReviewResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

/// A value with `patch` (RFC 7386) merged into it.
pub fn edited(object: &Value, patch: &Value) -> Value {
    let mut object = object.clone();
    json_patch::merge(&mut object, patch);
    object
}

/// A value with CLB annotations set or, where null, removed.
pub fn with_annotations(object: &Value, notes: &[(&str, Value)]) -> Value {
    let annotations: serde_json::Map<String, Value> =
        notes.iter().map(|(suffix, value)| (key(suffix), value.clone())).collect();
    edited(object, &json!({"metadata": {"annotations": annotations}}))
}

/// A suffix's full key; what is a full key already stays so.
pub fn key(suffix: &str) -> String {
    if suffix.contains('/') { suffix.to_owned() } else { format!("{PREFIX}{suffix}") }
}

/// A Service in which nothing is wrong, as an API server stores it.
pub fn web() -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": "web", "namespace": "shop",
            "annotations": {
                key("id"): "lb-bp1example", key("vgroup-port"): "rsp-bp1example:80",
                key("weight"): "60",
            },
        },
        "spec": {
            "type": "LoadBalancer", "externalTrafficPolicy": "Cluster", "selector": {"app": "web"},
            "ports": [{"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080}],
        },
    })
}

/// The same for two ports and two groups.
pub fn two_ports() -> Value {
    let ports = json!([
        {"name": "http", "protocol": "TCP", "port": 80, "targetPort": 8080, "nodePort": 30080},
        {"name": "https", "protocol": "TCP", "port": 443, "targetPort": 8443, "nodePort": 30443},
    ]);
    let service = edited(&web(), &json!({"spec": {"ports": ports}}));
    with_annotations(&service, &[("vgroup-port", "rsp-bp1example:80,rsp-bp2example:443".into())])
}

/// Another Service with the same group.
pub fn neighbour(notes: &[(&str, Value)]) -> Value {
    let spec = json!({"selector": {"app": "other"}});
    with_annotations(&edited(&web(), &json!({"metadata": {"name": "other"}, "spec": spec})), notes)
}

/// A workload that `web` selects, fit for lossless moves.
pub fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop"},
        "spec": {
            "replicas": 3,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {
                    "terminationGracePeriodSeconds": 60,
                    "containers": [container()],
                },
            },
        },
    })
}

pub fn container() -> Value {
    json!({
        "name": "web", "image": "web:1", "ports": [{"containerPort": 8080}],
        "readinessProbe": {"tcpSocket": {"port": 8080}},
        "lifecycle": {"preStop": {"sleep": {"seconds": 30}}},
    })
}

/// The same with other containers.
pub fn with_containers(workload: &Value, containers: &[Value]) -> Value {
    edited(workload, &json!({"spec": {"template": {"spec": {"containers": containers}}}}))
}

/// A container without readinessProbe.
pub fn unprobed() -> Value {
    edited(&container(), &json!({"readinessProbe": null}))
}

pub fn node(index: usize) -> Value {
    json!({
        "metadata": {"name": format!("node-{index}")},
        "spec": {"providerID": format!("cn-example.i-bp1node{index}")},
        "status": {"conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"kubeletVersion": "v1.33.1"}},
    })
}

pub fn kind_of(workload: &Value) -> WorkloadKind {
    let kind = workload["kind"].as_str().expect("a kind");
    WorkloadKind::of(Some(group_of(workload)), kind).expect("a kind of workload")
}

/// The API group in an object's `apiVersion`.
pub fn group_of(object: &Value) -> &str {
    let version = object["apiVersion"].as_str().unwrap_or_default();
    version.split_once('/').map_or("", |(group, _)| group)
}
