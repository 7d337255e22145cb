//! Routes requests by path, and answers them within their limits.

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
    Limits, Readiness, Reply, ReviewHandler,
    body::{self, BodyError},
    load_shedding::{self, ConcurrencyLimits},
};
use crate::{
    Webhook,
    metrics::{self, Metrics, ShedReason},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const POST: HeaderValue = HeaderValue::from_static("POST");
const GET: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Seconds after which a client that was shed may try again.
const RETRY_DELAY: HeaderValue = HeaderValue::from_static("1");

/// How many large bodies may be in memory at once.
const LARGE_BODIES: usize = 16;

type HttpResponse = Response<Full<Bytes>>;

/// Answers all requests of a server.
#[derive(Debug)]
pub(super) struct Router<H> {
    handler: H,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    concurrency: ConcurrencyLimits,
    large_bodies: Semaphore,
    max_body: usize,
}

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoints {
    /// Reviews, probes and metrics.
    All,
    /// Probes and metrics alone.
    ProbesOnly,
}

impl<H: ReviewHandler> Router<H> {
    pub fn new(
        handler: H,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        limits: &Limits,
    ) -> Self {
        let (concurrency, large_bodies) =
            (ConcurrencyLimits::new(limits), Semaphore::new(LARGE_BODIES));
        Self { handler, metrics, readiness, concurrency, large_bodies, max_body: limits.body }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub async fn respond(&self, endpoints: Endpoints, request: Request<Incoming>) -> HttpResponse {
        let webhook = match (endpoints, request.uri().path()) {
            (_, "/healthz") => return answer_probe(&request, || text(StatusCode::OK, "ok\n")),
            (_, "/readyz") => return answer_probe(&request, || self.readyz()),
            (_, "/metrics") => return answer_probe(&request, || self.metrics_text()),
            (Endpoints::All, path) => {
                Webhook::ALL.into_iter().find(|webhook| webhook.path() == path)
            }
            (Endpoints::ProbesOnly, _) => None,
        };
        match webhook {
            Some(_) if request.method() != Method::POST => not_allowed(POST),
            Some(webhook) => self.review(webhook, request).await,
            None => text(StatusCode::NOT_FOUND, "no such path\n"),
        }
    }

    fn readyz(&self) -> HttpResponse {
        let failing = self.readiness.failing();
        if failing.is_empty() {
            return text(StatusCode::OK, "ok\n");
        }
        text(StatusCode::SERVICE_UNAVAILABLE, format!("not ready\n{}\n", failing.join("\n")))
    }

    fn metrics_text(&self) -> HttpResponse {
        match self.metrics.text() {
            Ok(metrics) => with_header(text(StatusCode::OK, metrics), CONTENT_TYPE, METRICS),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics cannot be written\n"),
        }
    }

    async fn review(&self, webhook: Webhook, request: Request<Incoming>) -> HttpResponse {
        if !is_json(&request) {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n");
        }
        let start = Instant::now();
        let deadline = (start + load_shedding::review_timeout(request.uri().query())).into();
        let _in_flight = InFlight::begin(&self.metrics, webhook, start);
        let permit = self.concurrency.try_acquire(webhook);
        // A client that asks before it sends a large body is answered at once.
        let is_refused =
            request.headers().contains_key(EXPECT) && is_larger(&request, self.max_body);
        if is_refused {
            return self.too_large();
        }
        let body = match permit {
            None if webhook != Webhook::MutatePods => {
                // The connection stays in use, which costs less than a new handshake.
                let drained = body::drain(request.into_body(), body::SMALL);
                let _ = timeout_at(deadline, drained).await;
                return self.shed(webhook, ShedReason::Busy, None);
            }
            _ => timeout_at(
                deadline,
                body::read(request.into_body(), self.max_body, &self.large_bodies),
            ),
        };
        let body = match body.await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::TooLarge)) => return self.too_large(),
            Ok(Err(BodyError::Broken)) => {
                return text(StatusCode::BAD_REQUEST, "the body did not arrive whole\n");
            }
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
        };
        let pod = (webhook == Webhook::MutatePods).then(|| body.bytes.clone());
        if permit.is_none() {
            return self.shed(webhook, ShedReason::Busy, pod);
        }
        let answer =
            AssertUnwindSafe(self.handler.handle(webhook, body.bytes.clone())).catch_unwind();
        match timeout_at(deadline, answer).await {
            Ok(Ok(reply)) => response(reply),
            Ok(Err(_)) => {
                self.metrics.count_panic();
                text(StatusCode::INTERNAL_SERVER_ERROR, "the review broke the webhook; a bug\n")
            }
            Err(_) => self.shed(webhook, ShedReason::Late, pod),
        }
    }

    fn shed(&self, webhook: Webhook, why: ShedReason, pod: Option<Bytes>) -> HttpResponse {
        self.metrics.count_shed(webhook, why);
        if let Some(reply) = pod.and_then(|body| load_shedding::allow_unjudged(&body)) {
            return response(reply);
        }
        let busy = response(load_shedding::too_many_requests());
        // Without this header API servers do not try again. Reviews of Services must be tried again,
        // because API servers may not skip them; the others are better skipped than waited for.
        if webhook == Webhook::ValidateServices {
            with_header(busy, RETRY_AFTER, RETRY_DELAY)
        } else {
            busy
        }
    }

    fn too_large(&self) -> HttpResponse {
        let why = format!("a review has at most {} bytes\n", self.max_body);
        text(StatusCode::PAYLOAD_TOO_LARGE, why)
    }
}

/// Counts a review as being answered for as long as this value lives, also when the client leaves.
struct InFlight<'m> {
    metrics: &'m Metrics,
    webhook: Webhook,
    start: Instant,
}

impl<'m> InFlight<'m> {
    fn begin(metrics: &'m Metrics, webhook: Webhook, start: Instant) -> Self {
        metrics.review_started(webhook);
        Self { metrics, webhook, start }
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.metrics.review_finished(self.webhook, self.start.elapsed());
    }
}

fn answer_probe(
    request: &Request<Incoming>,
    answer: impl FnOnce() -> HttpResponse,
) -> HttpResponse {
    match *request.method() {
        Method::GET | Method::HEAD => answer(),
        _ => not_allowed(GET),
    }
}

fn not_allowed(methods: HeaderValue) -> HttpResponse {
    let refused = text(StatusCode::METHOD_NOT_ALLOWED, "not by this method\n");
    with_header(refused, ALLOW, methods)
}

fn is_json(request: &Request<Incoming>) -> bool {
    let Some(kind) = request.headers().get(CONTENT_TYPE) else { return false };
    // API servers send exactly this.
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

fn response(reply: Reply) -> HttpResponse {
    let kind = if reply.status == StatusCode::OK { JSON } else { TEXT };
    let mut response = Response::new(Full::new(reply.body));
    *response.status_mut() = reply.status;
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> HttpResponse {
    let text = response(Reply { status, body: body.into() });
    with_header(text, CONTENT_TYPE, TEXT)
}

fn with_header(mut response: HttpResponse, name: HeaderName, value: HeaderValue) -> HttpResponse {
    response.headers_mut().insert(name, value);
    response
}
