//! The serving certificate in use, which can be replaced while connections come in.

use std::{sync::Arc, time::SystemTime};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig,
    crypto::ring,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
    version,
};
use tokio::sync::watch;

use super::{ClientAuthority, ServingCertificate, client_authority::CertificateRequester};
use crate::metrics::Metrics;

/// Gives every connection the serving certificate in use, whatever name it asks for: API servers ask
/// for the Service's name, people who look for a mistake for another.
#[derive(Debug)]
pub struct CertResolver {
    current: ArcSwapOption<ServingCertificate>,
    changes: watch::Sender<u64>,
    metrics: Arc<Metrics>,
}

impl CertResolver {
    /// A resolver that has no certificate yet. It shows in `metrics` when its certificate expires.
    pub fn new(metrics: Arc<Metrics>) -> Arc<Self> {
        Arc::new(Self { current: ArcSwapOption::empty(), changes: watch::Sender::new(0), metrics })
    }

    /// Uses this certificate from now on. Open connections keep the one they have.
    pub fn set(&self, certificate: ServingCertificate) {
        self.metrics.set_certificate_expiry(certificate.not_after());
        self.current.store(Some(Arc::new(certificate)));
        self.changes.send_modify(|number| *number += 1);
    }

    /// Shows in metrics when the authority that signs expires.
    pub fn show_authority_expiry(&self, at: SystemTime) {
        self.metrics.set_authority_expiry(at);
    }

    /// The certificate in use; `None` before the first one.
    pub fn current(&self) -> Option<Arc<ServingCertificate>> {
        self.current.load_full()
    }

    /// Changes with every new certificate.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// The configuration of a TLS 1.2 and 1.3 server with this resolver. It asks clients for a certificate
    /// where there is an authority of `clients`.
    ///
    /// It speaks HTTP/1.1 alone, as API servers do with webhooks (Kubernetes: apiserver,
    /// `pkg/util/webhook/client.go`, `cfg.NextProtos`).
    ///
    /// # Errors
    /// When the built-in cryptography supports neither version of TLS.
    pub fn server_config(
        self: &Arc<Self>,
        clients: Option<&Arc<ClientAuthority>>,
    ) -> Result<Arc<ServerConfig>, rustls::Error> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13, &version::TLS12])?;
        let builder = match clients {
            Some(_) => builder.with_client_cert_verifier(CertificateRequester::new()),
            None => builder.with_no_client_auth(),
        };
        let mut config =
            builder.with_cert_resolver(Arc::clone(self) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Arc::new(config))
    }
}

impl ResolvesServerCert for CertResolver {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.current.load().as_ref().map(|certificate| certificate.key())
    }
}
