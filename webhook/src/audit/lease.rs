//! The Lease of the audit, in the webhook's namespace.

use hyper::{Method, StatusCode};
use jiff::Timestamp;
use kube::Client;
use serde::Deserialize;
use serde_json::json;

use super::election::{
    Answer, Election, Goal, LEASE_DURATION, LeaderLease, Role, Step, StoredLease,
};
use crate::{
    api_call::{ApiCallError, Seconds, json_text, parsed, send},
    api_path::{ApiPath, InvalidName},
};

/// The Lease's name.
pub const LEASE_NAME: &str = "clbmigrate-webhook-audit";

/// Reads and writes the Lease.
pub(super) struct LeaseClient {
    client: Client,
    namespace: String,
}

#[derive(Deserialize)]
struct Lease {
    metadata: LeaseMeta,
    #[serde(default)]
    spec: Option<LeaseSpec>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseMeta {
    resource_version: String,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct LeaseSpec {
    holder_identity: Option<String>,
    acquire_time: Option<String>,
    renew_time: Option<String>,
    lease_transitions: Option<u32>,
}

impl LeaseClient {
    pub fn new(client: Client, namespace: &str) -> Self {
        Self { client, namespace: namespace.to_owned() }
    }

    /// Makes one attempt to lead, or to resign.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses.
    pub async fn attempt(&self, identity: &str, goal: Goal) -> Result<Role, ApiCallError> {
        let mut election = Election::new(identity, goal);
        let mut step = Step::Read;
        loop {
            let answer = match step {
                Step::Read => self.read().await?,
                Step::Create(lease) => {
                    let body = self.body(&lease, None)?;
                    self.write(Method::POST, &self.path()?, body).await?
                }
                Step::Write(StoredLease { lease, version }) => {
                    let body = self.body(&lease, Some(&version))?;
                    self.write(Method::PUT, &self.path()?.object(LEASE_NAME)?, body).await?
                }
                Step::End(role) => return Ok(role),
            };
            step = election.next(answer);
        }
    }

    fn path(&self) -> Result<ApiPath, InvalidName> {
        ApiPath::new("/apis/coordination.k8s.io/v1", &self.namespace, "leases")
    }

    async fn read(&self) -> Result<Answer, ApiCallError> {
        let path = self.path()?.object(LEASE_NAME)?;
        let answer = send(&self.client, Method::GET, &path, Vec::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Answer::Lease(answer.now()?, None)),
            StatusCode::OK => {
                let Lease { metadata, spec } = parsed("the Lease of the audit", &answer.body)?;
                let spec = spec.unwrap_or_default();
                let lease = LeaderLease {
                    holder: spec.holder_identity.unwrap_or_default(),
                    acquired: seconds(spec.acquire_time.as_deref()),
                    renewed: seconds(spec.renew_time.as_deref()),
                    transitions: spec.lease_transitions.unwrap_or_default(),
                };
                let stored = StoredLease { lease, version: metadata.resource_version };
                Ok(Answer::Lease(answer.now()?, Some(stored)))
            }
            _ => Err(answer.refused()),
        }
    }

    async fn write(
        &self,
        method: Method,
        path: &ApiPath,
        body: Vec<u8>,
    ) -> Result<Answer, ApiCallError> {
        let is_creation = method == Method::POST;
        let answer = send(&self.client, method, path, body).await?;
        match answer.status {
            StatusCode::OK => Ok(Answer::Written(true)),
            // What was to be changed has been deleted, and this has made a new one: it is read once
            // more (Kubernetes: registry/coordination/lease/strategy.go, AllowCreateOnUpdate).
            StatusCode::CREATED => Ok(Answer::Written(is_creation)),
            StatusCode::CONFLICT => Ok(Answer::Written(false)),
            StatusCode::NOT_FOUND if !is_creation => Ok(Answer::Written(false)),
            _ => Err(answer.refused()),
        }
    }

    /// The Lease with these fields; without a version, to be created.
    fn body(&self, lease: &LeaderLease, version: Option<&str>) -> Result<Vec<u8>, ApiCallError> {
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": LEASE_NAME,
                "namespace": self.namespace,
                "labels": {
                    "app.kubernetes.io/component": "audit",
                    "app.kubernetes.io/part-of": "clbmigrate",
                },
                "resourceVersion": version,
            },
            "spec": {
                "holderIdentity": (!lease.holder.is_empty()).then_some(&lease.holder),
                "leaseDurationSeconds": LEASE_DURATION,
                "acquireTime": micro_time(lease.acquired),
                "renewTime": micro_time(lease.renewed),
                "leaseTransitions": lease.transitions,
            },
        });
        Ok(json_text(&lease)?.into_bytes())
    }
}

/// A time of the Lease. One that cannot be read is long past, so that any replica takes the Lease.
fn seconds(time: Option<&str>) -> Seconds {
    let time = time.and_then(|time| time.parse::<Timestamp>().ok());
    time.map_or(0, Timestamp::as_second)
}

/// A time as Leases have it, with six digits behind the second.
fn micro_time(time: Seconds) -> Option<String> {
    Timestamp::from_second(time).ok().map(|time| format!("{time:.6}"))
}
