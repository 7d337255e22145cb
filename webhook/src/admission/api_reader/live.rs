//! Reads from a real API server, page by page.

use std::time::Duration;

use clbmigrate_core::object::{EndpointSlice, PodTemplate, Service, WorkloadKind};
use futures::future::BoxFuture;
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{ApiReadError, ApiReader, WorkloadRef, past::Revision};
use crate::{api_path::ApiPath, background::BackgroundClient};

/// How long a list may take, with all its pages; API servers wait five seconds for the whole review, in
/// which a list of Services may have to wait for another one.
const DEADLINE: Duration = Duration::from_secs(2);
/// How many objects a page has, as for kubectl.
const PAGE: &str = "500";

/// Reads from a real API server.
#[derive(Clone)]
pub struct LiveApiReader {
    client: Client,
    background: Option<BackgroundClient>,
}

impl LiveApiReader {
    /// A reader that asks through this client.
    pub fn new(client: Client) -> Self {
        Self { client, background: None }
    }

    /// A reader that asks and reads the answers on the background thread: a list may be long, and other
    /// reviews go on meanwhile.
    pub fn in_background(background: BackgroundClient) -> Self {
        Self { client: background.client.clone(), background: Some(background) }
    }

    /// The items of the list at a path, if all its pages come in time.
    async fn items<T>(&self, path: ApiPath) -> Result<Vec<T>, ApiReadError>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let client = self.client.clone();
        let listed = async move {
            let all = list(&client, path.with("limit", PAGE));
            timeout(DEADLINE, all).await.map_err(|_| ApiReadError::Timeout(DEADLINE))?
        };
        match &self.background {
            Some(background) => background.run(listed).await?,
            None => listed.await,
        }
    }
}

/// All items of the list at a path.
async fn list<T: DeserializeOwned>(client: &Client, path: ApiPath) -> Result<Vec<T>, ApiReadError> {
    let mut items = Vec::new();
    let mut next = path.clone();
    loop {
        let page = page(client, &next).await?;
        items.extend(page.items.unwrap_or_default().iter().filter_map(|item| {
            // One that cannot be read is left out.
            serde_json::from_str(item.get()).ok()
        }));
        let token = page.metadata.unwrap_or_default().next.unwrap_or_default();
        if token.is_empty() {
            return Ok(items);
        }
        next = path.clone().with("continue", &token);
    }
}

async fn page(client: &Client, path: &ApiPath) -> Result<Page, ApiReadError> {
    let request = hyper::Request::get(path.to_string())
        .header(hyper::header::ACCEPT, "application/json")
        .body(Vec::new())
        .map_err(kube::Error::HttpError)?;
    let text = client.request_text(request).await?;
    Ok(serde_json::from_str(&text)?)
}

/// A page of a list.
#[derive(Deserialize)]
struct Page {
    metadata: Option<PageMeta>,
    items: Option<Vec<Box<RawValue>>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    /// Names the next page; empty or absent on the last one.
    #[serde(rename = "continue")]
    next: Option<String>,
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
            self.items(path).await
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
            let mut path = ApiPath::new("/apis/apps/v1", workload.namespace, kind)?;
            if !workload.selector.is_empty() {
                path = path.with("labelSelector", workload.selector);
            }
            let revisions = self.items::<Revision>(path).await?.into_iter();
            Ok(revisions.filter_map(|revision| revision.template_of(&workload)).collect())
        })
    }

    fn services<'r>(
        &'r self,
        namespace: &'r str,
    ) -> BoxFuture<'r, Result<Vec<Service>, ApiReadError>> {
        Box::pin(async move {
            let path = ApiPath::new("/api/v1", namespace, "services")?;
            self.items(path).await
        })
    }
}
