//! A certificate of the webhook's own authority with its key, which signs serving certificates.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::{
    CLOCK_SKEW, CertificateAuthorityError, ServingCertificate, ServingCertificateError,
    serving_certificate::validity,
};

/// Signs serving certificates.
pub(super) struct Signer {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
    key: String,
    certificate: CertificateDer<'static>,
    not_before: SystemTime,
    not_after: SystemTime,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the key.
        f.debug_struct("Signer").field("not_after", &self.not_after).finish_non_exhaustive()
    }
}

impl Signer {
    /// Makes one with a new key, valid from now for `lifetime`.
    pub fn create(
        generation: u64,
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<Self, CertificateAuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let until = now + lifetime;
        let mut params = params(&format!("clbmigrate-webhook-ca-{generation}"), now, until);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key)?;
        Self::open(&certificate.pem(), &key.serialize_pem())
    }

    /// Reads one from its certificate and key, PEM. Whether it is valid now is not looked at.
    pub fn open(pem: &str, key: &str) -> Result<Self, CertificateAuthorityError> {
        // It must be readable whenever it was made.
        ServingCertificate::parse(pem.as_bytes(), key.as_bytes(), SystemTime::UNIX_EPOCH)?;
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes())
            .map_err(|error| ServingCertificateError::Certificate(error.to_string()))?;
        if !is_authority(&certificate) {
            return Err(CertificateAuthorityError::NoAuthority);
        }
        let (not_before, not_after) = validity(&certificate)?;
        let issuer = Issuer::from_ca_cert_der(&certificate, KeyPair::from_pem(key)?)?;
        Ok(Self {
            issuer,
            pem: pem.to_owned(),
            key: key.to_owned(),
            certificate,
            not_before,
            not_after,
        })
    }

    /// Its certificate, PEM.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Its private key, PEM. It must never be logged.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Its certificate.
    pub fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// When it expires.
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// When it was made.
    pub fn made(&self) -> SystemTime {
        self.not_before + CLOCK_SKEW
    }

    /// Whether two thirds of its life are over, which counts as no longer than `lifetime`.
    pub fn is_due(&self, lifetime: Duration, now: SystemTime) -> bool {
        let own = self.not_after.duration_since(self.made()).unwrap_or_default();
        let lifetime = own.min(lifetime);
        now >= self.made() + lifetime * 2 / 3
    }

    /// Checks that API servers trust now what it signs.
    pub fn check(&self, now: SystemTime) -> Result<(), CertificateAuthorityError> {
        if now < self.not_before {
            return Err(CertificateAuthorityError::NotYetValid);
        }
        if now >= self.not_after {
            return Err(ServingCertificateError::Expired.into());
        }
        Ok(())
    }

    /// Signs a serving certificate for these DNS names and IP addresses, with a new key, valid from now
    /// for `lifetime` and never longer than the authority itself.
    pub fn sign(
        &self,
        server_names: &[String],
        lifetime: Duration,
        now: SystemTime,
    ) -> Result<ServingCertificate, CertificateAuthorityError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let until = (now + lifetime).min(self.not_after);
        let mut params = params("clbmigrate-webhook", now, until);
        params.subject_alt_names = CertificateParams::new(server_names)?.subject_alt_names;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        let leaf = params.signed_by(&key, &self.issuer)?;
        Ok(ServingCertificate::parse(leaf.pem().as_bytes(), key.serialize_pem().as_bytes(), now)?)
    }
}

fn is_authority(certificate: &CertificateDer<'_>) -> bool {
    let Ok((_, certificate)) = x509_parser::parse_x509_certificate(certificate) else {
        return false;
    };
    certificate.basic_constraints().ok().flatten().is_some_and(|basic| basic.value.ca)
}

fn params(name: &str, now: SystemTime, until: SystemTime) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = (now - CLOCK_SKEW).into();
    params.not_after = until.into();
    params
}
