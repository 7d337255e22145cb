//! What the webhook configurations carry, and whether API servers trust a certificate by it.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    RootCertStore,
    client::{WebPkiServerVerifier, danger::ServerCertVerifier as _},
    crypto::ring,
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use tokio::sync::watch;

use super::{ServingCertificate, serving_certificate::validity};
use crate::Webhook;

/// An entry of a configuration that sends reviews here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedEntry {
    /// The name that API servers expect in the certificate.
    pub server_name: String,
    /// The certificates of its `caBundle`.
    pub bundle: Vec<CertificateDer<'static>>,
}

/// What is known of one webhook's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Published {
    /// Nothing, for this reason.
    Unknown(String),
    /// Its entries that send reviews here; none where there is no configuration.
    Entries(Vec<PublishedEntry>),
}

/// What all configurations carry, as the API server has told.
#[derive(Debug)]
pub struct Publication {
    published: Mutex<[Published; Webhook::ALL.len()]>,
    /// Whether all that is there was in order once: a bundle that somebody wipes later is mended, and
    /// must not take all replicas out at once.
    has_held: AtomicBool,
    changes: watch::Sender<u64>,
}

impl Publication {
    /// A publication of which nothing is known yet.
    pub fn new() -> Arc<Self> {
        let unknown = Published::Unknown("not read yet".to_owned());
        Arc::new(Self {
            published: Mutex::new(Webhook::ALL.map(|_| unknown.clone())),
            has_held: AtomicBool::new(false),
            changes: watch::Sender::new(0),
        })
    }

    /// Notes the entries of a webhook's configuration that send reviews here.
    pub fn set(&self, webhook: Webhook, entries: Vec<PublishedEntry>) {
        self.replace(webhook, Published::Entries(entries));
    }

    /// Notes why a configuration cannot be read, where nothing is known of it so far.
    pub fn unreadable(&self, webhook: Webhook, why: String) {
        let is_known = self
            .all()
            .iter()
            .zip(Webhook::ALL)
            .any(|(published, of)| of == webhook && matches!(published, Published::Entries(_)));
        if !is_known {
            self.replace(webhook, Published::Unknown(why));
        }
    }

    /// Changes with each note.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Whether anything is known. While it is not, API servers send no reviews either, for the program is
    /// not ready.
    pub fn is_known(&self) -> bool {
        self.all().iter().any(|published| matches!(published, Published::Entries(_)))
    }

    /// Whether every configuration that is there carries this certificate.
    pub fn carries(&self, certificate: &CertificateDer<'_>) -> bool {
        self.all().iter().all(|published| match published {
            Published::Unknown(_) => false,
            Published::Entries(entries) => {
                entries.iter().all(|entry| entry.bundle.contains(certificate))
            }
        })
    }

    /// Whether API servers trust a certificate by every configuration that is there.
    ///
    /// # Errors
    /// Where one of them does not do it, or is not known: which, and why.
    pub fn verify(&self, certificate: &ServingCertificate, now: SystemTime) -> Result<(), String> {
        for (published, webhook) in self.all().iter().zip(Webhook::ALL) {
            let name = webhook.configuration();
            match published {
                Published::Unknown(why) => return Err(format!("{name}: {why}")),
                Published::Entries(entries) => {
                    for entry in entries {
                        entry.verify(certificate, now).map_err(|why| format!("{name}: {why}"))?;
                    }
                }
            }
        }
        Ok(())
    }

    /// The same as a condition of readiness: once it has held where there is a configuration, it holds.
    ///
    /// # Errors
    /// As [`Self::verify`], and where there is no certificate.
    pub fn check(
        &self,
        certificate: Option<&ServingCertificate>,
        now: SystemTime,
    ) -> Result<(), String> {
        if self.has_held.load(Relaxed) {
            return Ok(());
        }
        self.verify(certificate.ok_or_else(|| "no certificate yet".to_owned())?, now)?;
        let is_there = |published: &Published| match published {
            Published::Unknown(_) => false,
            Published::Entries(entries) => !entries.is_empty(),
        };
        if self.all().iter().any(is_there) {
            self.has_held.store(true, Relaxed);
        }
        Ok(())
    }

    fn replace(&self, webhook: Webhook, published: Published) {
        let mut all = self.all();
        if let Some((known, _)) = all.iter_mut().zip(Webhook::ALL).find(|(_, of)| *of == webhook) {
            *known = published;
        }
        drop(all);
        self.changes.send_modify(|number| *number += 1);
    }

    fn all(&self) -> MutexGuard<'_, [Published; Webhook::ALL.len()]> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl PublishedEntry {
    fn verify(&self, certificate: &ServingCertificate, now: SystemTime) -> Result<(), String> {
        let key = certificate.key();
        let (leaf, chain) = key.cert.split_first().ok_or("the certificate is empty")?;
        verify(&self.bundle, leaf, chain, &self.server_name, now)
    }
}

/// Whether a client that trusts `bundle` trusts a server's certificate for this name, as Go's verifier
/// decides: an authority out of its dates counts for nothing (Go: crypto/x509 `Certificate.isValid`).
///
/// # Errors
/// When it does not: the reason.
fn verify(
    bundle: &[CertificateDer<'static>],
    leaf: &CertificateDer<'_>,
    chain: &[CertificateDer<'_>],
    name: &str,
    now: SystemTime,
) -> Result<(), String> {
    if bundle.is_empty() {
        return Err("no caBundle yet".to_owned());
    }
    let verifier = WebPkiServerVerifier::builder_with_provider(
        Arc::new(valid_roots(bundle, now)?),
        Arc::new(ring::default_provider()),
    );
    let verifier = verifier.build().map_err(|error| error.to_string())?;
    let name = ServerName::try_from(name).map_err(|error| format!("{name:?}: {error}"))?;
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    verifier
        .verify_server_cert(leaf, chain, &name, &[], UnixTime::since_unix_epoch(since))
        .map(drop)
        .map_err(|error| format!("its caBundle does not verify the certificate: {error}"))
}

/// The authorities of a bundle that are valid now. rustls looks at the dates of leaves and
/// intermediates alone.
///
/// # Errors
/// When there is none.
pub(super) fn valid_roots(
    bundle: &[CertificateDer<'static>],
    now: SystemTime,
) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    let valid = bundle.iter().filter(|certificate| {
        validity(certificate).is_ok_and(|(from, until)| from <= now && now < until)
    });
    roots.add_parsable_certificates(valid.cloned());
    if roots.is_empty() {
        return Err(
            "no authority of the bundle is valid now: each has expired or begins later".to_owned()
        );
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::{CertificateAuthority, Lifetimes};
    use super::*;

    const NAME: &str = "web.shop.svc";

    fn authority(now: SystemTime) -> CertificateAuthority {
        CertificateAuthority::create(1, Lifetimes::default(), now).expect("an authority")
    }

    fn leaf(authority: &CertificateAuthority, now: SystemTime) -> ServingCertificate {
        authority.sign(&[NAME.to_owned()], now).expect("a certificate")
    }

    fn entry(authority: &CertificateAuthority) -> Vec<PublishedEntry> {
        let bundle = authority.bundle().certificates();
        vec![PublishedEntry { server_name: NAME.to_owned(), bundle }]
    }

    /// A publication that has one configuration with these entries, and no other.
    fn with(entries: Vec<PublishedEntry>) -> Arc<Publication> {
        let publication = Publication::new();
        for webhook in Webhook::ALL {
            publication.set(webhook, Vec::new());
        }
        publication.set(Webhook::MutatePods, entries);
        publication
    }

    #[test]
    fn a_configuration_must_be_read_and_must_verify_the_certificate() {
        let now = SystemTime::now();
        let (own, other) = (authority(now), authority(now));
        let leaf = leaf(&own, now);
        let check = |publication: &Publication| publication.check(Some(&leaf), now);
        let unread = check(&Publication::new()).expect_err("nothing is known");
        assert_eq!(unread, "clbmigrate-validate-services: not read yet");
        assert!(!Publication::new().is_known() && with(Vec::new()).is_known());
        assert_eq!(check(&with(entry(&own))), Ok(()));
        assert_eq!(check(&with(Vec::new())), Ok(()), "there is no configuration");
        let foreign = check(&with(entry(&other))).expect_err("another authority");
        assert!(foreign.starts_with("clbmigrate-mutate-pods: its caBundle does not"), "{foreign}");
        let empty = vec![PublishedEntry { server_name: NAME.to_owned(), bundle: Vec::new() }];
        let empty = check(&with(empty)).expect_err("no bundle");
        assert_eq!(empty, "clbmigrate-mutate-pods: no caBundle yet");
        let elsewhere = PublishedEntry {
            server_name: "other.shop.svc".to_owned(),
            bundle: own.bundle().certificates(),
        };
        assert!(check(&with(vec![elsewhere])).is_err(), "the name is another");
    }

    #[test]
    fn what_has_held_once_holds_but_not_before_there_is_a_configuration() {
        let now = SystemTime::now();
        let own = authority(now);
        let leaf = leaf(&own, now);
        let publication = with(Vec::new());
        assert_eq!(publication.check(Some(&leaf), now), Ok(()));
        let wiped = vec![PublishedEntry { server_name: NAME.to_owned(), bundle: Vec::new() }];
        publication.set(Webhook::MutatePods, wiped.clone());
        assert!(publication.check(Some(&leaf), now).is_err(), "a new one has no bundle yet");
        publication.set(Webhook::MutatePods, entry(&own));
        assert_eq!(publication.check(Some(&leaf), now), Ok(()));
        publication.set(Webhook::MutatePods, wiped);
        assert_eq!(publication.check(Some(&leaf), now), Ok(()), "it is mended meanwhile");
        assert!(publication.verify(&leaf, now).is_err());
    }

    #[test]
    fn an_authority_out_of_its_dates_verifies_nothing() {
        let now = SystemTime::now();
        let own = authority(now);
        let leaf = leaf(&own, now);
        let publication = with(entry(&own));
        assert_eq!(publication.verify(&leaf, now), Ok(()));
        let before = publication.verify(&leaf, now - Duration::from_secs(3 * 3600));
        assert!(before.is_err_and(|why| why.contains("begins later")));
    }

    #[test]
    fn a_certificate_is_carried_where_every_configuration_has_it() {
        let now = SystemTime::now();
        let (own, other) = (authority(now), authority(now));
        let certificate = own.signing_certificate();
        assert!(!Publication::new().carries(certificate), "nothing is known");
        assert!(with(entry(&own)).carries(certificate));
        assert!(with(Vec::new()).carries(certificate));
        let publication = with(entry(&own));
        publication.set(Webhook::ValidateServices, entry(&other));
        assert!(!publication.carries(certificate));
    }

    #[test]
    fn what_is_known_is_not_forgotten_when_the_watch_breaks() {
        let now = SystemTime::now();
        let own = authority(now);
        let publication = with(entry(&own));
        publication.unreadable(Webhook::MutatePods, "forbidden".to_owned());
        assert!(publication.carries(own.signing_certificate()));
        let unknown = Publication::new();
        unknown.unreadable(Webhook::ValidateServices, "forbidden".to_owned());
        let why = unknown.verify(&leaf(&own, now), now).expect_err("unknown");
        assert_eq!(why, "clbmigrate-validate-services: forbidden");
    }
}
