//! Routes requests by path, and answers them within their limits.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http_body_util::Full;
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{ALLOW, CONTENT_TYPE, EXPECT, HeaderName, HeaderValue, RETRY_AFTER},
};
use tokio::time::timeout_at;

use super::{
    Limits, Readiness, Reply, ReviewHandler,
    body::{self, BodyError},
    body_memory::BodyMemory,
    client::Client,
    connection_state::ConnectionState,
    load_shedding::{self, ConcurrencyLimits},
};
use crate::{
    Webhook,
    log::RateLimit,
    metrics::{self, Metrics, ShedReason},
    tls::{ClientAuthority, ClientRefusal},
};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const METRICS: HeaderValue = HeaderValue::from_static(metrics::CONTENT_TYPE);
const POST: HeaderValue = HeaderValue::from_static("POST");
const GET: HeaderValue = HeaderValue::from_static("GET, HEAD");
/// Seconds after which a client that was shed may try again.
const RETRY_DELAY: HeaderValue = HeaderValue::from_static("1");

/// How many refused clients are logged a second.
const LOGGED_REFUSALS: u32 = 1;

type HttpResponse = Response<Full<Bytes>>;

/// Answers all requests of a server.
#[derive(Debug)]
pub(super) struct Router<H> {
    handler: H,
    metrics: Arc<Metrics>,
    readiness: Arc<Readiness>,
    clients: Option<Arc<ClientAuthority>>,
    refusal_log: RateLimit,
    concurrency: ConcurrencyLimits,
    body_memory: BodyMemory,
    max_body: usize,
    body_time: Duration,
}

/// What a listener serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Endpoints {
    /// Reviews, and `/healthz` for the program's call to itself: its answer proves that this very
    /// listener speaks TLS and HTTP.
    Reviews,
    /// Probes and metrics.
    Probes,
}

impl<H: ReviewHandler> Router<H> {
    pub fn new(
        handler: H,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        clients: Option<Arc<ClientAuthority>>,
        limits: &Limits,
    ) -> Self {
        Self {
            handler,
            metrics,
            readiness,
            clients,
            refusal_log: RateLimit::new(LOGGED_REFUSALS),
            concurrency: ConcurrencyLimits::new(limits),
            body_memory: BodyMemory::new(limits.body_memory),
            max_body: limits.body,
            body_time: limits.body_time,
        }
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub async fn respond(
        &self,
        endpoints: Endpoints,
        client: &Client,
        connection: &ConnectionState,
        request: Request<Incoming>,
    ) -> HttpResponse {
        let webhook = match (endpoints, request.uri().path()) {
            (_, "/healthz") => return answer_probe(&request, || text(StatusCode::OK, "ok\n")),
            (Endpoints::Probes, "/readyz") => return answer_probe(&request, || self.readyz()),
            (Endpoints::Probes, "/metrics") => {
                return answer_probe(&request, || self.metrics_text());
            }
            (Endpoints::Probes, _) => None,
            (Endpoints::Reviews, path) => {
                Webhook::ALL.into_iter().find(|webhook| webhook.path() == path)
            }
        };
        match webhook {
            Some(_) if request.method() != Method::POST => not_allowed(POST),
            Some(webhook) => self.review(webhook, client, connection, request).await,
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

    async fn review(
        &self,
        webhook: Webhook,
        client: &Client,
        connection: &ConnectionState,
        request: Request<Incoming>,
    ) -> HttpResponse {
        let start = Instant::now();
        if let Some(authority) = &self.clients
            && let Err(refusal) = client.check(authority, start)
        {
            connection.set_closing();
            return self.refuse(webhook, client, &refusal, request);
        }
        if !is_json(&request) {
            return text(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json\n");
        }
        let patience = load_shedding::review_timeout(request.uri().query());
        let _in_flight = InFlight::begin(&self.metrics, webhook, start);
        // A client that asks before it sends a large body is answered at once.
        let is_refused =
            request.headers().contains_key(EXPECT) && is_larger(&request, self.max_body);
        if is_refused {
            return self.too_large();
        }
        let body = body::read(request.into_body(), self.max_body, &self.body_memory, start);
        let body = match timeout_at((start + patience.min(self.body_time)).into(), body).await {
            Ok(Ok(body)) => body,
            Ok(Err(BodyError::TooLarge)) => return self.too_large(),
            Ok(Err(BodyError::Broken)) => {
                return text(StatusCode::BAD_REQUEST, "the body did not arrive whole\n");
            }
            Ok(Err(BodyError::NoMemory)) => return self.shed(webhook, ShedReason::Busy, None),
            Err(_) => return text(StatusCode::REQUEST_TIMEOUT, "the body came too slowly\n"),
        };
        connection.set_busy();
        let pod = (webhook == Webhook::MutatePods).then(|| body.bytes.clone());
        if !self.readiness.can_judge() {
            return self.shed(webhook, ShedReason::Unsynced, pod);
        }
        let Some(_permit) = self.concurrency.try_acquire(webhook) else {
            return self.shed(webhook, ShedReason::Busy, pod);
        };
        connection.set_asked();
        let answer =
            AssertUnwindSafe(self.handler.handle(webhook, body.bytes.clone())).catch_unwind();
        match timeout_at((start + patience).into(), answer).await {
            Ok(Ok(reply)) => response(reply),
            Ok(Err(_)) => {
                self.metrics.count_panic();
                text(StatusCode::INTERNAL_SERVER_ERROR, "the review broke the webhook; a bug\n")
            }
            Err(_) => self.shed(webhook, ShedReason::Late, pod),
        }
    }

    /// Refuses a client from which no reviews are taken. Its body is not read.
    fn refuse(
        &self,
        webhook: Webhook,
        client: &Client,
        refusal: &ClientRefusal,
        request: Request<Incoming>,
    ) -> HttpResponse {
        self.metrics.count_refused_client(webhook);
        if let Ok(suppressed) = self.refusal_log.check() {
            let (hook, address) = (webhook.name(), client.address);
            tracing::warn!(hook, %address, %refusal, suppressed, "a review was refused for its client");
        }
        // What is left unread when a connection is closed may take the answer with it.
        body::discard_arrived(request.into_body());
        text(StatusCode::FORBIDDEN, format!("{refusal}\n"))
    }

    /// Turns a review away unjudged. API servers repeat a request for 429 and 5xx only where the answer
    /// has `Retry-After`, until the hook's time-out (Kubernetes: client-go, `rest/with_retry.go`, with
    /// the context of apiserver's `admission/plugin/webhook/validating/dispatcher.go`). Reviews of
    /// Services are repeated, because API servers may not skip them; the others are better skipped than
    /// waited for.
    fn shed(&self, webhook: Webhook, why: ShedReason, pod: Option<Bytes>) -> HttpResponse {
        self.metrics.count_shed(webhook, why);
        if let Some(reply) = pod.and_then(|body| load_shedding::allow_unjudged(&body)) {
            return response(reply);
        }
        let busy = response(load_shedding::try_again(why));
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
