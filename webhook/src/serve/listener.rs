//! Accepts connections, and closes them all at shutdown.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    Limits, Readiness, ReviewHandler, ShutdownPhase,
    connection::{self, ConnectionContext},
    router::{Endpoints, Router},
};
use crate::{log::RateLimit, metrics::Metrics};

/// The first and the longest wait after an accept that failed for want of a resource such as file
/// descriptors: it comes back when a connection ends, not by asking faster.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Serves reviews, probes and metrics on any number of listeners.
#[derive(Debug)]
pub struct Server<H> {
    router: Arc<Router<H>>,
    limits: Limits,
    phase: watch::Receiver<ShutdownPhase>,
}

impl<H: ReviewHandler> Server<H> {
    /// A server that answers reviews by `handler`, and shuts down as `phase` says.
    pub fn new(
        handler: H,
        metrics: Arc<Metrics>,
        readiness: Arc<Readiness>,
        limits: Limits,
        phase: watch::Receiver<ShutdownPhase>,
    ) -> Self {
        let router = Arc::new(Router::new(handler, metrics, readiness, &limits));
        Self { router, limits, phase }
    }

    /// Serves reviews, probes and metrics over TLS. Returns when, after [`ShutdownPhase::Draining`], the
    /// last connection has ended or [`Limits::drain`] is over.
    pub async fn serve(&self, listener: TcpListener, tls: Arc<ServerConfig>) {
        self.accept(listener, Endpoints::All, Some(tls.into())).await;
    }

    /// Serves probes and metrics without TLS, and returns as [`Self::serve`] does.
    pub async fn serve_probes(&self, listener: TcpListener) {
        self.accept(listener, Endpoints::ProbesOnly, None).await;
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
        let mut connections = JoinSet::new();
        let mut acceptor = Acceptor::new(&listener);
        loop {
            tokio::select! {
                biased;
                // Where the sender of phases is gone, the server shuts down, too.
                _ = phase.wait_for(|now| *now == ShutdownPhase::Draining) => break,
                Some(ended) = connections.join_next() => self.log_end(ended),
                tcp = acceptor.next(), if connections.len() < self.limits.connections => {
                    self.router.metrics().connections().inc();
                    connections.spawn(connection::serve(Arc::clone(&context), tcp));
                }
            }
        }
        drop(listener);
        let all = async {
            while let Some(ended) = connections.join_next().await {
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
    log_limit: RateLimit,
}

impl<'l> Acceptor<'l> {
    fn new(listener: &'l TcpListener) -> Self {
        Self { listener, wait: BACKOFF.0, log_limit: RateLimit::new(1) }
    }

    async fn next(&mut self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((tcp, _)) => {
                    self.wait = BACKOFF.0;
                    return tcp;
                }
                Err(error) if is_client_gone(&error) => {}
                Err(error) => {
                    if self.log_limit.check().is_ok() {
                        tracing::warn!(%error, "no connection can be accepted now");
                    }
                    let wait = self.wait;
                    self.wait = (wait * 2).min(BACKOFF.1);
                    sleep(wait).await;
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
