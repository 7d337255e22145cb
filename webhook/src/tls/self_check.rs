//! A call to the webhook itself, as an API server would make it.

use std::{
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use arc_swap::ArcSwap;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use super::{Bundle, Resolver};

/// The longest that a call may take.
const CALL: Duration = Duration::from_secs(5);
/// Between two calls until the first has succeeded, and after that.
const SOON: Duration = Duration::from_secs(1);
const LATER: Duration = Duration::from_secs(60);

const REQUEST: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: self\r\nConnection: close\r\n\r\n";
const ANSWER: &[u8] = b"HTTP/1.1 200 ";

/// Whom the call trusts.
#[derive(Debug, Clone)]
pub enum Trust {
    /// A server of that name whose certificate the bundle's authorities have signed.
    Authority(Bundle, String),
    /// Whoever shows the certificate at hand: nobody has told us what signed it.
    Pinned,
}

/// How the last call ended that says anything about the certificate.
#[derive(Debug)]
pub struct SelfCall {
    address: SocketAddr,
    resolver: Arc<Resolver>,
    last: ArcSwap<Result<(), String>>,
}

impl SelfCall {
    /// Calls to a server that listens there.
    pub fn new(listening: SocketAddr, resolver: Arc<Resolver>) -> Arc<Self> {
        let ip = match listening.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let address = SocketAddr::new(ip, listening.port());
        let last = ArcSwap::from_pointee(Err("not called yet".to_owned()));
        Arc::new(Self { address, resolver, last })
    }

    /// For readiness.
    ///
    /// # Errors
    /// With the reason, until a call has succeeded, and while the certificate is not accepted.
    pub fn check(&self) -> Result<(), String> {
        self.last.load().as_ref().clone()
    }

    /// Calls for ever: often until a call has succeeded, then after each new certificate and now
    /// and then. `trust` is asked before each call; none means there is nothing to trust yet.
    pub async fn run(&self, trust: impl Fn() -> Option<Trust>) {
        let mut changes = self.resolver.changes();
        loop {
            if let Some(trust) = trust() {
                self.note(self.call(&trust).await);
            }
            let pause = if self.check().is_ok() { LATER } else { SOON };
            // The sender lives in the resolver.
            let _ = timeout(pause, changes.changed()).await;
        }
    }

    /// Once a call has succeeded, only what API servers would meet, too, counts against it: a server
    /// that is merely busy must not look broken, or its load falls on the others.
    fn note(&self, result: io::Result<()>) {
        let Err(error) = result else {
            self.last.store(Arc::new(Ok(())));
            return;
        };
        tracing::warn!(%error, "the call to itself has failed");
        if self.check().is_err() || is_about_trust(&error) {
            self.last.store(Arc::new(Err(error.to_string())));
        }
    }

    async fn call(&self, trust: &Trust) -> io::Result<()> {
        timeout(CALL, self.call_without_limit(trust)).await?
    }

    async fn call_without_limit(&self, trust: &Trust) -> io::Result<()> {
        let (verifier, name) = self.verifier(trust)?;
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        let tcp = TcpStream::connect(self.address).await?;
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        stream.write_all(REQUEST).await?;
        let mut answer = [0; ANSWER.len()];
        stream.read_exact(&mut answer).await?;
        if answer == ANSWER { Ok(()) } else { Err(io::Error::other("no answer with status 200")) }
    }

    fn verifier(
        &self,
        trust: &Trust,
    ) -> io::Result<(Arc<dyn ServerCertVerifier>, ServerName<'static>)> {
        let provider = Arc::new(ring::default_provider());
        let Trust::Authority(bundle, name) = trust else {
            let leaf = self.resolver.current().and_then(|pair| pair.leaf().cloned());
            let leaf = leaf.ok_or_else(|| io::Error::other("there is no certificate"))?;
            let algorithms = provider.signature_verification_algorithms;
            let name = ServerName::IpAddress(self.address.ip().into());
            return Ok((Arc::new(Pin { leaf, algorithms }), name));
        };
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(bundle.certificates());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(io::Error::other)?;
        let name = ServerName::try_from(name.clone()).map_err(io::Error::other)?;
        Ok((verifier, name))
    }
}

/// Whether the failure is the certificate's.
fn is_about_trust(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(inner, Some(rustls::Error::InvalidCertificate(_)))
}

/// Accepts one certificate, and that only from who has its key.
#[derive(Debug)]
struct Pin {
    leaf: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pin {
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
        let ends = super::pair::validity(shown)
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
    fn once_it_has_succeeded_only_a_certificate_that_nobody_trusts_counts_against_it() {
        let resolver = Resolver::new(Arc::new(Metrics::default()));
        let call = SelfCall::new(SocketAddr::from(([0, 0, 0, 0], 8443)), resolver);
        assert_eq!(call.address.to_string(), "127.0.0.1:8443");
        let busy = || Err(io::Error::from(io::ErrorKind::TimedOut));
        call.note(busy());
        assert!(call.check().is_err());
        call.note(Ok(()));
        call.note(busy());
        assert_eq!(call.check(), Ok(()));
        let expired = rustls::Error::InvalidCertificate(CertificateError::Expired);
        call.note(Err(io::Error::new(io::ErrorKind::InvalidData, expired)));
        assert!(call.check().is_err_and(|why| why.contains("Expired")));
        call.note(Ok(()));
        assert_eq!(call.check(), Ok(()));
    }
}
