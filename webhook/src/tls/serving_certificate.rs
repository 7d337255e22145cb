//! A certificate with its key.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use rustls::{
    crypto::ring,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    sign::CertifiedKey,
};
use x509_parser::extensions::GeneralName;

/// Why a certificate and a key are of no use together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PairError {
    /// The text of certificates is none, or has none.
    #[error("the certificate is unreadable ({0}); it must be PEM, the server's own first")]
    Certificate(String),
    /// The text of the key is none, or of an unknown kind.
    #[error("the key is unreadable ({0}); it must be one PEM key without a password")]
    Key(String),
    /// They do not belong together.
    #[error("the key is not that of the first certificate ({0})")]
    Mismatch(String),
    /// It is over.
    #[error("the certificate has expired")]
    Expired,
}

/// A certificate, what it was signed with up to the root or not as far, and its key.
#[derive(Debug, Clone)]
pub struct Pair {
    key: Arc<CertifiedKey>,
    begins: SystemTime,
    ends: SystemTime,
}

impl Pair {
    /// Reads PEM, and makes sure that both belong together and the certificate has not expired.
    ///
    /// # Errors
    /// If not.
    pub fn parse(certificates: &[u8], key: &[u8], now: SystemTime) -> Result<Self, PairError> {
        let unreadable = |error: &dyn ToString| PairError::Certificate(error.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(&error))?;
        for certificate in chain.iter().skip(1) {
            validity(certificate)?;
        }
        let (begins, ends) =
            validity(chain.first().ok_or_else(|| unreadable(&"no certificate in it"))?)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| PairError::Key(error.to_string()))?;
        let key =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
                match error {
                    rustls::Error::InconsistentKeys(_) => PairError::Mismatch(error.to_string()),
                    _ => PairError::Key(error.to_string()),
                }
            })?;
        if now >= ends {
            return Err(PairError::Expired);
        }
        Ok(Self { key: Arc::new(key), begins, ends })
    }

    /// For rustls.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The server's own certificate.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// The first name or address that the certificate is for. A wildcard stands for some name.
    pub fn server_name(&self) -> Option<String> {
        let (_, leaf) = x509_parser::parse_x509_certificate(self.leaf()?).ok()?;
        let names = leaf.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.replace('*', "any")),
            GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
    }

    /// When the certificate ends.
    pub fn ends(&self) -> SystemTime {
        self.ends
    }

    /// Whether it is time for a new one: two thirds of its life are over, or the clock was set back
    /// to before it.
    pub fn is_old(&self, now: SystemTime) -> bool {
        let life = self.ends.duration_since(self.begins).unwrap_or_default();
        now < self.begins || now >= self.begins + life * 2 / 3
    }
}

/// An address as certificates have it.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// When a certificate begins and ends.
pub(super) fn validity(
    certificate: &CertificateDer<'_>,
) -> Result<(SystemTime, SystemTime), PairError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| PairError::Certificate(error.to_string()))?;
    let validity = certificate.validity();
    let at =
        |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}
