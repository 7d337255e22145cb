//! The certificates by which API servers know the webhook.

use std::time::UNIX_EPOCH;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::pair::{PairError, validity};

/// Certificates of authorities, and how new they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    pem: String,
    generation: u64,
}

impl Bundle {
    /// A bundle that somebody has numbered.
    ///
    /// # Errors
    /// If it is not PEM, or without a certificate.
    pub fn new(pem: &str, generation: u64) -> Result<Self, PairError> {
        certificates(pem)?;
        Ok(Self { pem: pem.to_owned(), generation })
    }

    /// A bundle from a file, which nobody numbers: the newest certificate's begin is its number, in
    /// seconds since 1970, so that replicas that see a new file at different times do not put the
    /// old one back.
    ///
    /// # Errors
    /// If it is not PEM, or without a certificate.
    pub fn of_file(pem: &str) -> Result<Self, PairError> {
        let begins = certificates(pem)?
            .iter()
            .map(|it| Ok(validity(it)?.0))
            .collect::<Result<Vec<_>, _>>()?;
        let newest = begins.into_iter().max().unwrap_or(UNIX_EPOCH);
        let generation = newest.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        Ok(Self { pem: pem.to_owned(), generation })
    }

    /// How new it is. API servers never go back to a smaller number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The same certificates by another number.
    #[must_use]
    pub fn renumbered(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// As it stands in a webhook configuration.
    pub fn base64(&self) -> String {
        STANDARD.encode(&self.pem)
    }

    /// The certificates.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        certificates(&self.pem).unwrap_or_default()
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, PairError> {
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| PairError::Certificate(error.to_string()))?;
    if found.is_empty() {
        return Err(PairError::Certificate("no certificate in it".to_owned()));
    }
    for certificate in &found {
        validity(certificate)?;
    }
    Ok(found)
}
