//! The webhook's own certificate authority, which all replicas share, and how one authority follows
//! another without a call that fails.
//!
//! When two thirds of its life are over, a next one is made, and its certificate is published beside the
//! present one. Once every webhook configuration has carried it for a while, it signs. The certificate
//! of the one before stays published until all that it has signed has expired.

use std::time::{Duration, SystemTime};

use rustls::pki_types::CertificateDer;

use super::{CaBundle, ServingCertificate, ServingCertificateError, signer::Signer};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long API servers and other replicas have to hear of a new authority before it signs.
const MAX_OVERLAP: Duration = Duration::from_secs(300);

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
    /// Its certificate may sign no others.
    #[error("the certificate is not one of an authority")]
    NoAuthority,
    /// It begins later, so API servers would not trust what it signs.
    #[error("the certificate is not valid yet; the clock of who made it is ahead")]
    NotYetValid,
}

/// How long certificates are valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authority's.
    pub authority: Duration,
    /// A serving certificate's.
    pub leaf: Duration,
}

impl Default for Lifetimes {
    /// Ten years, and seven days.
    fn default() -> Self {
        Self { authority: 3650 * DAY, leaf: 7 * DAY }
    }
}

impl Lifetimes {
    /// How long a next authority is published before it signs: five minutes, less where certificates
    /// live so short that the present one would expire meanwhile.
    fn overlap(&self) -> Duration {
        MAX_OVERLAP.min(self.authority / 10)
    }
}

/// What an authority needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RotationStep {
    /// A next authority is made, and published beside the present one.
    Prepare,
    /// The next authority signs from now on.
    Promote,
    /// Certificates of authorities that sign no more, and have signed nothing that is served, are
    /// published no longer.
    Retire,
}

/// The certificate and key of an authority, PEM.
#[derive(Debug, Clone, Copy)]
pub struct SignerPem<'a> {
    /// The certificate.
    pub certificate: &'a str,
    /// The private key.
    pub key: &'a str,
}

/// A certificate authority: signs serving certificates that API servers trust by its bundle.
#[derive(Debug)]
pub struct CertificateAuthority {
    signer: Signer,
    /// The one that signs later. Its certificate is in the bundle.
    next: Option<Signer>,
    bundle: CaBundle,
    /// When it began to sign in place of the one before.
    promoted: Option<SystemTime>,
    lifetimes: Lifetimes,
}

impl CertificateAuthority {
    /// Makes an authority with a new key. Its bundle is its own certificate, with this generation.
    ///
    /// # Errors
    /// When the certificate cannot be made, for example for want of randomness.
    pub fn create(
        generation: u64,
        lifetimes: Lifetimes,
        now: SystemTime,
    ) -> Result<Self, CertificateAuthorityError> {
        let signer = Signer::create(generation, lifetimes.authority, now)?;
        let bundle = CaBundle::new(signer.pem(), generation)?;
        Ok(Self { signer, next: None, bundle, promoted: None, lifetimes })
    }

    /// Reads an authority that was made before, with the one that follows it where there is one, and
    /// with the bundle that API servers trust. Where it has expired, the one that follows takes its
    /// place.
    ///
    /// # Errors
    /// When they do not belong together, or are not valid now.
    pub fn open(
        signer: SignerPem<'_>,
        next: Option<SignerPem<'_>>,
        bundle: CaBundle,
        lifetimes: Lifetimes,
        now: SystemTime,
    ) -> Result<Self, CertificateAuthorityError> {
        let open = |pem: SignerPem<'_>| {
            let signer = Signer::open(pem.certificate, pem.key)?;
            if !bundle.certificates().contains(signer.certificate()) {
                return Err(CertificateAuthorityError::NotInBundle);
            }
            Ok(signer)
        };
        let (mut signer, mut next) = (open(signer)?, next.map(open).transpose()?);
        if signer.check(now).is_err()
            && let Some(follower) = next.take_if(|next| next.check(now).is_ok())
        {
            signer = follower;
        }
        signer.check(now)?;
        Ok(Self { signer, next, bundle, promoted: None, lifetimes })
    }

    /// The same authority, its bundle with another generation.
    #[must_use]
    pub fn with_generation(mut self, generation: u64) -> Self {
        self.bundle = self.bundle.with_generation(generation);
        self
    }

    /// The same authority, which signs in place of another one since then.
    #[must_use]
    pub fn promoted_at(mut self, promoted: Option<SystemTime>) -> Self {
        self.promoted = promoted;
        self
    }

    /// Since when it signs in place of another one; `None` where there was none.
    pub fn promoted(&self) -> Option<SystemTime> {
        self.promoted
    }

    /// The certificates that API servers are to trust.
    pub fn bundle(&self) -> &CaBundle {
        &self.bundle
    }

    /// The certificate that signs, PEM.
    pub fn certificate(&self) -> &str {
        self.signer.pem()
    }

    /// Its private key, PEM. It must never be logged.
    pub fn key(&self) -> &str {
        self.signer.key()
    }

    /// The certificate that signs.
    pub fn signing_certificate(&self) -> &CertificateDer<'static> {
        self.signer.certificate()
    }

    /// The one that will sign, PEM. Its key must never be logged.
    pub fn next(&self) -> Option<SignerPem<'_>> {
        let next = self.next.as_ref()?;
        Some(SignerPem { certificate: next.pem(), key: next.key() })
    }

    /// When the certificate that signs expires.
    pub fn not_after(&self) -> SystemTime {
        self.signer.not_after()
    }

    /// Whether API servers trust now what it signs.
    pub fn is_valid(&self, now: SystemTime) -> bool {
        self.signer.check(now).is_ok()
    }

    /// Signs a serving certificate for these DNS names and IP addresses, with a new key.
    ///
    /// # Errors
    /// When a name is invalid, or the certificate cannot be made.
    pub fn sign(
        &self,
        server_names: &[String],
        now: SystemTime,
    ) -> Result<ServingCertificate, CertificateAuthorityError> {
        self.signer.sign(server_names, self.lifetimes.leaf, now)
    }

    /// What is due now; `is_published` says whether every webhook configuration carries a certificate.
    pub fn due_step(
        &self,
        now: SystemTime,
        is_published: impl Fn(&CertificateDer<'static>) -> bool,
    ) -> Option<RotationStep> {
        if let Some(next) = &self.next {
            let is_known =
                now >= next.made() + self.lifetimes.overlap() && is_published(next.certificate());
            return is_known.then_some(RotationStep::Promote);
        }
        if self.signer.is_due(self.lifetimes.authority, now) {
            return Some(RotationStep::Prepare);
        }
        let all = self.bundle.certificates();
        (all.len() > self.needed(now).len()).then_some(RotationStep::Retire)
    }

    /// The authority after a step.
    ///
    /// # Errors
    /// When a certificate cannot be made.
    pub fn after(
        self,
        step: RotationStep,
        now: SystemTime,
    ) -> Result<Self, CertificateAuthorityError> {
        let generation = self.bundle.generation().saturating_add(1);
        let mut needed = self.needed(now);
        match (step, self.next) {
            (RotationStep::Promote, Some(next)) => {
                Ok(Self { signer: next, next: None, promoted: Some(now), ..self })
            }
            (RotationStep::Prepare, None) => {
                let next = Signer::create(generation, self.lifetimes.authority, now)?;
                needed.push(next.certificate().clone());
                let bundle = CaBundle::of(&needed, generation)?;
                Ok(Self { next: Some(next), bundle, ..self })
            }
            (RotationStep::Retire, next) => {
                Ok(Self { next, bundle: CaBundle::of(&needed, generation)?, ..self })
            }
            (_, next) => Ok(Self { next, ..self }),
        }
    }

    /// The certificates that must be published: the one that signs, the one that will, and those before
    /// while a certificate of theirs may be served.
    fn needed(&self, now: SystemTime) -> Vec<CertificateDer<'static>> {
        let mut all = self.bundle.unexpired(now);
        if self.promoted.is_some_and(|promoted| now >= promoted + self.lifetimes.leaf) {
            let next = self.next.as_ref().map(Signer::certificate);
            all.retain(|it| it == self.signer.certificate() || Some(it) == next);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIMES: Lifetimes =
        Lifetimes { authority: Duration::from_secs(60), leaf: Duration::from_secs(20) };

    fn at(start: SystemTime, seconds: u64) -> SystemTime {
        start + Duration::from_secs(seconds)
    }

    fn names() -> [String; 1] {
        ["web.shop.svc".to_owned()]
    }

    #[test]
    fn one_authority_follows_another_with_overlap() {
        let start = SystemTime::now();
        let first = CertificateAuthority::create(1, LIFETIMES, start).expect("an authority");
        let old = first.signing_certificate().clone();
        assert_eq!(first.due_step(at(start, 39), |_| true), None);
        assert_eq!(first.due_step(at(start, 40), |_| true), Some(RotationStep::Prepare));

        let both = first.after(RotationStep::Prepare, at(start, 40)).expect("two authorities");
        assert_eq!(both.signing_certificate(), &old, "the present one signs on");
        assert_eq!(both.bundle().generation(), 2);
        let [published_old, new] = &*both.bundle().certificates() else { panic!("{both:?}") };
        assert_eq!(published_old, &old);
        assert_eq!(both.due_step(at(start, 45), |_| true), None, "not heard of everywhere");
        assert_eq!(both.due_step(at(start, 46), |_| false), None, "not published");
        let is_new = |certificate: &CertificateDer<'static>| certificate == new;
        assert_eq!(both.due_step(at(start, 46), is_new), Some(RotationStep::Promote));

        let new = new.clone();
        let after = both.after(RotationStep::Promote, at(start, 46)).expect("the new one");
        assert_eq!(after.signing_certificate(), &new);
        assert_eq!(after.bundle().generation(), 2, "the bundle is the same");
        assert_eq!(after.due_step(at(start, 59), |_| true), None, "the old one is trusted still");
        assert_eq!(after.due_step(at(start, 60), |_| true), Some(RotationStep::Retire));

        let alone = after.after(RotationStep::Retire, at(start, 60)).expect("the new one alone");
        assert_eq!(alone.bundle().certificates(), [new]);
        assert_eq!(alone.bundle().generation(), 3);
        assert_eq!(alone.due_step(at(start, 60), |_| true), None);
    }

    #[test]
    fn the_one_before_is_published_until_what_it_has_signed_has_expired() {
        let start = SystemTime::now();
        let long = CertificateAuthority::create(1, Lifetimes::default(), start).expect("made");
        let (signer, bundle) =
            (SignerPem { certificate: long.certificate(), key: long.key() }, long.bundle());
        let first = CertificateAuthority::open(signer, None, bundle.clone(), LIFETIMES, start);
        let first = first.expect("the same, with shorter lives from now on");
        assert_eq!(first.due_step(at(start, 39), |_| true), None);
        assert_eq!(first.due_step(at(start, 40), |_| true), Some(RotationStep::Prepare));
        let both = first.after(RotationStep::Prepare, at(start, 40)).expect("two");
        let after = both.after(RotationStep::Promote, at(start, 46)).expect("the new one");
        assert_eq!(after.due_step(at(start, 65), |_| true), None);
        assert_eq!(after.due_step(at(start, 66), |_| true), Some(RotationStep::Retire));
        let alone = after.after(RotationStep::Retire, at(start, 66)).expect("the new one alone");
        assert_eq!(alone.bundle().certificates(), [alone.signing_certificate().clone()]);
    }

    #[test]
    fn a_serving_certificate_never_outlives_its_authority() {
        let start = SystemTime::now();
        let authority = CertificateAuthority::create(1, LIFETIMES, start).expect("an authority");
        let leaf = authority.sign(&names(), at(start, 50)).expect("a certificate");
        assert_eq!(leaf.not_after(), authority.not_after());
    }

    #[test]
    fn what_follows_takes_the_place_of_what_has_expired() {
        let start = SystemTime::now();
        let first = CertificateAuthority::create(1, LIFETIMES, start).expect("an authority");
        let both = first.after(RotationStep::Prepare, at(start, 40)).expect("two authorities");
        let signer = SignerPem { certificate: both.certificate(), key: both.key() };
        let open = |now| {
            CertificateAuthority::open(signer, both.next(), both.bundle().clone(), LIFETIMES, now)
        };
        let before = open(at(start, 59)).expect("valid");
        assert_eq!(before.signing_certificate(), both.signing_certificate());
        let after = open(at(start, 61)).expect("the next one");
        assert_ne!(after.signing_certificate(), both.signing_certificate());
        assert!(after.next().is_none());
        assert!(open(at(start, 101)).is_err(), "both have expired");
    }

    #[test]
    fn an_authority_from_the_future_signs_nothing() {
        let start = SystemTime::now();
        let ahead = at(start, 3 * 3600);
        let made = CertificateAuthority::create(1, Lifetimes::default(), ahead).expect("made");
        let signer = SignerPem { certificate: made.certificate(), key: made.key() };
        let opened = CertificateAuthority::open(
            signer,
            None,
            made.bundle().clone(),
            Lifetimes::default(),
            start,
        );
        assert!(matches!(opened, Err(CertificateAuthorityError::NotYetValid)), "{opened:?}");
        assert!(!made.is_valid(start));
        assert!(made.is_valid(ahead));
    }

    #[test]
    fn a_serving_certificate_is_no_authority() {
        let now = SystemTime::now();
        let key = rcgen::KeyPair::generate().expect("a key");
        let leaf = rcgen::CertificateParams::new(names()).expect("a name");
        let leaf = leaf.self_signed(&key).expect("signed").pem();
        let bundle = CaBundle::new(&leaf, 1).expect("a bundle");
        let key = key.serialize_pem();
        let signer = SignerPem { certificate: &leaf, key: &key };
        let opened = CertificateAuthority::open(signer, None, bundle, Lifetimes::default(), now);
        assert!(matches!(opened, Err(CertificateAuthorityError::NoAuthority)), "{opened:?}");
    }
}
