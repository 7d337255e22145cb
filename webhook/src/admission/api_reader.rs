//! What is read from the API server while a review waits: only what a denial hangs on, and never for
//! long.

use std::time::Duration;

use clbmigrate_core::object::{EndpointSlice, PodTemplate, Service, WorkloadKind};
use futures::future::BoxFuture;
use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::timeout;

use crate::api_path::{ApiPath, InvalidName};

/// How long an answer may take; API servers wait five seconds for the whole review.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the Services behind a new workload may take.
const SERVICES_DEADLINE: Duration = Duration::from_secs(1);

/// Why something could not be read from the API server. Rules that need it are silent.
#[derive(Debug, Error)]
pub enum ApiReadError {
    /// The API server did not answer within this time.
    #[error("the API server gave no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The API server refuses the request, or cannot be reached.
    #[error(transparent)]
    Client(#[from] kube::Error),
    /// The answer is no list in JSON.
    #[error("the API server's answer cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// There can be no such object, so nothing was asked.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// There is no API server to ask.
    #[error("there is no API server to ask")]
    Unavailable,
}

/// Names a workload.
#[derive(Debug, Clone, Copy)]
pub struct WorkloadRef<'w> {
    /// The workload's kind.
    pub kind: WorkloadKind,
    /// The workload's namespace.
    pub namespace: &'w str,
    /// The workload's name.
    pub name: &'w str,
}

/// Reads from the API server what the cache does not hold.
pub trait ApiReader: Send + Sync + 'static {
    /// The EndpointSlices of a Service.
    fn endpoint_slices<'r>(
        &'r self,
        namespace: &'r str,
        service: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>>;

    /// The pod templates that a workload had before, as its `ReplicaSets` or `ControllerRevisions`
    /// keep them.
    fn past_templates<'r>(
        &'r self,
        workload: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>>;

    /// All Services of a namespace.
    fn services<'r>(
        &'r self,
        namespace: &'r str,
    ) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>>;
}

/// Reads nothing: every question ends with [`ApiReadError::Unavailable`].
#[derive(Debug, Clone, Copy, Default)]
pub struct NoApiReader;

impl ApiReader for NoApiReader {
    fn endpoint_slices<'r>(
        &'r self,
        _: &'r str,
        _: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }

    fn past_templates<'r>(
        &'r self,
        _: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }

    fn services<'r>(&'r self, _: &'r str) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>> {
        Box::pin(async { Err(ApiReadError::Unavailable) })
    }
}

/// Reads from a real API server.
#[derive(Clone)]
pub struct LiveApiReader(Client);

impl LiveApiReader {
    /// A reader that asks through this client.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The items of the list at a path.
    async fn items(
        &self,
        path: &ApiPath,
        deadline: Duration,
    ) -> Result<Vec<Box<RawValue>>, ApiReadError> {
        #[derive(Deserialize)]
        struct List {
            items: Option<Vec<Box<RawValue>>>,
        }
        let request = hyper::Request::get(path.to_string())
            .header(hyper::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let text = timeout(deadline, self.0.request_text(request));
        let text = text.await.map_err(|_| ApiReadError::Timeout(deadline))??;
        Ok(serde_json::from_str::<List>(&text)?.items.unwrap_or_default())
    }
}

/// The items that can be read as a `T`; the others are left out.
fn readable<T: for<'a> Deserialize<'a>>(items: &[Box<RawValue>]) -> Vec<T> {
    items.iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect()
}

impl ApiReader for LiveApiReader {
    fn endpoint_slices<'r>(
        &'r self,
        namespace: &'r str,
        service: &'r str,
    ) -> BoxFuture<'r, Result<Vec<EndpointSlice>, ApiReadError>> {
        Box::pin(async move {
            let path = ApiPath::new("/apis/discovery.k8s.io/v1", namespace, "endpointslices")?
                .with("labelSelector", &format!("kubernetes.io/service-name={service}"));
            Ok(readable(&self.items(&path, DEADLINE).await?))
        })
    }

    fn past_templates<'r>(
        &'r self,
        workload: WorkloadRef<'r>,
    ) -> BoxFuture<'r, Result<Vec<PodTemplate>, ApiReadError>> {
        Box::pin(async move {
            let kind = match workload.kind {
                WorkloadKind::Deployment | WorkloadKind::Rollout => "replicasets",
                _ => "controllerrevisions",
            };
            let path = ApiPath::new("/apis/apps/v1", workload.namespace, kind)?;
            let items = self.items(&path, DEADLINE).await?;
            let revisions = readable::<Revision>(&items).into_iter();
            let own = revisions.filter(|revision| revision.metadata.is_owned_by(&workload));
            Ok(own.filter_map(Revision::template).collect())
        })
    }

    fn services<'r>(
        &'r self,
        namespace: &'r str,
    ) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>> {
        Box::pin(async move {
            let path = ApiPath::new("/api/v1", namespace, "services")?;
            Ok(readable(&self.items(&path, SERVICES_DEADLINE).await?))
        })
    }
}

/// A `ReplicaSet` or a `ControllerRevision`: the first keeps its template in `spec`, the second in
/// `data.spec`.
#[derive(Deserialize)]
struct Revision {
    metadata: RevisionMeta,
    spec: Option<RevisionSpec>,
    data: Option<RevisionData>,
}

#[derive(Deserialize)]
struct RevisionData {
    spec: Option<RevisionSpec>,
}

#[derive(Deserialize)]
struct RevisionSpec {
    template: Option<PodTemplate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct RevisionMeta {
    #[serde(default)]
    owner_references: Vec<OwnerReference>,
}

#[derive(Deserialize)]
struct OwnerReference {
    kind: String,
    name: String,
}

impl RevisionMeta {
    fn is_owned_by(&self, workload: &WorkloadRef<'_>) -> bool {
        let mut owners = self.owner_references.iter();
        owners.any(|owner| owner.kind == workload.kind.as_str() && owner.name == workload.name)
    }
}

impl Revision {
    fn template(self) -> Option<PodTemplate> {
        let spec = self.spec.or_else(|| self.data.and_then(|data| data.spec));
        spec?.template
    }
}
