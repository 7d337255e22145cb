//! From a request to an answer.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Instant};

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER},
};
use tokio::{sync::Semaphore, time::timeout_at};

use super::{
    Answer, Limits, Readiness, Reply,
    body::{self, Unread},
    load::{self, Places},
};
use crate::{
    Hook,
    metrics::{self, Metrics, Shed},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const POST: HeaderValue = HeaderValue::from_static("POST");
const GET: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Seconds.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// Large bodies in memory at once.
const LARGE: usize = 16;

type Whole = Response<Full<Bytes>>;

/// Everything that answers.
#[derive(Debug)]
pub(super) struct Routes<A> {
    answer: A,
    metrics: Arc<Metrics>,
    ready: Arc<Readiness>,
    places: Places,
    large: Semaphore,
    body: usize,
}

/// What a listener is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// Reviews and probes.
    All,
    /// Probes and metrics alone.
    Probes,
}

impl<A: Answer> Routes<A> {
    pub fn new(answer: A, metrics: Arc<Metrics>, ready: Arc<Readiness>, limits: &Limits) -> Self {
        let (places, large) = (Places::new(limits), Semaphore::new(LARGE));
        Self { answer, metrics, ready, places, large, body: limits.body }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub async fn respond(&self, part: Part, request: Request<Incoming>) -> Whole {
        let hook = match (part, request.uri().path()) {
            (_, "/healthz") => return probe(&request, || text(StatusCode::OK, "ok\n")),
            (_, "/readyz") => return probe(&request, || self.readyz()),
            (_, "/metrics") => return probe(&request, || self.text()),
            (Part::All, path) => Hook::ALL.into_iter().find(|hook| hook.path() == path),
            (Part::Probes, _) => None,
        };
        match hook {
            Some(_) if request.method() != Method::POST => not_allowed(POST),
            Some(hook) => self.review(hook, request).await,
            None => text(StatusCode::NOT_FOUND, "no such path\n"),
        }
    }

    fn readyz(&self) -> Whole {
        let missing = self.ready.missing();
        if missing.is_empty() {
            return text(StatusCode::OK, "ok\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}\n", missing.join("\n")))
    }

    fn text(&self) -> Whole {
        match self.metrics.text() {
            Ok(metrics) => with(text(StatusCode::OK, metrics), CONTENT_TYPE, METRICS),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }

    async fn review(&self, hook: Hook, request: Request<Incoming>) -> Whole {
        if !is_json(&request) {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n");
        }
        let start = Instant::now();
        let deadline = (start + load::patience(request.uri().query())).into();
        let _running = Running::begin(&self.metrics, hook, start);
        let place = self.places.take(hook);
        // Who asks first whether to send a large body is told, not made to.
        let is_asked = request.headers().contains_key(EXPECT) && is_larger(&request, self.body);
        if is_asked {
            return self.too_large();
        }
        let body = match place {
            None if hook != Hook::MutatePods => {
                // The connection stays in use, which costs less than a new handshake.
                let drained = body::drain(request.into_body(), body::SMALL);
                let _ = timeout_at(deadline, drained).await;
                return self.shed(hook, Shed::Busy, None);
            }
            _ => timeout_at(deadline, body::read(request.into_body(), self.body, &self.large)),
        };
        let whole = match body.await {
            Ok(Ok(whole)) => whole,
            Ok(Err(Unread::TooLarge)) => return self.too_large(),
            Ok(Err(Unread::Broken)) => {
                return text(StatusCode::BAD_REQUEST, "the body did not arrive whole\n");
            }
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
        };
        let kept = (hook == Hook::MutatePods).then(|| whole.bytes.clone());
        if place.is_none() {
            return self.shed(hook, Shed::Busy, kept);
        }
        let answer = AssertUnwindSafe(self.answer.answer(hook, whole.bytes.clone())).catch_unwind();
        match timeout_at(deadline, answer).await {
            Ok(Ok(reply)) => response(reply),
            Ok(Err(_)) => {
                self.metrics.panicked();
                text(StatusCode::INTERNAL_SERVER_ERROR, "the review broke the webhook; a bug\n")
            }
            Err(_) => self.shed(hook, Shed::Late, kept),
        }
    }

    fn shed(&self, hook: Hook, why: Shed, pod: Option<Bytes>) -> Whole {
        self.metrics.turned_away(hook, why);
        if let Some(reply) = pod.and_then(|body| load::unjudged(&body)) {
            return response(reply);
        }
        let busy = response(load::busy());
        // Without it API servers do not try again, and what they may not skip must be tried again.
        // The others are better skipped than waited for.
        if hook == Hook::ValidateServices { with(busy, RETRY_AFTER, SOON) } else { busy }
    }

    fn too_large(&self) -> Whole {
        let why = format!("a review has at most {} bytes\n", self.body);
        text(StatusCode::PAYLOAD_TOO_LARGE, why)
    }
}

/// A review that is being answered, for as long as this value lives: also when the client leaves.
struct Running<'m> {
    metrics: &'m Metrics,
    hook: Hook,
    start: Instant,
}

impl<'m> Running<'m> {
    fn begin(metrics: &'m Metrics, hook: Hook, start: Instant) -> Self {
        metrics.begun(hook);
        Self { metrics, hook, start }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.metrics.ended(self.hook, self.start.elapsed());
    }
}

fn probe(request: &Request<Incoming>, answer: impl FnOnce() -> Whole) -> Whole {
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        _ => not_allowed(GET),
    }
}

fn not_allowed(methods: HeaderValue) -> Whole {
    let refused = text(StatusCode::METHOD_NOT_ALLOWED, "not by this method\n");
    with(refused, ALLOW, methods)
}

fn is_json(request: &Request<Incoming>) -> bool {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else { return false };
    // What API servers send, and nobody else matters for speed.
    if kind == JSON {
        return true;
    }
    let kind = kind.to_str().ok().and_then(|kind| kind.split(';').next()).map(str::trim);
    kind.is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"))
}

fn is_larger(request: &Request<Incoming>, limit: usize) -> bool {
    use hyper::body::Body as _;

    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    request.body().size_hint().lower() > limit
}

fn response(reply: Reply) -> Whole {
    let kind = if reply.status == StatusCode::OK { JSON } else { TEXT };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Whole {
    let text = response(Reply { status, body: body.into() });
    with(text, CONTENT_TYPE, TEXT)
}

fn with(mut response: Whole, name: HeaderName, value: HeaderValue) -> Whole {
    response.headers_mut().insert(name, value);
    response
}
