//! The webhook's own certificate authority, which all replicas share, and the certificates it signs.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{CaBundle, ServingCertificate, ServingCertificateError};

/// How long before it is made a certificate begins to be valid: clocks of API servers may be behind.
const CLOCK_SKEW: Duration = Duration::from_secs(2 * 3600);

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long an authority is valid.
const AUTHORITY_LIFETIME: Duration = Duration::from_secs(10 * 365 * DAY.as_secs());

/// How long a certificate that it signs is valid.
const LEAF_LIFETIME: Duration = Duration::from_secs(7 * DAY.as_secs());

/// Why an authority cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CertificateAuthorityError {
    /// No certificate can be made.
    #[error("no certificate can be made: {0}")]
    Make(#[from] rcgen::Error),
    /// Its own certificate and key cannot be used together.
    #[error(transparent)]
    ServingCertificate(#[from] ServingCertificateError),
    /// The bundle lacks its certificate, so API servers would not trust what it signs.
    #[error("the bundle has other certificates than the signer's")]
    NotInBundle,
}

/// A certificate authority: signs serving certificates that API servers trust by its bundle.
pub struct CertificateAuthority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    key: String,
    bundle: CaBundle,
}

impl std::fmt::Debug for CertificateAuthority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("CertificateAuthority")
            .field("generation", &self.bundle.generation())
            .finish_non_exhaustive()
    }
}

impl CertificateAuthority {
    /// Makes an authority with a new key, valid for ten years from now. Its bundle is its own
    /// certificate, with this generation.
    ///
    /// # Errors
    /// When the certificate cannot be made, for example for want of randomness.
    pub fn create(generation: u64, now: SystemTime) -> Result<Self, CertificateAuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params =
            params(&format!("clbmigrate-webhook-ca-{generation}"), now, AUTHORITY_LIFETIME);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?.pem();
        let bundle = CaBundle::new(&certificate, generation)?;
        Ok(Self { key: key.serialize_pem(), issuer: Issuer::new(params, key), certificate, bundle })
    }

    /// Reads an authority that was made before, from its certificate and key in PEM and the bundle that
    /// API servers trust.
    ///
    /// # Errors
    /// When they do not belong together, or the certificate has expired.
    pub fn open(
        certificate: &str,
        key: &str,
        bundle: CaBundle,
        now: SystemTime,
    ) -> Result<Self, CertificateAuthorityError> {
        ServingCertificate::parse(certificate.as_bytes(), key.as_bytes(), now)?;
        let own = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|error| ServingCertificateError::Certificate(error.to_string()))?;
        if !bundle.certificates().contains(&own) {
            return Err(CertificateAuthorityError::NotInBundle);
        }
        let issuer = Issuer::from_ca_cert_der(&own, KeyPair::from_pem(key)?)?;
        Ok(Self { issuer, certificate: certificate.to_owned(), key: key.to_owned(), bundle })
    }

    /// The same authority, its bundle with another generation.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.bundle = self.bundle.with_generation(generation);
        self
    }

    /// The certificates that API servers are to trust.
    pub fn bundle(&self) -> &CaBundle {
        &self.bundle
    }

    /// The authority's own certificate, PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The authority's private key, PEM. It must never be logged.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Signs a serving certificate for these DNS names and IP addresses, with a new key, valid for seven
    /// days from now.
    ///
    /// # Errors
    /// When a name is invalid, or the certificate cannot be made.
    pub fn sign(
        &self,
        server_names: &[String],
        now: SystemTime,
    ) -> Result<ServingCertificate, CertificateAuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let mut params = params("clbmigrate-webhook", now, LEAF_LIFETIME);
        params.subject_alt_names = CertificateParams::new(server_names)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(ServingCertificate::parse(leaf.pem().as_bytes(), key.serialize_pem().as_bytes(), now)?)
    }
}

fn params(name: &str, now: SystemTime, lifetime: Duration) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = (now + lifetime).into();
    params
}
