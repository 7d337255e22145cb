//! Accepts connections, and closes them all at shutdown.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, sleep, sleep_until, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    Limits, Readiness, ReviewHandler, ShutdownPhase,
    connection::{self, ConnectionContext},
    connections::Connections,
    router::{Endpoints, Router},
};
use crate::{log::RateLimit, metrics::Metrics, tls::ClientAuthority};

/// The first and the longest wait after an accept that failed for want of a resource such as file
/// descriptors: it comes back when a connection ends, not by asking faster.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// How often a connection that finds no place looks whether another can go.
const RECHECK: Duration = Duration::from_millis(20);

/// Serves reviews, probes and metrics on any number of listeners.
#[derive(Debug)]
pub struct Server<H> {
    router: Arc<Router<H>>,
    limits: Limits,
    phase: watch::Receiver<ShutdownPhase>,
}

impl<H: ReviewHandler> Server<H> {
    /// A server that answers reviews by `handler`, and shuts down as `phase` says. With an authority of
    /// `clients` it takes reviews only from clients with a certificate; its TLS must ask for one then.
    pub fn new(
        handler: H,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        clients: Option<Arc<ClientAuthority>>,
        limits: Limits,
        phase: watch::Receiver<ShutdownPhase>,
    ) -> Self {
        let router = Arc::new(Router::new(handler, metrics, readiness, clients, &limits));
        Self { router, limits, phase }
    }

    /// Serves reviews over TLS. Returns when, after [`ShutdownPhase::Draining`], the last connection has
    /// ended or [`Limits::drain`] is over.
    pub async fn serve(&self, listener: TcpListener, tls: Arc<ServerConfig>) {
        self.accept(listener, Endpoints::Reviews, Some(tls.into())).await;
    }

    /// Serves probes and metrics without TLS, and returns as [`Self::serve`] does.
    pub async fn serve_probes(&self, listener: TcpListener) {
        self.accept(listener, Endpoints::Probes, None).await;
    }

    async fn accept(&self, listener: TcpListener, endpoints: Endpoints, tls: Option<TlsAcceptor>) {
        let context = Arc::new(ConnectionContext {
            router: Arc::clone(&self.router),
            endpoints,
            tls,
            limits: self.limits.clone(),
            phase: self.phase.clone(),
        });
        let mut phase = self.phase.clone();
        let mut connections = Connections::new();
        let mut acceptor = Acceptor::new(&listener);
        // Accepted, but there is no place for it yet.
        let mut next = None;
        loop {
            if connections.len() < self.limits.connections {
                if let Some((tcp, address)) = next.take() {
                    self.router.metrics().connections().inc();
                    let context = Arc::clone(&context);
                    connections.spawn(|state| connection::serve(context, tcp, address, state));
                }
            } else if next.is_some() {
                connections.evict();
            }
            tokio::select! {
                biased;
                // Where the sender of phases is gone, the server shuts down, too.
                _ = phase.wait_for(|now| *now == ShutdownPhase::Draining) => break,
                Some(ended) = connections.next_end() => self.log_end(ended),
                accepted = acceptor.next(), if next.is_none() => match accepted {
                    Some(connection) => next = Some(connection),
                    // A connection that ends gives back what was wanting.
                    None => connections.evict(),
                },
                () = sleep(RECHECK), if next.is_some() => {}
            }
        }
        drop((listener, next));
        let all = async {
            while let Some(ended) = connections.next_end().await {
                self.log_end(ended);
            }
        };
        if timeout(self.limits.drain, all).await.is_err() {
            let left = connections.len();
            tracing::warn!(left, "connections had not ended when their time was over");
        }
    }

    /// Counts the end of a connection. How it ended is logged for debugging only: it is the client's
    /// affair.
    fn log_end(&self, ended: Result<io::Result<()>, tokio::task::JoinError>) {
        self.router.metrics().connections().dec();
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection has ended"),
            Err(error) => tracing::error!(%error, "a connection has broken"),
        }
    }
}

/// Accepts connections, and waits longer and longer while that fails.
struct Acceptor<'l> {
    listener: &'l TcpListener,
    wait: Duration,
    not_before: Option<Instant>,
    log_limit: RateLimit,
}

impl<'l> Acceptor<'l> {
    fn new(listener: &'l TcpListener) -> Self {
        Self { listener, wait: BACKOFF.0, not_before: None, log_limit: RateLimit::new(1) }
    }

    /// The next connection; `None` where it could not be accepted for want of a resource.
    async fn next(&mut self) -> Option<(TcpStream, SocketAddr)> {
        if let Some(moment) = self.not_before {
            sleep_until(moment).await;
            self.not_before = None;
        }
        loop {
            match self.listener.accept().await {
                Ok(connection) => {
                    self.wait = BACKOFF.0;
                    return Some(connection);
                }
                Err(error) if is_client_gone(&error) => {}
                Err(error) => {
                    if self.log_limit.check().is_ok() {
                        tracing::warn!(%error, "no connection can be accepted now");
                    }
                    self.not_before = Some(Instant::now() + self.wait);
                    self.wait = (self.wait * 2).min(BACKOFF.1);
                    return None;
                }
            }
        }
    }
}

/// Whether accepting failed because the client was gone already.
fn is_client_gone(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
