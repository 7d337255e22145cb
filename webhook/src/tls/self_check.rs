//! The self-check: a call to this server, as an API server would make it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
    time_provider::TimeProvider,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{CaBundle, CertResolver, publication::valid_roots};
use crate::server_clock::ServerClock;

/// The longest that a call may take.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// How long to wait between two calls until the first has succeeded.
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
/// How long to wait between two calls after that.
const INTERVAL: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// What the call trusts.
#[derive(Debug, Clone)]
pub enum TrustAnchor {
    /// A certificate for this DNS name or IP address that one of the bundle's authorities has signed.
    Authority(CaBundle, String),
    /// The serving certificate in use alone: what has signed it is not known.
    Pinned,
}

/// Calls this server and remembers whether API servers could.
#[derive(Debug)]
pub struct SelfCheck {
    /// Where the server can be reached from here; the first that answers is called.
    addresses: Vec<SocketAddr>,
    resolver: Arc<CertResolver>,
    clock: Arc<ServerClock>,
    last: ArcSwap<Result<(), String>>,
}

impl SelfCheck {
    /// A self-check of the server that listens on this address with the certificates of `resolver`, at
    /// the time of `clock`.
    pub fn new(
        listening: SocketAddr,
        resolver: Arc<CertResolver>,
        clock: Arc<ServerClock>,
    ) -> Arc<Self> {
        let ips: Vec<IpAddr> = match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => vec![Ipv4Addr::LOCALHOST.into()],
            // It listens on IPv4, too, and a Pod may be without IPv6.
            IpAddr::V6(ip) if ip.is_unspecified() => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            ip => vec![ip],
        };
        let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, listening.port())).collect();
        let last = ArcSwap::from_pointee(Err("not called yet".to_owned()));
        Arc::new(Self { addresses, resolver, clock, last })
    }

    /// Whether API servers can call this server, as a condition of readiness.
    ///
    /// # Errors
    /// Until a call has succeeded, and while the certificate is not trusted: the reason.
    pub fn check(&self) -> Result<(), String> {
        self.last.load().as_ref().clone()
    }

    /// Calls for ever: each second until a call has succeeded, then each minute and after each new
    /// certificate. `anchor` is asked before each call; there is none while it returns `None`.
    pub async fn run(&self, anchor: impl Fn() -> Option<TrustAnchor>) {
        let mut changes = self.resolver.changes();
        loop {
            if let Some(anchor) = anchor() {
                self.record(self.call(&anchor).await);
            }
            let pause = if self.check().is_ok() { INTERVAL } else { FIRST_INTERVAL };
            // The sender lives in the resolver.
            let _ = timeout(pause, changes.changed()).await;
        }
    }

    /// Records how a call ended. Once one has succeeded, only a certificate that is not trusted counts
    /// as a failure: a server that is merely busy must not look broken, or its load falls on the others.
    fn record(&self, result: io::Result<()>) {
        let Err(error) = result else {
            self.last.store(Arc::new(Ok(())));
            return;
        };
        tracing::warn!(%error, "the call to itself has failed");
        if self.check().is_err() || is_about_trust(&error) {
            self.last.store(Arc::new(Err(error.to_string())));
        }
    }

    async fn call(&self, anchor: &TrustAnchor) -> io::Result<()> {
        timeout(CALL_TIMEOUT, self.call_without_timeout(anchor)).await?
    }

    async fn call_without_timeout(&self, anchor: &TrustAnchor) -> io::Result<()> {
        let (verifier, name) = self.verifier(anchor)?;
        let config = ClientConfig::builder_with_details(
            Arc::new(ring::default_provider()),
            Arc::new(ServerTime(Arc::clone(&self.clock))),
        )
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
        let tcp = TcpStream::connect(self.addresses.as_slice()).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        stream.write_all(REQUEST).await?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer).await?;
        if answer == ANSWER { Ok(()) } else { Err(io::Error::other("no answer with status 200")) }
    }

    fn verifier(
        &self,
        anchor: &TrustAnchor,
    ) -> io::Result<(Arc<dyn ServerCertVerifier>, ServerName<'static>)> {
        let provider = Arc::new(ring::default_provider());
        let TrustAnchor::Authority(bundle, name) = anchor else {
            let leaf = self.resolver.current().and_then(|current| current.leaf().cloned());
            let leaf = leaf.ok_or_else(|| io::Error::other("there is no certificate"))?;
            let algorithms = provider.signature_verification_algorithms;
            // It is not looked at.
            let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
            return Ok((Arc::new(PinnedVerifier { leaf, algorithms }), name));
        };
        let roots = valid_roots(&bundle.certificates(), self.clock.now());
        let roots = roots.map_err(|why| io::Error::other(rustls::Error::General(why)))?;
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(io::Error::other)?;
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        Ok((verifier, name))
    }
}

/// Whether a call failed because the certificate is not trusted.
fn is_about_trust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::General(_)))
}

/// The API server's time, for rustls.
#[derive(Debug)]
struct ServerTime(Arc<ServerClock>);

impl TimeProvider for ServerTime {
    fn current_time(&self) -> Option<UnixTime> {
        let since = self.0.now().duration_since(std::time::UNIX_EPOCH).ok()?;
        Some(UnixTime::since_unix_epoch(since))
    }
}

/// Accepts one certificate alone, from a server that has its key.
#[derive(Debug)]
struct PinnedVerifier {
    leaf: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for PinnedVerifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if *shown != self.leaf {
            return Err(CertificateError::ApplicationVerificationFailure.into());
        }
        let ends = super::serving_certificate::validity(shown)
            .map_err(|error| rustls::Error::General(error.to_string()))?
            .1;
        let now = std::time::UNIX_EPOCH + Duration::from_secs(now.as_secs());
        if now >= ends {
            return Err(CertificateError::Expired.into());
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Metrics;

    #[test]
    fn a_server_on_all_addresses_is_called_over_a_family_that_there_is() {
        let addresses = |listening: &str| -> Vec<String> {
            let resolver = CertResolver::new(Arc::new(Metrics::default()));
            let listening = listening.parse().expect("an address");
            let self_check = SelfCheck::new(listening, resolver, Arc::default());
            self_check.addresses.iter().map(SocketAddr::to_string).collect()
        };
        assert_eq!(addresses("0.0.0.0:8443"), ["127.0.0.1:8443"]);
        assert_eq!(addresses("[::]:8443"), ["127.0.0.1:8443", "[::1]:8443"]);
        assert_eq!(addresses("192.0.2.7:8443"), ["192.0.2.7:8443"]);
    }

    #[test]
    fn once_it_has_succeeded_only_a_certificate_that_nobody_trusts_counts_against_it() {
        let resolver = CertResolver::new(Arc::new(Metrics::default()));
        let self_check =
            SelfCheck::new(SocketAddr::from(([0, 0, 0, 0], 8443)), resolver, Arc::default());
        let busy = || Err(io::Error::from(io::ErrorKind::TimedOut));
        self_check.record(busy());
        assert!(self_check.check().is_err());
        self_check.record(Ok(()));
        self_check.record(busy());
        assert_eq!(self_check.check(), Ok(()));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        self_check.record(Err(io::Error::new(io::ErrorKind::InvalidData, expired)));
        assert!(self_check.check().is_err_and(|why| why.contains("Expired")));
        self_check.record(Ok(()));
        assert_eq!(self_check.check(), Ok(()));
    }
}
