//! Reads from a real API server, page by page.

use std::time::Duration;

use clbmigrate_core::object::{EndpointSlice, PodTemplate, Service, WorkloadKind};
use futures::future::BoxFuture;
use kube::Client;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::{ApiReadError, ApiReader, WorkloadRef, past::Revision};
use crate::api_path::ApiPath;

/// How long a list may take, with all its pages; API servers wait five seconds for the whole review, in
/// which a list of Services may have to wait for another one.
const DEADLINE: Duration = Duration::from_secs(2);
/// How many objects a page has, as for kubectl.
const PAGE: &str = "500";

/// Reads from a real API server.
#[derive(Clone)]
pub struct LiveApiReader(Client);

impl LiveApiReader {
    /// A reader that asks through this client.
    pub fn new(client: Client) -> Self {
        Self(client)
    }

    /// The items of the list at a path, if all its pages come in time.
    async fn items<T: DeserializeOwned>(&self, path: ApiPath) -> Result<Vec<T>, ApiReadError> {
        let path = path.with("limit", PAGE);
        let pages = async {
            let mut items = Vec::new();
            let mut next = path.clone();
            loop {
                let page = self.page(&next).await?;
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
        };
        timeout(DEADLINE, pages).await.map_err(|_| ApiReadError::Timeout(DEADLINE))?
    }

    async fn page(&self, path: &ApiPath) -> Result<Page, ApiReadError> {
        let request = hyper::Request::get(path.to_string())
            .header(hyper::header::ACCEPT, "application/json")
            .body(Vec::new())
            .map_err(kube::Error::HttpError)?;
        let text = self.0.request_text(request).await?;
        Ok(serde_json::from_str(&text)?)
    }
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
