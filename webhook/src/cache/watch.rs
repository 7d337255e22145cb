//! Lists and watches, as Kubernetes' own clients do: list, watch from that version on, and list anew
//! where the API server has forgotten it.
//!
//! Objects are read one by one from their own text, so that one that cannot be read costs nothing but
//! itself.

use std::{borrow::Cow, collections::HashSet, time::Duration};

use futures::StreamExt;
use http_body_util::BodyExt;
use hyper::{Request, StatusCode, header};
use kube::{Client, client::Body};
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use tokio::time::{sleep, timeout};

use super::watched_resource::{ObjectStore, WatchedResource};

/// How many objects a page of a listing holds.
const PAGE: usize = 500;
/// How long a page may take.
const PAGE_TIMEOUT: Duration = Duration::from_secs(60);
/// How long the API server keeps a watch open, in seconds.
const WATCH_SECONDS: u64 = 290;
/// A watch that sends nothing for so long is dead: bookmarks come about once a minute.
const WATCH_TIMEOUT: Duration = Duration::from_secs(150);
/// The longest event that is read, in bytes.
const MAX_EVENT: usize = 64 << 20;
/// How long to wait after a first failure; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait at most.
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// How long to wait before an unavailable resource is listed again.
const UNAVAILABLE_PAUSE: Duration = Duration::from_secs(300);

/// Why a listing or a watch ended.
#[derive(Debug, Error)]
enum WatchError {
    #[error("the version is too old to go on from")]
    Expired,
    #[error("the API server answers {0}: {1}")]
    Status(StatusCode, String),
    #[error("the API server cannot be reached: {0}")]
    Client(#[from] kube::Error),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("the API server does not answer as one: {0}")]
    Malformed(#[from] serde_json::Error),
    #[error("nothing was heard for {} s", .0.as_secs())]
    Silent(Duration),
}

/// Which version a list may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Whatever the API server has at hand, which spares etcd.
    Any,
    /// The newest: what was at hand has proved too old.
    Newest,
}

enum NextStep {
    List(Freshness),
    Watch(String),
}

/// Lists and watches a resource, for ever.
pub(super) async fn run(client: &Client, resource: &WatchedResource, store: &dyn ObjectStore) {
    let mut next = NextStep::List(Freshness::Any);
    let mut pause = FIRST_PAUSE;
    loop {
        let failure = match &mut next {
            NextStep::List(freshness) => match list(client, resource, store, *freshness).await {
                Ok(version) => {
                    resource.mark_synced();
                    pause = FIRST_PAUSE;
                    next = NextStep::Watch(version);
                    continue;
                }
                Err(failure) => failure,
            },
            NextStep::Watch(version) => {
                let mut events = 0;
                let end = watch(client, resource, store, version, &mut events).await;
                if events > 0 {
                    pause = FIRST_PAUSE;
                }
                match end {
                    Ok(()) if events > 0 => continue,
                    // A watch that ends at once, again and again, must not become a storm.
                    Ok(()) => WatchError::Broken("the watch ended without an event".to_owned()),
                    Err(failure) => failure,
                }
            }
        };
        pause = back_off(resource, &failure, &mut next, pause).await;
    }
}

/// Waits after a failure, and returns how long to wait after the next one.
async fn back_off(
    resource: &WatchedResource,
    failure: &WatchError,
    next: &mut NextStep,
    pause: Duration,
) -> Duration {
    let path = resource.path();
    match failure {
        WatchError::Expired => {
            tracing::info!(path, "listing anew: {failure}");
            *next = NextStep::List(Freshness::Newest);
        }
        WatchError::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _)
            if matches!(next, NextStep::List(_)) =>
        {
            let is_known = resource.is_unavailable();
            match failure {
                // Not every cluster has each kind.
                WatchError::Status(StatusCode::NOT_FOUND, _) if !resource.is_required() => {
                    tracing::debug!(path, "{failure}");
                }
                _ if !is_known => tracing::warn!(path, "{failure}"),
                _ => {}
            }
            resource.mark_unavailable();
            let pause = if resource.is_synced() { UNAVAILABLE_PAUSE } else { pause };
            sleep(pause).await;
            return (pause * 2).min(LAST_PAUSE);
        }
        WatchError::Malformed(_) => {
            tracing::warn!(path, "{failure}");
            *next = NextStep::List(Freshness::Newest);
        }
        _ => tracing::warn!(path, "{failure}"),
    }
    sleep(pause).await;
    (pause * 2).min(LAST_PAUSE)
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow, default)]
    metadata: ListMeta<'a>,
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta<'a> {
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
    #[serde(borrow, rename = "continue")]
    next: Cow<'a, str>,
}

/// The name and version of an object.
#[derive(Deserialize)]
struct ObjectHead<'a> {
    #[serde(borrow)]
    metadata: ObjectHeadMeta<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct ObjectHeadMeta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
}

/// Stores a whole list, and returns its resource version.
async fn list(
    client: &Client,
    resource: &WatchedResource,
    store: &dyn ObjectStore,
    freshness: Freshness,
) -> Result<String, WatchError> {
    let mark = if resource.path().contains('?') { '&' } else { '?' };
    let mut there: HashSet<(String, String)> = HashSet::new();
    let first = match freshness {
        Freshness::Any => "&resourceVersion=0",
        Freshness::Newest => "",
    };
    let mut path = format!("{}{mark}limit={PAGE}{first}", resource.path());
    loop {
        let page = timeout(PAGE_TIMEOUT, get_text(client, &path)).await;
        let page = page.map_err(|_| WatchError::Silent(PAGE_TIMEOUT))??;
        resource.mark_heard();
        let page: List<'_> = serde_json::from_str(&page)?;
        for item in page.items.unwrap_or_default() {
            let put = store.put(item.get());
            match serde_json::from_str::<ObjectHead<'_>>(item.get()) {
                Ok(ObjectHead { metadata: ObjectHeadMeta { name, namespace, .. } }) => {
                    if let Err(error) = put {
                        resource.skip_unreadable(&format!("{namespace}/{name}"), &error);
                    }
                    there.insert((namespace.into_owned(), name.into_owned()));
                }
                Err(error) => resource.skip_unreadable("of the listing", &error),
            }
            // Reviews are judged in between.
            tokio::task::consume_budget().await;
        }
        if page.metadata.next.is_empty() {
            store.retain(&|namespace, name| {
                there.contains(&(namespace.to_owned(), name.to_owned()))
            });
            return Ok(page.metadata.resource_version.into_owned());
        }
        let token: String = query_escaped(&page.metadata.next);
        path = format!("{}{mark}limit={PAGE}&continue={token}", resource.path());
    }
}

/// A token for a query: tokens are base64, whose `+` and `=` mean something there.
fn query_escaped(token: &str) -> String {
    token.replace('%', "%25").replace('+', "%2B").replace('=', "%3D").replace('/', "%2F")
}

async fn get_text(client: &Client, path: &str) -> Result<String, WatchError> {
    let response = send(client, path).await?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let bytes = body.map_err(|error| WatchError::Broken(error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_success() { Ok(text) } else { Err(status_error(status, &text)) }
}

async fn send(client: &Client, path: &str) -> Result<hyper::Response<Body>, WatchError> {
    let request = Request::get(path).header(header::ACCEPT, "application/json");
    let request = request.body(Body::empty()).map_err(|e| WatchError::Broken(e.to_string()))?;
    Ok(client.send(request).await?)
}

fn status_error(status: StatusCode, text: &str) -> WatchError {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    if status == StatusCode::GONE {
        return WatchError::Expired;
    }
    let message = serde_json::from_str::<Status>(text).map(|status| status.message);
    let message = message.unwrap_or_else(|_| text.chars().take(200).collect());
    WatchError::Status(status, message)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Watches from `version` on until the API server ends the watch, and keeps `version` and the number of
/// `events` up to date.
async fn watch(
    client: &Client,
    resource: &WatchedResource,
    store: &dyn ObjectStore,
    version: &mut String,
    events: &mut usize,
) -> Result<(), WatchError> {
    let mark = if resource.path().contains('?') { '&' } else { '?' };
    let path = format!(
        "{}{mark}watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}",
        resource.path()
    );
    let silent = |_| WatchError::Silent(WATCH_TIMEOUT);
    let response = timeout(WATCH_TIMEOUT, send(client, &path)).await.map_err(silent)??;
    if !response.status().is_success() {
        let status = response.status();
        let body = timeout(PAGE_TIMEOUT, response.into_body().collect()).await.map_err(silent)?;
        let bytes = body.map_err(|error| WatchError::Broken(error.to_string()))?.to_bytes();
        return Err(status_error(status, &String::from_utf8_lossy(&bytes)));
    }
    resource.mark_heard();
    let mut chunks = response.into_body().into_data_stream();
    let mut buffer: Vec<u8> = Vec::new();
    while let Some(chunk) = timeout(WATCH_TIMEOUT, chunks.next()).await.map_err(silent)? {
        let chunk = chunk.map_err(|error| WatchError::Broken(error.to_string()))?;
        resource.mark_heard();
        let mut searched = buffer.len();
        buffer.extend_from_slice(&chunk);
        let mut used = 0;
        while let Some(end) =
            buffer.get(searched..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            let line = buffer.get(used..searched + end).unwrap_or_default();
            if !line.is_empty() {
                apply_event(resource, store, line, version)?;
                *events += 1;
            }
            used = searched + end + 1;
            searched = used;
        }
        buffer.drain(..used);
        if buffer.len() > MAX_EVENT {
            return Err(WatchError::Broken(format!("an event is longer than {MAX_EVENT} bytes")));
        }
    }
    if !buffer.trim_ascii().is_empty() {
        apply_event(resource, store, &buffer, version)?;
        *events += 1;
    }
    Ok(())
}

/// Stores the object of one event.
fn apply_event(
    resource: &WatchedResource,
    store: &dyn ObjectStore,
    line: &[u8],
    version: &mut String,
) -> Result<(), WatchError> {
    let event: Event<'_> = serde_json::from_slice(line)?;
    let object = event.object.get();
    if event.kind == "ERROR" {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Status {
            code: u16,
        }
        let code = serde_json::from_str::<Status>(object).unwrap_or_default().code;
        return Err(status_error(StatusCode::from_u16(code).unwrap_or(StatusCode::GONE), object));
    }
    let head = match serde_json::from_str::<ObjectHead<'_>>(object) {
        Ok(head) => head.metadata,
        Err(error) => {
            resource.skip_unreadable("of a watch", &error);
            return Ok(());
        }
    };
    match &*event.kind {
        "ADDED" | "MODIFIED" => {
            if let Err(error) = store.put(object) {
                resource.skip_unreadable(&format!("{}/{}", head.namespace, head.name), &error);
            }
        }
        "DELETED" => store.remove(&head.namespace, &head.name),
        _ => {}
    }
    if !head.resource_version.is_empty() {
        version.clear();
        version.push_str(&head.resource_version);
    }
    Ok(())
}
