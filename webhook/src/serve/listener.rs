//! Accepting connections, and the end of all of them.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig};

use super::{
    Answer, Limits, Readiness,
    connection::{self, Shared},
    routes::{Part, Routes},
};
use crate::{log::Cap, metrics::Metrics};

/// First and longest wait after an accept that failed for want of something, as file descriptors:
/// what is wanted comes back when a connection ends, not by asking faster.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(1));

/// Where the server stands. It only goes on, never back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// At work.
    Serving,
    /// Still at work, but answers ask clients to use another connection next time: to close those
    /// in use without a word would meet a request on its way now and then.
    Leaving,
    /// New connections are refused, running requests are ended.
    Draining,
}

/// A server for any number of listeners.
#[derive(Debug)]
pub struct Server<A> {
    routes: Arc<Routes<A>>,
    limits: Limits,
    phase: watch::Receiver<Phase>,
}

impl<A: Answer> Server<A> {
    /// A server that ends as `phase` says.
    pub fn new(
        answer: A,
        metrics: Arc<Metrics>,
        ready: Arc<Readiness>,
        limits: Limits,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        let routes = Arc::new(Routes::new(answer, metrics, ready, &limits));
        Self { routes, limits, phase }
    }

    /// Serves reviews, probes and metrics over TLS until the last connection has ended, or the
    /// time for that is over.
    pub async fn serve(&self, listener: TcpListener, tls: Arc<ServerConfig>) {
        self.accept(listener, Part::All, Some(tls.into())).await;
    }

    /// Serves probes and metrics without TLS.
    pub async fn serve_probes(&self, listener: TcpListener) {
        self.accept(listener, Part::Probes, None).await;
    }

    async fn accept(&self, listener: TcpListener, part: Part, tls: Option<TlsAcceptor>) {
        let shared = Arc::new(Shared {
            routes: Arc::clone(&self.routes),
            part,
            tls,
            limits: self.limits.clone(),
            phase: self.phase.clone(),
        });
        let mut phase = self.phase.clone();
        let mut connections = JoinSet::new();
        let mut accepting = Accepting::new(&listener);
        loop {
            tokio::select! {
                biased;
                // The sender may be gone, too: then this server ends like all others.
                _ = phase.wait_for(|now| *now == Phase::Draining) => break,
                Some(ended) = connections.join_next() => self.ended(ended),
                tcp = accepting.next(), if connections.len() < self.limits.connections => {
                    self.routes.metrics().connections().inc();
                    connections.spawn(connection::serve(Arc::clone(&shared), tcp));
                }
            }
        }
        drop(listener);
        let all = async {
            while let Some(ended) = connections.join_next().await {
                self.ended(ended);
            }
        };
        if timeout(self.limits.drain, all).await.is_err() {
            let left = connections.len();
            tracing::warn!(left, "connections had not ended when their time was over");
        }
    }

    /// How a connection ended is its client's affair, unless somebody looks for a bug.
    fn ended(&self, ended: Result<io::Result<()>, tokio::task::JoinError>) {
        self.routes.metrics().connections().dec();
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection has ended"),
            Err(error) => tracing::error!(%error, "a connection has broken"),
        }
    }
}

/// Accepts, and waits longer and longer while that fails.
struct Accepting<'l> {
    listener: &'l TcpListener,
    wait: Duration,
    told: Cap,
}

impl<'l> Accepting<'l> {
    fn new(listener: &'l TcpListener) -> Self {
        Self { listener, wait: BACKOFF.0, told: Cap::new(1) }
    }

    async fn next(&mut self) -> TcpStream {
        loop {
            match self.listener.accept().await {
                Ok((tcp, _)) => {
                    self.wait = BACKOFF.0;
                    return tcp;
                }
                Err(error) if is_of_client(&error) => {}
                Err(error) => {
                    if self.told.admit().is_ok() {
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

/// The client was gone before it was greeted.
fn is_of_client(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};

    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted)
}
