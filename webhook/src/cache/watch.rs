//! Listing and watching, as Kubernetes' own clients do it: list, watch from there, begin anew where
//! the API server has forgotten that version.
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

use super::feed::{Feed, Sink};

/// How many objects a page of a listing holds.
const PAGE: usize = 500;
/// How long a page may take.
const PAGE_TIME: Duration = Duration::from_secs(60);
/// How long the API server keeps a watch open, in seconds.
const WATCH_SECONDS: u64 = 290;
/// A watch that says nothing for so long is dead: bookmarks come about once a minute.
const SILENCE: Duration = Duration::from_secs(150);
/// The longest event that is read.
const LONGEST: usize = 64 << 20;
/// How long to wait after a first failure; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait at most.
const LAST_PAUSE: Duration = Duration::from_secs(15);
/// How long to wait for what the API server does not give.
const REFUSED_PAUSE: Duration = Duration::from_secs(300);

/// Why a listing or a watch ended.
#[derive(Debug, Error)]
enum Failure {
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

/// From which version a listing may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Freshness {
    /// Whatever the API server has at hand, which spares etcd.
    Any,
    /// The newest: what was at hand has proved too old.
    Newest,
}

enum Next {
    List(Freshness),
    Watch(String),
}

/// Follows a path for ever.
pub(super) async fn follow(client: &Client, feed: &Feed, sink: &dyn Sink) {
    let mut next = Next::List(Freshness::Any);
    let mut pause = FIRST_PAUSE;
    loop {
        let failure = match &mut next {
            Next::List(freshness) => match list(client, feed, sink, *freshness).await {
                Ok(version) => {
                    feed.sync();
                    pause = FIRST_PAUSE;
                    next = Next::Watch(version);
                    continue;
                }
                Err(failure) => failure,
            },
            Next::Watch(version) => {
                let mut events = 0;
                let end = watch(client, feed, sink, version, &mut events).await;
                if events > 0 {
                    pause = FIRST_PAUSE;
                }
                match end {
                    Ok(()) if events > 0 => continue,
                    // A watch that ends at once, again and again, must not become a storm.
                    Ok(()) => Failure::Broken("the watch ended without an event".to_owned()),
                    Err(failure) => failure,
                }
            }
        };
        pause = settle(feed, &failure, &mut next, pause).await;
    }
}

/// Waits after a failure and says how long to wait after the next one.
async fn settle(feed: &Feed, failure: &Failure, next: &mut Next, pause: Duration) -> Duration {
    let path = feed.path();
    match failure {
        Failure::Expired => {
            tracing::info!(path, "listing anew: {failure}");
            *next = Next::List(Freshness::Newest);
        }
        Failure::Status(StatusCode::FORBIDDEN | StatusCode::NOT_FOUND, _)
            if matches!(next, Next::List(_)) =>
        {
            if !feed.is_refused() {
                tracing::warn!(path, "{failure}");
            }
            feed.refuse();
            let pause = if feed.is_synced() { REFUSED_PAUSE } else { pause };
            sleep(pause).await;
            return (pause * 2).min(LAST_PAUSE);
        }
        Failure::Malformed(_) => {
            tracing::warn!(path, "{failure}");
            *next = Next::List(Freshness::Newest);
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

/// Name and version of an object.
#[derive(Deserialize)]
struct Head<'a> {
    #[serde(borrow)]
    metadata: HeadMeta<'a>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct HeadMeta<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    #[serde(borrow)]
    namespace: Cow<'a, str>,
    #[serde(borrow)]
    resource_version: Cow<'a, str>,
}

/// Takes over a whole listing and gives its version.
async fn list(
    client: &Client,
    feed: &Feed,
    sink: &dyn Sink,
    freshness: Freshness,
) -> Result<String, Failure> {
    let mark = if feed.path().contains('?') { '&' } else { '?' };
    let mut there: HashSet<(String, String)> = HashSet::new();
    let first = match freshness {
        Freshness::Any => "&resourceVersion=0",
        Freshness::Newest => "",
    };
    let mut path = format!("{}{mark}limit={PAGE}{first}", feed.path());
    loop {
        let page = timeout(PAGE_TIME, text(client, &path)).await;
        let page = page.map_err(|_| Failure::Silent(PAGE_TIME))??;
        feed.hear();
        let page: List<'_> = serde_json::from_str(&page)?;
        for item in page.items.unwrap_or_default() {
            let put = sink.put(item.get());
            match serde_json::from_str::<Head<'_>>(item.get()) {
                Ok(Head { metadata: HeadMeta { name, namespace, .. } }) => {
                    if let Err(error) = put {
                        feed.skip(&format!("{namespace}/{name}"), &error);
                    }
                    there.insert((namespace.into_owned(), name.into_owned()));
                }
                Err(error) => feed.skip("of the listing", &error),
            }
            // Reviews are judged in between.
            tokio::task::consume_budget().await;
        }
        if page.metadata.next.is_empty() {
            sink.retain(&|namespace, name| {
                there.contains(&(namespace.to_owned(), name.to_owned()))
            });
            return Ok(page.metadata.resource_version.into_owned());
        }
        let token: String = escaped(&page.metadata.next);
        path = format!("{}{mark}limit={PAGE}&continue={token}", feed.path());
    }
}

/// A text for a query: tokens are base64, whose `+` and `=` mean something there.
fn escaped(token: &str) -> String {
    token.replace('%', "%25").replace('+', "%2B").replace('=', "%3D").replace('/', "%2F")
}

async fn text(client: &Client, path: &str) -> Result<String, Failure> {
    let response = send(client, path).await?;
    let status = response.status();
    let body = response.into_body().collect().await;
    let bytes = body.map_err(|error| Failure::Broken(error.to_string()))?.to_bytes();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if status.is_success() { Ok(text) } else { Err(refusal(status, &text)) }
}

async fn send(client: &Client, path: &str) -> Result<hyper::Response<Body>, Failure> {
    let request = Request::get(path).header(header::ACCEPT, "application/json");
    let request = request.body(Body::empty()).map_err(|e| Failure::Broken(e.to_string()))?;
    Ok(client.send(request).await?)
}

fn refusal(status: StatusCode, text: &str) -> Failure {
    #[derive(Deserialize)]
    struct Status {
        message: String,
    }
    if status == StatusCode::GONE {
        return Failure::Expired;
    }
    let message = serde_json::from_str::<Status>(text).map(|status| status.message);
    let message = message.unwrap_or_else(|_| text.chars().take(200).collect());
    Failure::Status(status, message)
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, rename = "type")]
    kind: Cow<'a, str>,
    #[serde(borrow)]
    object: &'a RawValue,
}

/// Watches from a version on, which goes along, until the API server ends it.
async fn watch(
    client: &Client,
    feed: &Feed,
    sink: &dyn Sink,
    version: &mut String,
    events: &mut usize,
) -> Result<(), Failure> {
    let mark = if feed.path().contains('?') { '&' } else { '?' };
    let path = format!(
        "{}{mark}watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}&resourceVersion={version}",
        feed.path()
    );
    let silent = |_| Failure::Silent(SILENCE);
    let response = timeout(SILENCE, send(client, &path)).await.map_err(silent)??;
    if !response.status().is_success() {
        let status = response.status();
        let body = timeout(PAGE_TIME, response.into_body().collect()).await.map_err(silent)?;
        let bytes = body.map_err(|error| Failure::Broken(error.to_string()))?.to_bytes();
        return Err(refusal(status, &String::from_utf8_lossy(&bytes)));
    }
    feed.hear();
    let mut chunks = response.into_body().into_data_stream();
    let mut buffer: Vec<u8> = Vec::new();
    while let Some(chunk) = timeout(SILENCE, chunks.next()).await.map_err(silent)? {
        let chunk = chunk.map_err(|error| Failure::Broken(error.to_string()))?;
        feed.hear();
        let mut searched = buffer.len();
        buffer.extend_from_slice(&chunk);
        let mut used = 0;
        while let Some(end) =
            buffer.get(searched..).and_then(|rest| rest.iter().position(|byte| *byte == b'\n'))
        {
            let line = buffer.get(used..searched + end).unwrap_or_default();
            if !line.is_empty() {
                take(feed, sink, line, version)?;
                *events += 1;
            }
            used = searched + end + 1;
            searched = used;
        }
        buffer.drain(..used);
        if buffer.len() > LONGEST {
            return Err(Failure::Broken(format!("an event is longer than {LONGEST} bytes")));
        }
    }
    if !buffer.trim_ascii().is_empty() {
        take(feed, sink, &buffer, version)?;
        *events += 1;
    }
    Ok(())
}

/// Takes one event.
fn take(feed: &Feed, sink: &dyn Sink, line: &[u8], version: &mut String) -> Result<(), Failure> {
    let event: Event<'_> = serde_json::from_slice(line)?;
    let object = event.object.get();
    if event.kind == "ERROR" {
        #[derive(Deserialize, Default)]
        #[serde(default)]
        struct Status {
            code: u16,
        }
        let code = serde_json::from_str::<Status>(object).unwrap_or_default().code;
        return Err(refusal(StatusCode::from_u16(code).unwrap_or(StatusCode::GONE), object));
    }
    let head = match serde_json::from_str::<Head<'_>>(object) {
        Ok(head) => head.metadata,
        Err(error) => {
            feed.skip("of a watch", &error);
            return Ok(());
        }
    };
    match &*event.kind {
        "ADDED" | "MODIFIED" => {
            if let Err(error) = sink.put(object) {
                feed.skip(&format!("{}/{}", head.namespace, head.name), &error);
            }
        }
        "DELETED" => sink.remove(&head.namespace, &head.name),
        _ => {}
    }
    if !head.resource_version.is_empty() {
        version.clear();
        version.push_str(&head.resource_version);
    }
    Ok(())
}
