//! A server whose handler does as the test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use clbmigrate_webhook::{
    Webhook,
    metrics::Metrics,
    serve::{Limits, Readiness, Reply, ReviewHandler, Server, ShutdownPhase},
    tls::{CaBundle, CertResolver, CertificateAuthority, ClientAuthority, Lifetimes},
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    task::JoinHandle,
    time::timeout,
};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// The name in the server's certificate.
pub const NAME: &str = "web.test.svc";

/// Waits for something that must happen.
pub async fn within<T>(what: &str, happening: impl Future<Output = T>) -> T {
    timeout(DEADLINE, happening).await.unwrap_or_else(|_| panic!("waited in vain for {what}"))
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    within(what, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

/// Answers with what it was sent; `"wait"` first waits for a permit, `"panic"` panics.
#[derive(Debug)]
pub struct TestHandler {
    pub permits: Semaphore,
    pub waiting: AtomicUsize,
    pub answered: AtomicUsize,
}

#[derive(Debug)]
struct SharedHandler(Arc<TestHandler>);

/// One less waits when the answer is there, or nobody waits for it.
struct Waiting<'g>(&'g AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl ReviewHandler for SharedHandler {
    async fn handle(&self, webhook: Webhook, body: Bytes) -> Reply {
        let handler = &self.0;
        assert!(!body.starts_with(b"\"panic"), "as the test wants");
        if body.starts_with(b"\"wait") {
            handler.waiting.fetch_add(1, Ordering::SeqCst);
            let _waiting = Waiting(&handler.waiting);
            handler.permits.acquire().await.expect("never closed").forget();
        }
        handler.answered.fetch_add(1, Ordering::SeqCst);
        if body.starts_with(b"\"refuse") {
            return Reply::error(hyper::StatusCode::BAD_REQUEST, "no review");
        }
        Reply::review(format!("{} {}", webhook.name(), body.len()))
    }
}

/// A running server.
pub struct TestServer {
    /// Where it takes reviews.
    pub address: SocketAddr,
    /// Where it answers probes, without TLS.
    pub probes: SocketAddr,
    pub handler: Arc<TestHandler>,
    pub metrics: Arc<Metrics>,
    pub resolver: Arc<CertResolver>,
    pub authority: CertificateAuthority,
    pub phases: watch::Sender<ShutdownPhase>,
    pub serving: JoinHandle<()>,
}

impl TestServer {
    pub async fn new(limits: Limits) -> Self {
        Self::with(limits, Readiness::new()).await
    }

    pub async fn with(limits: Limits, readiness: Readiness) -> Self {
        let server = Self::start(limits, readiness, None).await;
        server.renew_certificate();
        server
    }

    /// A server that takes reviews only from clients with a certificate.
    pub async fn for_clients(clients: Arc<ClientAuthority>) -> Self {
        let server = Self::start(generous_limits(), Readiness::new(), Some(clients)).await;
        server.renew_certificate();
        server
    }

    pub async fn without_certificate(limits: Limits) -> Self {
        Self::start(limits, Readiness::new(), None).await
    }

    async fn start(
        limits: Limits,
        readiness: Readiness,
        clients: Option<Arc<ClientAuthority>>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let probe_listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let probes = probe_listener.local_addr().expect("an address");
        let metrics = Arc::new(Metrics::default());
        let resolver = CertResolver::new(Arc::clone(&metrics));
        let tls = resolver.server_config(clients.as_ref()).expect("a configuration");
        let handler = Arc::new(TestHandler {
            permits: Semaphore::new(0),
            waiting: AtomicUsize::new(0),
            answered: AtomicUsize::new(0),
        });
        let (phases, phase) = watch::channel(ShutdownPhase::Serving);
        let shared = SharedHandler(Arc::clone(&handler));
        let readiness = Arc::new(readiness);
        let server = Server::new(shared, Arc::clone(&metrics), readiness, clients, limits, phase);
        let serving = tokio::spawn(async move {
            tokio::join!(server.serve(listener, tls), server.serve_probes(probe_listener));
        });
        let authority = CertificateAuthority::create(1, Lifetimes::default(), SystemTime::now())
            .expect("an authority");
        Self { address, probes, handler, metrics, resolver, authority, phases, serving }
    }

    pub fn renew_certificate(&self) {
        let certificate = self.authority.sign(&[NAME.to_owned()], SystemTime::now());
        self.resolver.set(certificate.expect("a certificate"));
    }

    pub fn bundle(&self) -> &CaBundle {
        self.authority.bundle()
    }

    pub fn waiting(&self) -> usize {
        self.handler.waiting.load(Ordering::SeqCst)
    }

    pub fn answered(&self) -> usize {
        self.handler.answered.load(Ordering::SeqCst)
    }

    /// The value of a line of the metrics, without the prefix.
    pub fn metric(&self, line: &str) -> f64 {
        let text = self.metrics.text().expect("text");
        let line = format!("clbmigrate_webhook_{line} ");
        let found = text.lines().find_map(|it| it.strip_prefix(&line));
        found.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {line} in\n{text}"))
    }
}

/// Limits with which nothing ends by itself.
pub fn generous_limits() -> Limits {
    Limits {
        handshake: DEADLINE * 2,
        head: DEADLINE * 2,
        idle: DEADLINE * 4,
        drain: DEADLINE * 2,
        ..Limits::default()
    }
}
