//! The proxy, as tests use it.

use std::{
    io,
    net::{self, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    thread::{self, JoinHandle},
};

use anyhow::Context;
use tokio::{
    net::TcpListener,
    runtime::{self, Runtime},
    sync::oneshot,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    Fault, LoggedRequest, Match, Rule, Upstream,
    kubeconfig::kubeconfig,
    log::Log,
    serve::{ProxyState, serve},
    tls,
    upstream::UpstreamClient,
};

/// A running proxy in front of an API server. Dropping it stops it and closes all connections.
pub struct FaultProxy {
    address: SocketAddr,
    ca_pem: String,
    shared: Arc<ProxyState>,
    /// Dropped first, which is the signal to stop.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl FaultProxy {
    /// Starts a proxy on a free port of 127.0.0.1.
    ///
    /// An error names the field of `upstream` that is missing or no PEM. If the API server cannot be
    /// reached, clients get a 502.
    pub fn start(upstream: &Upstream) -> anyhow::Result<Self> {
        Self::start_at(Ipv4Addr::LOCALHOST, upstream)
    }

    /// The same on a free port of another address, in the network of the calling thread.
    pub fn start_at(address: Ipv4Addr, upstream: &Upstream) -> anyhow::Result<Self> {
        let front = tls::server_tls(address).context("the proxy's own certificate")?;
        let shared = Arc::new(ProxyState {
            rules: Mutex::default(),
            log: Log::default(),
            upstream: UpstreamClient::new(upstream).context("upstream of the proxy")?,
        });

        let runtime =
            runtime::Builder::new_current_thread().enable_all().build().context("proxy")?;
        let listener = listener(address, &runtime).context("a port for the proxy")?;
        let address = listener.local_addr().context("a port for the proxy")?;

        let (stop, stopped) = oneshot::channel();
        let service = serve(listener, TlsAcceptor::from(front.config), Arc::clone(&shared));
        let thread = thread::Builder::new()
            .name("proxy".to_owned())
            .spawn(move || {
                runtime.spawn(service);
                // Nothing is ever sent: the sender is dropped.
                let _ = runtime.block_on(stopped);
                runtime.shutdown_background();
            })
            .context("a thread for the proxy")?;
        let ca_pem = front.ca_pem;
        Ok(Self { address, ca_pem, shared, stop: Some(stop), thread: Some(thread) })
    }

    /// `https://ADDRESS:PORT`.
    pub fn url(&self) -> String {
        format!("https://{}", self.address)
    }

    /// The certificate of the authority that clients of the proxy must trust, as PEM.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// A kubeconfig, in YAML, for clients that go through the proxy, whose one and current context
    /// has this name.
    ///
    /// It holds a token that only keeps `kubectl` from asking for a password: the API server knows
    /// the proxy by its certificate. Without one, use [`FaultProxy::kubeconfig_with_token`].
    pub fn kubeconfig(&self, context: &str) -> String {
        self.kubeconfig_with_token(context, "unused")
    }

    /// Like [`FaultProxy::kubeconfig`], with a token for a proxy without a client certificate, which
    /// forwards the token.
    pub fn kubeconfig_with_token(&self, context: &str, token: &str) -> String {
        kubeconfig(context, &self.url(), &self.ca_pem, token)
    }

    /// From now on, requests that match meet the fault. Of several rules for a request, the oldest
    /// applies that has not been used up ([`Match::times`]).
    pub fn add_rule(&self, requests: Match, fault: Fault) -> Rule {
        let rule = Rule::new(requests, fault);
        self.shared.rules.lock().unwrap_or_else(PoisonError::into_inner).push(rule.clone());
        rule
    }

    /// All requests so far, in the order in which they arrived.
    pub fn requests(&self) -> Vec<LoggedRequest> {
        self.shared.log.requests()
    }
}

/// Listens without waiting in the runtime, so that a test may be asynchronous itself.
fn listener(address: Ipv4Addr, runtime: &Runtime) -> io::Result<TcpListener> {
    let listener = net::TcpListener::bind((address, 0))?;
    listener.set_nonblocking(true)?;
    let _inside = runtime.enter();
    TcpListener::from_std(listener)
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It ends at once, and a panic in it has been printed.
            let _ = thread.join();
        }
    }
}
