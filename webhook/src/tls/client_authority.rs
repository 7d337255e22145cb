//! Who may post reviews: clients with a certificate of an authority that a file names.
//!
//! The handshake asks for a certificate and goes on without one, or with any. Whether it is good is
//! decided at each review. The program's call to itself needs no certificate that way, a refused client
//! gets an answer with the reason, and a new file counts for open connections, too.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use rustls::{
    DigitallySignedStruct, DistinguishedName, RootCertStore, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, UnixTime},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use tokio::time::{MissedTickBehavior, interval};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate};

use super::CaBundle;

/// Why reviews of a client are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClientRefusal {
    /// It has shown no certificate.
    #[error("reviews are taken only from clients with a certificate, and this connection has none")]
    NoCertificate,
    /// Its certificate is expired, for another use, or of another authority.
    #[error("the client certificate is not trusted: {0}")]
    NotTrusted(String),
    /// Its certificate is good, but it is for somebody else.
    #[error("the client certificate is for {0}, from whom no reviews are taken")]
    OtherName(String),
}

/// The authorities of client certificates, from a file that somebody else renews.
#[derive(Debug)]
pub struct ClientAuthority {
    file: PathBuf,
    /// The names of which a certificate must have one; any name counts if there are none.
    names: Vec<String>,
    verifier: ArcSwap<WebPki>,
    generation: AtomicU64,
    /// The text that was read last, or why it could not be read.
    seen: Mutex<Result<String, String>>,
}

#[derive(Debug)]
struct WebPki(Arc<dyn ClientCertVerifier>);

impl ClientAuthority {
    /// Reads the file for the first time.
    ///
    /// # Errors
    /// When it is missing or of no use: its path and the reason.
    pub fn open(file: &Path, names: Vec<String>) -> Result<Self, String> {
        let text = read(file)?;
        let verifier = parse(file, &text, SystemTime::now())?;
        Ok(Self {
            file: file.to_owned(),
            names,
            verifier: ArcSwap::from_pointee(verifier),
            generation: AtomicU64::new(0),
            seen: Mutex::new(Ok(text)),
        })
    }

    /// Changes with every new file.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a client that has shown these certificates, its own first, may post reviews.
    ///
    /// # Errors
    /// When it may not: the reason.
    pub fn check(&self, shown: &[CertificateDer<'_>]) -> Result<(), ClientRefusal> {
        let [leaf, intermediates @ ..] = shown else { return Err(ClientRefusal::NoCertificate) };
        let not_trusted = |error: String| ClientRefusal::NotTrusted(error);
        let verifier = self.verifier.load();
        verifier
            .0
            .verify_client_cert(leaf, intermediates, UnixTime::now())
            .map_err(|error| not_trusted(error.to_string()))?;
        if self.names.is_empty() {
            return Ok(());
        }
        let names = names(leaf).map_err(not_trusted)?;
        if names.iter().any(|name| self.names.contains(name)) {
            return Ok(());
        }
        Err(ClientRefusal::OtherName(names.join(", ")))
    }

    /// Reads the file again; `None` if it is as it was the last time.
    ///
    /// # Errors
    /// When it is missing or of no use: its path and the reason. What was good before stays.
    pub fn poll(&self, now: SystemTime) -> Option<Result<(), String>> {
        let text = read(&self.file);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if *seen == text {
            return None;
        }
        seen.clone_from(&text);
        Some(text.and_then(|text| {
            self.verifier.store(Arc::new(parse(&self.file, &text, now)?));
            self.generation.fetch_add(1, Ordering::Release);
            Ok(())
        }))
    }

    /// Polls the file at this interval, for ever.
    pub async fn run(self: Arc<Self>, every: Duration) {
        let mut ticks = interval(every);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            match self.poll(SystemTime::now()) {
                None => {}
                Some(Ok(())) => tracing::info!("new authorities of client certificates"),
                Some(Err(why)) => {
                    tracing::error!(why, "the authorities of client certificates stay as they are");
                }
            }
        }
    }
}

fn read(file: &Path) -> Result<String, String> {
    fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))
}

fn parse(file: &Path, text: &str, now: SystemTime) -> Result<WebPki, String> {
    let verifier = verifier(text, now);
    verifier.map(WebPki).map_err(|error| format!("{}: {error}", file.display()))
}

fn verifier(text: &str, now: SystemTime) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let bundle = CaBundle::from_file(text).map_err(|error| error.to_string())?;
    let mut roots = RootCertStore::empty();
    let mut is_any_valid = false;
    for certificate in bundle.certificates() {
        if !is_authority(&certificate)? {
            return Err("a certificate in it is no authority's".to_owned());
        }
        let (_, ends) = super::serving_certificate::validity(&certificate)
            .map_err(|error| error.to_string())?;
        is_any_valid |= now < ends;
        roots.add(certificate).map_err(|error| error.to_string())?;
    }
    if !is_any_valid {
        return Err("all certificates in it have expired".to_owned());
    }
    let provider = Arc::new(ring::default_provider());
    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| error.to_string())
}

fn is_authority(certificate: &CertificateDer<'_>) -> Result<bool, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    Ok(parsed.is_ca())
}

/// The common name and the DNS names of a certificate.
fn names(certificate: &CertificateDer<'_>) -> Result<Vec<String>, String> {
    let (_, parsed) = X509Certificate::from_der(certificate).map_err(|error| error.to_string())?;
    let common = parsed.subject().iter_common_name().filter_map(|name| name.as_str().ok());
    let alternatives = parsed.subject_alternative_name().map_err(|error| error.to_string())?;
    let alternatives = alternatives.iter().flat_map(|names| &names.value.general_names);
    let dns = alternatives.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(*name),
        _ => None,
    });
    Ok(common.chain(dns).map(ToOwned::to_owned).collect())
}

/// Asks clients for a certificate in the handshake. It sees to it that they have the key; everything
/// else is [`ClientAuthority::check`]'s.
#[derive(Debug)]
pub(super) struct CertificateRequester(WebPkiSupportedAlgorithms);

impl CertificateRequester {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(ring::default_provider().signature_verification_algorithms))
    }
}

impl ClientCertVerifier for CertificateRequester {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    /// None: API servers show the certificate that they have then, and learn what is wrong with it.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
