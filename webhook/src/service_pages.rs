//! Lists of the Services that CCM may take, page by page from the API server and not from a cache.

use kube::Client;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    api_call::{ApiCallError, Seconds, get, parsed},
    api_path::ApiPath,
};

/// A page of a list of Services.
#[derive(Debug, Default)]
pub struct ServicePage {
    /// The Services as JSON.
    pub services: Vec<Box<RawValue>>,
    /// What to ask for the next page with; empty on the last one.
    pub next: String,
    /// The API server's time.
    pub now: Seconds,
}

/// A page of at most `size` Services of type `LoadBalancer`, for CCM takes no others; the first one for an
/// empty `next`.
///
/// # Errors
/// When they cannot be listed.
pub(crate) async fn service_page(
    client: &Client,
    next: &str,
    size: usize,
) -> Result<ServicePage, ApiCallError> {
    #[derive(Deserialize)]
    struct List {
        #[serde(default)]
        metadata: ListMeta,
        items: Option<Vec<Box<RawValue>>>,
    }
    #[derive(Deserialize, Default)]
    struct ListMeta {
        #[serde(default, rename = "continue")]
        next: String,
    }
    let mut path = ApiPath::all_namespaces("/api/v1", "services")
        .with("fieldSelector", "spec.type=LoadBalancer")
        .with("limit", &size.to_string());
    if !next.is_empty() {
        path = path.with("continue", next);
    }
    let (now, body) = get(client, &path).await?;
    let List { metadata, items } = parsed("the list of Services", &body)?;
    Ok(ServicePage { services: items.unwrap_or_default(), next: metadata.next, now })
}
