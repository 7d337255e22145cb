//! The webhook's own authority, which all replicas share, and the certificates it signs.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{Bundle, Pair, PairError};

/// Clocks of API servers may be behind ours.
const BEFORE: Duration = Duration::from_secs(2 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Life of an authority.
const AUTHORITY: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());

/// Life of what it signs.
const LEAF: Duration = Duration::from_secs(7 * DAY.as_secs());

/// Why an authority is of no use.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Its own certificate and key are of no use together.
    #[error(transparent)]
    Pair(#[from] PairError),
    /// API servers would not trust what it signs.
    #[error("the bundle has other certificates than the signer's")]
    NotInBundle,
}

/// Signs certificates.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    key: String,
    bundle: Bundle,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Authority")
            .field("generation", &self.bundle.generation())
            .finish_non_exhaustive()
    }
}

impl Authority {
    /// Makes one, with a new key.
    ///
    /// # Errors
    /// If the system has no randomness to give.
    pub fn create(generation: u64, now: SystemTime) -> Result<Self, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params(&format!("clbmigrate-webhook-ca-{generation}"), now, AUTHORITY);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        let bundle = Bundle::new(&certificate, generation)?;
        Ok(Self { key: key.serialize_pem(), issuer: Issuer::new(params, key), certificate, bundle })
    }

    /// Takes one that was made before: its certificate and key, and what API servers shall trust.
    ///
    /// # Errors
    /// If they do not belong together, or its time is over.
    pub fn open(
        certificate: &str,
        key: &str,
        bundle: Bundle,
        now: SystemTime,
    ) -> Result<Self, AuthorityError> {
        Pair::parse(certificate.as_bytes(), key.as_bytes(), now)?;
        let own = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| PairError::Certificate(error.to_string()))?;
        if !bundle.certificates().contains(&own) {
            return Err(AuthorityError::NotInBundle);
        }
        let issuer = Issuer::from_ca_cert_der(&own, KeyPair::from_pem(key)?)?;
        Ok(Self { issuer, certificate: certificate.to_owned(), key: key.to_owned(), bundle })
    }

    /// The same with a higher number.
    #[must_use]
    pub fn renumbered(mut self, generation: u64) -> Self {
        self.bundle = self.bundle.renumbered(generation);
        self
    }

    /// What API servers shall trust.
    pub fn bundle(&self) -> &Bundle {
        &self.bundle
    }

    /// Its own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its key, PEM. Never to be told.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Signs a certificate for a server of these names and addresses, with a new key.
    ///
    /// # Errors
    /// If a name is none, or the system has no randomness to give.
    pub fn sign(&self, servers: &[String], now: SystemTime) -> Result<Pair, AuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("clbmigrate-webhook", now, LEAF);
        params.subject_alt_names = CertificateParams::new(servers)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(Pair::parse(leaf.pem().as_bytes(), key.serialize_pem().as_bytes(), now)?)
    }
}

fn params(name: &str, now: SystemTime, life: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - BEFORE).into();
    params.not_after = (now + life).into();
    params
}
