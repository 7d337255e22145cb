//! The certificates by which API servers trust the webhook: `caBundle`.

use std::time::UNIX_EPOCH;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::serving_certificate::{ServingCertificateError, validity};

/// Certificates of authorities, and a generation that says how new they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    pem: String,
    generation: u64,
}

impl CaBundle {
    /// A bundle of this generation.
    ///
    /// # Errors
    /// When the text is not PEM, or has no certificate.
    pub fn new(pem: &str, generation: u64) -> Result<Self, ServingCertificateError> {
        certificates(pem)?;
        Ok(Self { pem: pem.to_owned(), generation })
    }

    /// A bundle from a file, which has no generation of its own: the latest `notBefore` of its
    /// certificates is its generation, in seconds since 1970, so that replicas that see a new file at
    /// different times do not put the old one back.
    ///
    /// # Errors
    /// When the text is not PEM, or has no certificate.
    pub fn from_file(pem: &str) -> Result<Self, ServingCertificateError> {
        let not_before = certificates(pem)?
            .iter()
            .map(|it| Ok(validity(it)?.0))
            .collect::<Result<Vec<_>, _>>()?;
        let newest = not_before.into_iter().max().unwrap_or(UNIX_EPOCH);
        let generation = newest.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { pem: pem.to_owned(), generation })
    }

    /// How new the bundle is. A bundle never replaces a published one of a higher generation.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The same certificates with another generation.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The certificates in PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// The PEM text in base64, as `caBundle` of a webhook configuration has it.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.pem)
    }

    /// The certificates in DER.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.pem).unwrap_or_default()
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, ServingCertificateError> {
    let certificates = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| ServingCertificateError::Certificate(error.to_string()))?;
    if certificates.is_empty() {
        return Err(ServingCertificateError::Certificate("no certificate in it".to_owned()));
    }
    for certificate in &certificates {
        validity(certificate)?;
    }
    Ok(certificates)
}
