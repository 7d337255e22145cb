//! Client certificates with their keys, and the certificates that vouch for a server, out of PEM
//! text.

use std::{
    fs,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    SignatureScheme,
    client::ResolvesClientCert,
    crypto::ring::sign::any_supported_type,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};
use x509_parser::parse_x509_certificate;

use super::{Error, ErrorKind};

/// PEM text, and where it stands.
#[derive(Clone)]
pub(super) enum Pem {
    /// A file.
    File(PathBuf),
    /// The kubeconfig, under this key.
    Data(Vec<u8>, &'static str),
}

impl Pem {
    /// Of a path and of data, of which the data counts; `None` where neither is set.
    pub fn of(path: &str, data: &[u8], key: &'static str) -> Option<Self> {
        if !data.is_empty() {
            return Some(Self::Data(data.to_vec(), key));
        }
        (!path.is_empty()).then(|| Self::File(path.into()))
    }

    /// Where it stands, in words.
    pub fn in_words(&self) -> String {
        match self {
            Self::File(path) => path.display().to_string(),
            Self::Data(_, key) => format!("{key} of the kubeconfig"),
        }
    }

    /// The text.
    ///
    /// # Errors
    /// The file cannot be read. `whose` says what it is, such as `the client certificate of user ann`.
    pub fn read(&self, whose: &str) -> Result<Vec<u8>, Error> {
        match self {
            Self::Data(data, _) => Ok(data.clone()),
            Self::File(path) => fs::read(path).map_err(|error| {
                let message = format!("{whose}, {}, cannot be read: {error}", path.display());
                Error::new(ErrorKind::Kubeconfig, message)
            }),
        }
    }
}

/// The certificates of a cluster's authority. What is no certificate is skipped, as Go does (Go:
/// crypto/x509, `AppendCertsFromPEM`), as long as there is one.
///
/// # Errors
/// There is none.
pub(super) fn authority(pem: &Pem, cluster: &str) -> Result<Vec<Vec<u8>>, Error> {
    let whose = format!("the certificate authority of cluster {cluster:?}");
    let text = pem.read(&whose)?;
    let blocks: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).flatten().collect();
    let is_certificate = |der: &&CertificateDer<'static>| parse_x509_certificate(der).is_ok();
    let found: Vec<Vec<u8>> =
        blocks.iter().filter(is_certificate).map(|der| der.to_vec()).collect();
    if !found.is_empty() {
        return Ok(found);
    }
    let message =
        format!("{whose}, {}, {}", pem.in_words(), no_certificate(&text, !blocks.is_empty()));
    Err(Error::new(ErrorKind::Certificate, message)
        .hint("it has to be a certificate in PEM: -----BEGIN CERTIFICATE-----"))
}

/// What a text holds in the place of certificates.
fn no_certificate(text: &[u8], has_blocks: bool) -> String {
    let text = String::from_utf8_lossy(text);
    // Where a file has lost its line breaks, a key may stand on the same line.
    let is_kind = |kind: &&str| kind.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b' ');
    let kinds: Vec<&str> = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("-----BEGIN ")?.strip_suffix("-----"))
        .filter(is_kind)
        .collect();
    if has_blocks {
        "holds a certificate that cannot be read".to_owned()
    } else if text.trim().is_empty() {
        "is empty".to_owned()
    } else if text.contains("-----BEGIN CERTIFICATE-----") {
        "holds a certificate that is cut off or has lost its line breaks".to_owned()
    } else if kinds.is_empty() {
        "is no PEM text".to_owned()
    } else {
        format!("holds no certificate, but {}", kinds.join(", "))
    }
}

/// Reads a client certificate and its key, and sees whether they belong together. A certificate of
/// X.509 version 1 is sent like any other: it is the API server that judges it.
///
/// # Errors
/// One of them cannot be used.
pub(super) fn client_certificate(
    certificate: &Pem,
    key: &Pem,
    user: &str,
) -> Result<CertifiedKey, Error> {
    let whose = format!("the client certificate of user {user:?}");
    let text = certificate.read(&whose)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&text).flatten().collect();
    let parsed = chain.first().and_then(|leaf| parse_x509_certificate(leaf).ok());
    let Some((_, leaf)) = parsed else {
        let what = no_certificate(&text, !chain.is_empty());
        let message = format!("{whose}, {}, {what}", certificate.in_words());
        return Err(Error::new(ErrorKind::Certificate, message)
            .hint("it has to be a certificate in PEM: -----BEGIN CERTIFICATE-----"));
    };
    let whose_key = format!("the client key of user {user:?}");
    let private = PrivateKeyDer::from_pem_slice(&key.read(&whose_key)?);
    let place = key.in_words();
    let refused = |what: &str, hint: &str| {
        let message = format!("{whose_key}, {place}, {what}");
        Error::new(ErrorKind::Credentials, message).hint(hint.to_owned())
    };
    let private = private.map_err(|_| {
        refused(
            "holds no private key in PEM that is not encrypted",
            "decrypt one with: openssl pkey -in KEY -out PLAIN",
        )
    })?;
    let signing = any_supported_type(&private).map_err(|_| {
        refused(
            "is of a kind that is not supported",
            "RSA from 2048 bits, ECDSA P-256 and P-384, and Ed25519 are",
        )
    })?;
    if signing.public_key().is_some_and(|public| *public != *leaf.public_key().raw) {
        return Err(refused(
            &format!("does not belong to the client certificate, {}", certificate.in_words()),
            "see which of the two is of another login",
        ));
    }
    Ok(CertifiedKey::new(chain, signing))
}

/// When the first certificate of a PEM text expires.
pub(super) fn end_of(certificate: &CertificateDer<'_>) -> Option<jiff::Timestamp> {
    let (_, certificate) = parse_x509_certificate(certificate).ok()?;
    jiff::Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

/// A client certificate that is read anew for each connection, as client-go does, for it may be
/// renewed while a command runs. One that cannot be read leaves the last one in place.
pub(super) struct Renewed {
    pub certificate: Pem,
    pub key: Pem,
    pub user: String,
    last: Mutex<Arc<CertifiedKey>>,
}

impl Renewed {
    pub fn new(certificate: Pem, key: Pem, user: &str) -> Result<Self, Error> {
        let first = client_certificate(&certificate, &key, user)?;
        let last = Mutex::new(Arc::new(first));
        Ok(Self { certificate, key, user: user.to_owned(), last })
    }

    /// When it expires.
    pub fn end(&self) -> Option<jiff::Timestamp> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.cert.first().and_then(end_of)
    }
}

impl std::fmt::Debug for Renewed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the client certificate of user {:?}", self.user)
    }
}

impl ResolvesClientCert for Renewed {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_file = matches!((&self.certificate, &self.key), (Pem::File(_), Pem::File(_)));
        if is_file && let Ok(next) = client_certificate(&self.certificate, &self.key, &self.user) {
            *last = Arc::new(next);
        }
        Some(Arc::clone(&last))
    }

    fn has_certs(&self) -> bool {
        true
    }
}
