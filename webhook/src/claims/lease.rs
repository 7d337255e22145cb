//! The Leases that claims are kept in, one for each group, in the webhook's namespace.

use std::sync::Arc;

use hyper::{Method, StatusCode};
use kube::Client;
use serde::Deserialize;
use serde_json::json;

use super::{
    ClaimBackend,
    binding::ServiceName,
    bindings_in,
    group::{GroupClaims, Observation, ServiceState},
    service_list::ServiceList,
    settlement::StoredClaims,
};
use crate::{
    api_call::{ApiCallError, Seconds, get, json_text, malformed, parsed, send},
    api_path::{ApiPath, InvalidName},
    background::BackgroundClient,
    cache::Cache,
    hash::hex_digest,
    stripped::StrippedService,
};

/// The label of all Leases of claims.
const LABEL: (&str, &str) = ("app.kubernetes.io/component", "claims");
/// The annotation that names the group.
const GROUP_KEY: &str = "clbmigrate.io/vserver-group";
/// The annotation that holds the claims as JSON.
const CLAIMS_KEY: &str = "clbmigrate.io/claims";
/// How many Services the Lease's holder names, for people.
const SHOWN_SERVICES: usize = 3;
/// The most bytes of claims that are kept: API servers take 256 KiB of annotations.
const MAX_TEXT: usize = 200 * 1024;

/// Keeps claims in Leases, and reads Services from the API server.
#[derive(Clone)]
pub struct LeaseStore {
    client: Client,
    namespace: Arc<str>,
    cache: Arc<Cache>,
    services: Arc<ServiceList>,
    background: Option<BackgroundClient>,
}

/// A Lease as it is read.
#[derive(Debug, Deserialize)]
pub(super) struct Lease {
    metadata: LeaseMeta,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct LeaseMeta {
    name: String,
    resource_version: String,
    #[serde(default)]
    annotations: std::collections::BTreeMap<String, String>,
}

impl Lease {
    /// The group that the Lease is for; empty where it does not say.
    pub fn group(&self) -> &str {
        self.metadata.annotations.get(GROUP_KEY).map_or("", String::as_str)
    }

    /// The claims that it holds.
    ///
    /// # Errors
    /// When they cannot be read.
    pub fn claims(&self, now: Seconds) -> Result<StoredClaims, ApiCallError> {
        let LeaseMeta { name, resource_version, annotations } = &self.metadata;
        let text = annotations.get(CLAIMS_KEY).map_or("{}", String::as_str);
        let claims: GroupClaims = serde_json::from_str(text).map_err(|error| {
            let why = format!("{error}; delete the Lease, and it is made anew");
            ApiCallError::Malformed { what: format!("{CLAIMS_KEY} of Lease {name}"), why }
        })?;
        Ok(StoredClaims { claims, version: resource_version.clone(), now })
    }
}

impl LeaseStore {
    /// Leases in that namespace. `cache` tells which Services there have been.
    pub fn new(client: Client, namespace: &str, cache: Arc<Cache>) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            cache,
            services: Arc::default(),
            background: None,
        }
    }

    /// The same store, which lists all Services of the cluster on the background thread: there may be
    /// many, and other reviews go on meanwhile.
    #[must_use]
    pub fn filled_by(self, background: BackgroundClient) -> Self {
        Self { background: Some(background), ..self }
    }

    /// The cache that tells which Services there have been.
    pub(super) fn cache(&self) -> &Cache {
        &self.cache
    }

    fn path(&self) -> Result<ApiPath, InvalidName> {
        ApiPath::new("/apis/coordination.k8s.io/v1", &self.namespace, "leases")
    }

    /// The Lease of a group with these claims; without a version, to be created.
    fn lease(
        &self,
        group: &str,
        claims: &GroupClaims,
        version: Option<&str>,
    ) -> Result<Vec<u8>, ApiCallError> {
        let text = json_text(claims)?;
        if text.len() > MAX_TEXT {
            let why = format!("they are longer than {MAX_TEXT} bytes");
            return Err(ApiCallError::Malformed { what: format!("the claims on {group}"), why });
        }
        let mut shown: Vec<String> =
            claims.services().take(SHOWN_SERVICES).map(ToString::to_string).collect();
        if claims.services().count() > SHOWN_SERVICES {
            shown.push("…".to_owned());
        }
        let lease = json!({
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {
                "name": lease_name(group),
                "namespace": &*self.namespace,
                "labels": {LABEL.0: LABEL.1, "app.kubernetes.io/part-of": "clbmigrate"},
                "annotations": {GROUP_KEY: group, CLAIMS_KEY: text},
                "resourceVersion": version,
            },
            "spec": {"holderIdentity": if shown.is_empty() { None } else { Some(shown.join(",")) }},
        });
        Ok(json_text(&lease)?.into_bytes())
    }

    async fn create(&self, group: &str) -> Result<(), ApiCallError> {
        let claims = self.services.fresh(&self.client).await?.claims_on(group);
        let lease = self.lease(group, &claims, None)?;
        let answer = send(&self.client, Method::POST, &self.path()?, lease).await?;
        match answer.status {
            StatusCode::CREATED | StatusCode::CONFLICT => Ok(()),
            _ => Err(answer.refused()),
        }
    }

    /// All Leases of claims, and the API server's time.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(super) async fn list(&self) -> Result<(Seconds, Vec<Lease>), ApiCallError> {
        #[derive(Deserialize)]
        struct List {
            items: Option<Vec<Lease>>,
        }
        let path = self.path()?.with("labelSelector", &format!("{}={}", LABEL.0, LABEL.1));
        let (now, body) = get(&self.client, &path).await?;
        let list: List = parsed("the list of Leases", &body)?;
        Ok((now, list.items.unwrap_or_default()))
    }

    /// Deletes the Lease of a group if it is still of that version.
    ///
    /// # Errors
    /// When the API server cannot be asked, or refuses.
    pub(super) async fn delete(&self, group: &str, version: &str) -> Result<(), ApiCallError> {
        let options = json!({"preconditions": {"resourceVersion": version}});
        let path = self.path()?.object(&lease_name(group))?;
        let body = json_text(&options)?.into_bytes();
        let answer = send(&self.client, Method::DELETE, &path, body).await?;
        match answer.status {
            StatusCode::OK
            | StatusCode::ACCEPTED
            | StatusCode::NOT_FOUND
            | StatusCode::CONFLICT => Ok(()),
            _ => Err(answer.refused()),
        }
    }
}

impl ClaimBackend for LeaseStore {
    async fn read(&self, group: &str) -> Result<Option<StoredClaims>, ApiCallError> {
        let path = self.path()?.object(&lease_name(group))?;
        let answer = send(&self.client, Method::GET, &path, Vec::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(None),
            StatusCode::OK => {
                let lease: Lease = parsed("the Lease", &answer.body)?;
                lease.claims(answer.now()?).map(Some)
            }
            _ => Err(answer.refused()),
        }
    }

    async fn fill(&self, group: &str) -> Result<(), ApiCallError> {
        // It goes on where the review cannot wait for it: the next one finds the Lease.
        let (mut store, group) = (self.clone(), group.to_owned());
        let filled = match self.background.clone() {
            Some(background) => {
                store.client = background.client.clone();
                background.run(async move { store.create(&group).await }).await
            }
            None => tokio::spawn(async move { store.create(&group).await }).await,
        };
        filled.map_err(|error| ApiCallError::Malformed {
            what: "the list of Services".to_owned(),
            why: error.to_string(),
        })?
    }

    async fn observe(
        &self,
        group: &str,
        service: &ServiceName,
    ) -> Result<Observation, ApiCallError> {
        #[derive(Deserialize)]
        struct Versioned {
            metadata: Version,
        }
        #[derive(Deserialize)]
        struct Version {
            uid: String,
            #[serde(rename = "resourceVersion")]
            resource_version: String,
        }
        let ServiceName { namespace, name } = service;
        // Known before the read: one that is created while it is under way is not over.
        let past_uids = self.cache.past_uids(namespace, name);
        let path = ApiPath::new("/api/v1", namespace, "services")?.object(name)?;
        let answer = send(&self.client, Method::GET, &path, Vec::new()).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Ok(Observation { service: None, past_uids }),
            StatusCode::OK => {
                let what = "the Service";
                let Versioned { metadata } = parsed(what, &answer.body)?;
                let body = String::from_utf8_lossy(&answer.body);
                let StrippedService { service, .. } =
                    StrippedService::read(&body).map_err(|error| malformed(what, &error))?;
                let state = ServiceState {
                    uid: metadata.uid,
                    resource_version: metadata.resource_version,
                    bindings: bindings_in(&service, group),
                };
                Ok(Observation { service: Some(state), past_uids })
            }
            _ => Err(answer.refused()),
        }
    }

    async fn write(&self, group: &str, stored: &StoredClaims) -> Result<bool, ApiCallError> {
        let lease = self.lease(group, &stored.claims, Some(&stored.version))?;
        let path = self.path()?.object(&lease_name(group))?;
        let answer = send(&self.client, Method::PUT, &path, lease).await?;
        match answer.status {
            StatusCode::OK => Ok(true),
            // It was deleted since it was read, and this has made a new one: it is read once more
            // (Kubernetes: registry/coordination/lease/strategy.go, AllowCreateOnUpdate).
            StatusCode::CREATED | StatusCode::CONFLICT | StatusCode::NOT_FOUND => Ok(false),
            _ => Err(answer.refused()),
        }
    }
}

/// The name of a group's Lease: a group's id can have any characters.
pub fn lease_name(group: &str) -> String {
    format!("vg-{}", hex_digest(group, 20))
}
