//! A serving certificate with its key.

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

use super::CLOCK_SKEW;

/// Why a certificate and a key cannot be used together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ServingCertificateError {
    /// The certificates are not PEM, or there are none.
    #[error("the certificate is unreadable ({0}); it must be PEM, the server's own first")]
    Certificate(String),
    /// The key is not PEM, or of an unknown kind.
    #[error("the key is unreadable ({0}); it must be one PEM key without a password")]
    Key(String),
    /// The key is not that of the first certificate.
    #[error("the key is not that of the first certificate ({0})")]
    Mismatch(String),
    /// The certificate has expired.
    #[error("the certificate has expired")]
    Expired,
}

/// A server's certificate and its key, with the chain of certificates towards the root as far as it
/// is given.
#[derive(Debug, Clone)]
pub struct ServingCertificate {
    key: Arc<CertifiedKey>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl ServingCertificate {
    /// Reads a certificate chain, the server's own first, and its key, both PEM.
    ///
    /// # Errors
    /// When one of them is unreadable, they do not belong together, or the certificate has expired at
    /// `now`.
    pub fn parse(
        certificates: &[u8],
        key: &[u8],
        now: SystemTime,
    ) -> Result<Self, ServingCertificateError> {
        let unreadable =
            |error: &dyn ToString| ServingCertificateError::Certificate(error.to_string());
        let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(certificates)
            .collect::<Result<_, _>>()
            .map_err(|error| unreadable(&error))?;
        for certificate in chain.iter().skip(1) {
            validity(certificate)?;
        }
        let (not_before, not_after) =
            validity(chain.first().ok_or_else(|| unreadable(&"no certificate in it"))?)?;
        let key = PrivateKeyDer::from_pem_slice(key)
            .map_err(|error| ServingCertificateError::Key(error.to_string()))?;
        let key =
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| {
                match error {
                    rustls::Error::InconsistentKeys(_) => {
                        ServingCertificateError::Mismatch(error.to_string())
                    }
                    _ => ServingCertificateError::Key(error.to_string()),
                }
            })?;
        if now >= not_after {
            return Err(ServingCertificateError::Expired);
        }
        Ok(Self { key: Arc::new(key), not_before, not_after })
    }

    /// The certificate chain and its key, as rustls takes them.
    pub fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.key)
    }

    /// The server's own certificate in DER.
    pub fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.key.cert.first()
    }

    /// The first DNS name or IP address that the certificate is for, where its wildcard, if it has one,
    /// is replaced by `any`. `None` if there is no such name.
    pub fn server_name(&self) -> Option<String> {
        let (_, leaf) = x509_parser::parse_x509_certificate(self.leaf()?).ok()?;
        let names = leaf.subject_alternative_name().ok()??;
        names.value.general_names.iter().find_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.replace('*', "any")),
            GeneralName::IPAddress(bytes) => address(bytes).map(|ip| ip.to_string()),
            _ => None,
        })
    }

    /// When the certificate expires: its `notAfter`.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Whether a new certificate should take its place, where it is one that this program has made: two
    /// thirds of its life are over, or the clock was set back to before its `notBefore`.
    pub fn needs_renewal(&self, now: SystemTime) -> bool {
        let made = self.not_before + CLOCK_SKEW;
        let lifetime = self.not_after.duration_since(made).unwrap_or_default();
        now < self.not_before || now >= made + lifetime * 2 / 3
    }
}

/// An IP address from the bytes that certificates have it in.
fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(IpAddr::from)).ok()
}

/// A certificate's `notBefore` and `notAfter`.
pub(super) fn validity(
    certificate: &CertificateDer<'_>,
) -> Result<(SystemTime, SystemTime), ServingCertificateError> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate)
        .map_err(|error| ServingCertificateError::Certificate(error.to_string()))?;
    let validity = certificate.validity();
    let at =
        |seconds: i64| UNIX_EPOCH + Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    Ok((at(validity.not_before.timestamp()), at(validity.not_after.timestamp())))
}
