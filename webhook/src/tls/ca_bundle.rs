//! The certificates by which API servers trust the webhook: `caBundle`.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use pem::{EncodeConfig, LineEnding, Pem};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use super::serving_certificate::{ServingCertificateError, validity};

/// Certificates of authorities, and a generation that says how new they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaBundle {
    pem: String,
    generation: u64,
    /// Set while replicas may still hold the files before these: a bundle of this generation may have
    /// more certificates.
    may_have_more: bool,
    /// Where the certificates are those that must be there, all that are written.
    written: Option<String>,
}

impl CaBundle {
    /// A bundle of this generation.
    ///
    /// # Errors
    /// When the text is not PEM, or has no certificate.
    pub fn new(pem: &str, generation: u64) -> Result<Self, ServingCertificateError> {
        certificates(pem)?;
        Ok(Self { pem: pem.to_owned(), generation, may_have_more: false, written: None })
    }

    /// A bundle of these certificates, in their order, with this generation.
    ///
    /// # Errors
    /// When there is none.
    pub fn of(
        certificates: &[CertificateDer<'_>],
        generation: u64,
    ) -> Result<Self, ServingCertificateError> {
        Self::new(&encode(certificates), generation)
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
        Self::new(pem, newest.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
    }

    /// The bundle while it follows another one: what `before` had and has not expired is written, too,
    /// and what somebody else has published is left as it is where it has all of this one.
    #[must_use]
    pub fn following(mut self, before: Option<&Self>, now: SystemTime) -> Self {
        let mut all = self.certificates();
        let own = all.len();
        for certificate in before.map(|before| before.unexpired(now)).unwrap_or_default() {
            if !all.contains(&certificate) {
                all.push(certificate);
            }
        }
        self.written = (all.len() > own).then(|| encode(&all));
        self.may_have_more = true;
        self
    }

    /// The bundle when all replicas know it: nothing else is published.
    #[must_use]
    pub fn settled(self) -> Self {
        Self { may_have_more: false, written: None, ..self }
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

    /// The certificates that are to be published, PEM.
    pub fn pem(&self) -> &str {
        self.written.as_deref().unwrap_or(&self.pem)
    }

    /// The PEM text in base64, as `caBundle` of a webhook configuration has it.
    pub fn base64(&self) -> String {
        STANDARD.encode(self.pem())
    }

    /// The certificates that are to be published.
    pub fn certificates(&self) -> Vec<CertificateDer<'static>> {
        certificates(self.pem()).unwrap_or_default()
    }

    /// The certificates that have not expired.
    pub fn unexpired(&self, now: SystemTime) -> Vec<CertificateDer<'static>> {
        let mut all = self.certificates();
        all.retain(|certificate| validity(certificate).is_ok_and(|(_, until)| now < until));
        all
    }

    /// Whether a published `caBundle` of this generation needs no change.
    pub fn is_published_as(&self, encoded: &str) -> bool {
        if encoded == self.base64() {
            return true;
        }
        let published = decode(encoded);
        self.may_have_more
            && certificates(&self.pem).is_ok_and(|needed| {
                needed.iter().all(|certificate| published.contains(certificate))
            })
    }
}

/// The certificates of a `caBundle`, which is PEM in base64; none where it cannot be read.
pub(super) fn decode(encoded: &str) -> Vec<CertificateDer<'static>> {
    let Ok(pem) = STANDARD.decode(encoded) else { return Vec::new() };
    CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect()
}

fn encode(certificates: &[CertificateDer<'_>]) -> String {
    let lines = EncodeConfig::new().set_line_ending(LineEnding::LF);
    let blocks = certificates.iter().map(|certificate| {
        pem::encode_config(&Pem::new("CERTIFICATE", certificate.to_vec()), lines)
    });
    blocks.collect()
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CertificateAuthority, Lifetimes};
    use super::*;

    fn authority(now: SystemTime) -> String {
        let made = CertificateAuthority::create(1, Lifetimes::default(), now);
        made.expect("an authority").certificate().to_owned()
    }

    #[test]
    fn a_bundle_that_follows_another_one_keeps_what_that_one_had_until_all_know_it() {
        let now = SystemTime::now();
        let (old, new) = (authority(now - Duration::from_secs(9)), authority(now));
        let bundle = |pem: &str| CaBundle::new(pem, 5).expect("a bundle");
        let (old, new) = (bundle(&old), bundle(&new));
        let following = new.clone().following(Some(&old), now);
        let [first, second] = &*following.certificates() else { panic!("{following:?}") };
        assert_eq!(new.certificates(), std::slice::from_ref(first));
        assert_eq!(old.certificates(), std::slice::from_ref(second));

        assert!(following.is_published_as(&following.base64()));
        assert!(following.is_published_as(&new.base64()), "another replica has settled it");
        assert!(!following.is_published_as(&old.base64()));
        let settled = following.clone().settled();
        assert_eq!(settled, new);
        assert!(!settled.is_published_as(&following.base64()), "the old one goes");
        assert!(new.clone().following(None, now).is_published_as(&following.base64()));
    }

    #[test]
    fn what_has_expired_is_not_kept() {
        let now = SystemTime::now();
        let expired = authority(now - Duration::from_secs(11 * 365 * 24 * 3600));
        let expired = CaBundle::new(&expired, 1).expect("a bundle");
        let new = CaBundle::new(&authority(now), 2).expect("a bundle");
        assert!(expired.unexpired(now).is_empty());
        assert_eq!(new.clone().following(Some(&expired), now).certificates(), new.certificates());
    }
}
