//! The certificate that connections are shown, exchangeable while they come.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version,
};
use tokio::sync::watch;

use super::Pair;
use crate::metrics::Metrics;

/// Shows every connection the certificate at hand, whatever name it asks for: API servers ask for
/// the Service's name, people who look for a mistake for another.
#[derive(Debug)]
pub struct Resolver {
    current: ArcSwapOption<Pair>,
    changes: watch::Sender<u64>,
    metrics: Arc<Metrics>,
}

impl Resolver {
    /// One that has no certificate yet.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), changes: watch::Sender::new(0), metrics })
    }

    /// Shows this one from now on. Connections there are keep theirs.
    pub fn show(&self, pair: Pair) {
        self.metrics.certificate_ends(pair.ends());
        self.current.store(Some(Arc::new(pair)));
        self.changes.send_modify(|number| *number += 1);
    }

    /// The certificate at hand.
    pub fn current(&self) -> Option<Arc<Pair>> {
        self.current.load_full()
    }

    /// Tells of every new certificate.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The server's side of TLS 1.2 and 1.3, for HTTP/2 and HTTP/1.1.
    ///
    /// # Errors
    /// If the cryptography that is built in knows neither.
    pub fn server_config(self: &Arc<Self>) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|pair| pair.key())
    }
}
