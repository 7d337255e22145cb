//! What the audit asks of the API server.

use std::{collections::BTreeMap, future::Future};

use hyper::{Method, StatusCode};
use kube::Client;
use serde::Deserialize;
use serde_json::json;

use super::{event::AuditEvent, record::Shard};
use crate::{
    api_call::{ApiCallError, Seconds, json_text, parsed, send},
    api_path::{ApiPath, InvalidName},
    service_pages::{ServicePage, service_page},
};

/// The name of the record's shards, but for their digit.
pub const RECORD_NAME: &str = "clbmigrate-webhook-audit";

/// How many Services a page holds. To split a page into its objects takes less than a millisecond.
const PAGE: usize = 200;

/// A shard of the record as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredShard {
    /// The shard.
    pub shard: Shard,
    /// Its resource version; empty where it has never been written.
    pub version: String,
}

/// Where the audit finds Services and its record, and tells changes.
pub trait AuditBackend: Send + Sync + 'static {
    /// A page of all Services of type `LoadBalancer`; the first one for an empty `next`.
    fn services(
        &self,
        next: &str,
    ) -> impl Future<Output = Result<ServicePage, ApiCallError>> + Send;

    /// A shard of the record.
    fn read_shard(
        &self,
        number: usize,
    ) -> impl Future<Output = Result<StoredShard, ApiCallError>> + Send;

    /// Keeps a shard in place of the one of its version. Returns the new version; `None` where that was not
    /// the present one.
    fn write_shard(
        &self,
        number: usize,
        shard: &StoredShard,
    ) -> impl Future<Output = Result<Option<String>, ApiCallError>> + Send;

    /// Posts an Event. It is no failure where it is there already, or its namespace is at its end.
    fn post_event(
        &self,
        event: &AuditEvent,
        now: Seconds,
    ) -> impl Future<Output = Result<(), ApiCallError>> + Send;
}

/// The API server.
pub struct ApiServer {
    client: Client,
    namespace: String,
}

impl ApiServer {
    /// An API server with the record in that namespace.
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    fn record_path(&self) -> Result<ApiPath, InvalidName> {
        ApiPath::new("/api/v1", &self.namespace, "configmaps")
    }
}

#[derive(Deserialize)]
struct ConfigMap {
    metadata: ConfigMapMeta,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigMapMeta {
    resource_version: String,
}

impl AuditBackend for ApiServer {
    async fn services(&self, next: &str) -> Result<ServicePage, ApiCallError> {
        service_page(&self.client, next, PAGE).await
    }

    async fn read_shard(&self, number: usize) -> Result<StoredShard, ApiCallError> {
        let path = self.record_path()?.object(&shard_name(number))?;
        let answer = send(&self.client, Method::GET, &path, Vec::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(StoredShard::default()),
            StatusCode::OK => {
                let ConfigMap { metadata, data } = parsed("the audit's record", &answer.body)?;
                let shard = Shard::from_data(&data.unwrap_or_default());
                Ok(StoredShard { shard, version: metadata.resource_version })
            }
            _ => Err(answer.refused()),
        }
    }

    async fn write_shard(
        &self,
        number: usize,
        StoredShard { shard, version }: &StoredShard,
    ) -> Result<Option<String>, ApiCallError> {
        let name = shard_name(number);
        let map = json!({
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": name,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/component": "audit",
                    "app.kubernetes.io/part-of": "clbmigrate",
                },
                "resourceVersion": (!version.is_empty()).then_some(version),
            },
            "data": shard.to_data(),
        });
        let (method, path) = if version.is_empty() {
            (Method::POST, self.record_path()?)
        } else {
            (Method::PUT, self.record_path()?.object(&name)?)
        };
        let answer = send(&self.client, method, &path, json_text(&map)?.into_bytes()).await?;
        match answer.status {
            StatusCode::OK | StatusCode::CREATED => {
                let written: ConfigMap = parsed("the audit's record", &answer.body)?;
                Ok(Some(written.metadata.resource_version))
            }
            StatusCode::CONFLICT => Ok(None),
            StatusCode::NOT_FOUND if !version.is_empty() => Ok(None),
            _ => Err(answer.refused()),
        }
    }

    async fn post_event(&self, event: &AuditEvent, now: Seconds) -> Result<(), ApiCallError> {
        let path = ApiPath::new("/api/v1", &event.object.namespace, "events")?;
        let body = json_text(&event.to_json(now)?)?.into_bytes();
        let answer = send(&self.client, Method::POST, &path, body).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(()),
            StatusCode::FORBIDDEN if is_terminating(&answer.body) => Ok(()),
            _ => Err(answer.refused()),
        }
    }
}

/// Whether a request is refused because its namespace is at its end (Kubernetes:
/// `NamespaceTerminatingCause`).
fn is_terminating(body: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Status {
        details: Details,
    }
    #[derive(Deserialize)]
    struct Details {
        causes: Vec<Cause>,
    }
    #[derive(Deserialize)]
    struct Cause {
        reason: String,
    }
    let causes = serde_json::from_slice::<Status>(body).map(|status| status.details.causes);
    causes.is_ok_and(|causes| causes.iter().any(|cause| cause.reason == "NamespaceTerminating"))
}

/// The name of a shard's `ConfigMap`.
fn shard_name(number: usize) -> String {
    format!("{RECORD_NAME}-{number:x}")
}
