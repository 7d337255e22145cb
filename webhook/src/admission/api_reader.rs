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

/// How long evidence may take; API servers wait five seconds for the whole answer.
const DEADLINE: Duration = Duration::from_secs(2);
/// How long the Services behind a new workload may take.
const SERVICES_DEADLINE: Duration = Duration::from_secs(1);

/// Why something could not be read. Rules that need it are silent.
#[derive(Debug, Error)]
pub enum EvidenceError {
    /// No answer in time.
    #[error("the API server gave no answer within {} s", .0.as_secs())]
    Late(Duration),
    /// The API server refuses or cannot be reached.
    #[error(transparent)]
    Client(#[from] kube::Error),
    /// The answer is none.
    #[error("the API server's answer cannot be read: {0}")]
    Malformed(#[from] serde_json::Error),
    /// There is nobody to ask.
    #[error("there is no API server to ask")]
    Nobody,
}

/// A workload whose past is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ancestor<'w> {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its namespace.
    pub namespace: &'w str,
    /// Its name.
    pub name: &'w str,
}

/// Reads live what the cache does not hold.
pub trait Evidence: Send + Sync + 'static {
    /// The EndpointSlices of a Service.
    fn slices<'e>(
        &'e self,
        namespace: &'e str,
        service: &'e str,
    ) -> BoxFuture<'e, Result<Vec<EndpointSlice>, EvidenceError>>;

    /// The pod templates that a workload had before, as its `ReplicaSets` or `ControllerRevisions`
    /// keep them.
    fn past<'e>(
        &'e self,
        of: Ancestor<'e>,
    ) -> BoxFuture<'e, Result<Vec<PodTemplate>, EvidenceError>>;

    /// The Services of a namespace.
    fn services<'e>(
        &'e self,
        namespace: &'e str,
    ) -> BoxFuture<'e, Result<Vec<Service>, EvidenceError>>;
}

/// Reads nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoEvidence;

impl Evidence for NoEvidence {
    fn slices<'e>(
        &'e self,
        _: &'e str,
        _: &'e str,
    ) -> BoxFuture<'e, Result<Vec<EndpointSlice>, EvidenceError>> {
        Box::pin(async { Err(EvidenceError::Nobody) })
    }

    fn past<'e>(
        &'e self,
        _: Ancestor<'e>,
    ) -> BoxFuture<'e, Result<Vec<PodTemplate>, EvidenceError>> {
        Box::pin(async { Err(EvidenceError::Nobody) })
    }

    fn services<'e>(&'e self, _: &'e str) -> BoxFuture<'e, Result<Vec<Service>, EvidenceError>> {
        Box::pin(async { Err(EvidenceError::Nobody) })
    }
}

/// Reads from the API server.
#[derive(Clone)]
pub struct Live(Client);

impl Live {
    /// Over this connection.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The items of a listing.
    async fn items(
        &self,
        path: &str,
        deadline: Duration,
    ) -> Result<Vec<Box<RawValue>>, EvidenceError> {
        #[derive(Deserialize)]
        struct List {
            items: Option<Vec<Box<RawValue>>>,
        }
        let request = hyper::Request::get(path)
            .header(hyper::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let text = timeout(deadline, self.0.request_text(request));
        let text = text.await.map_err(|_| EvidenceError::Late(deadline))??;
        Ok(serde_json::from_str::<List>(&text)?.items.unwrap_or_default())
    }
}

/// Items of a type; what cannot be read is no evidence.
fn read<T: for<'a> Deserialize<'a>>(items: &[Box<RawValue>]) -> Vec<T> {
    items.iter().filter_map(|item| serde_json::from_str(item.get()).ok()).collect()
}

impl Evidence for Live {
    fn slices<'e>(
        &'e self,
        namespace: &'e str,
        service: &'e str,
    ) -> BoxFuture<'e, Result<Vec<EndpointSlice>, EvidenceError>> {
        Box::pin(async move {
            let path = format!(
                "/apis/discovery.k8s.io/v1/namespaces/{namespace}/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3D{service}"
            );
            Ok(read(&self.items(&path, DEADLINE).await?))
        })
    }

    fn past<'e>(
        &'e self,
        of: Ancestor<'e>,
    ) -> BoxFuture<'e, Result<Vec<PodTemplate>, EvidenceError>> {
        Box::pin(async move {
            let kind = match of.kind {
                WorkloadKind::Deployment => "replicasets",
                _ => "controllerrevisions",
            };
            let path = format!("/apis/apps/v1/namespaces/{}/{kind}", of.namespace);
            let items = self.items(&path, DEADLINE).await?;
            let mine = read::<Revision>(&items).into_iter().filter(|it| it.metadata.is_of(&of));
            Ok(mine.filter_map(Revision::template).collect())
        })
    }

    fn services<'e>(
        &'e self,
        namespace: &'e str,
    ) -> BoxFuture<'e, Result<Vec<Service>, EvidenceError>> {
        Box::pin(async move {
            let path = format!("/api/v1/namespaces/{namespace}/services");
            Ok(read(&self.items(&path, SERVICES_DEADLINE).await?))
        })
    }
}

/// A `ReplicaSet` or a `ControllerRevision`: both keep a template, in different places.
#[derive(Deserialize)]
struct Revision {
    metadata: Owned,
    spec: Option<Kept>,
    data: Option<Data>,
}

#[derive(Deserialize)]
struct Data {
    spec: Option<Kept>,
}

#[derive(Deserialize)]
struct Kept {
    template: Option<PodTemplate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Owned {
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    name: String,
}

impl Owned {
    fn is_of(&self, of: &Ancestor<'_>) -> bool {
        let owners = &self.owner_references;
        owners.iter().any(|owner| owner.kind == of.kind.as_str() && owner.name == of.name)
    }
}

impl Revision {
    fn template(self) -> Option<PodTemplate> {
        let spec = self.spec.or_else(|| self.data.and_then(|data| data.spec));
        spec?.template
    }
}
