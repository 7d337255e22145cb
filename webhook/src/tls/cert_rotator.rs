//! Makes this replica's serving certificate, and rotates it and the authority behind it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use kube::{
    Client,
    runtime::{WatchStreamExt as _, watcher::watch_object},
};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, sleep},
};

use super::{
    CaBundle, CertResolver, CertificateAuthority, Publication,
    authority_secret::{AuthoritySecret, SECRET_NAME, SecretError},
};
use crate::server_clock::{ServerClock, ServerClockError};

/// How often the certificates' ages are checked at least, by the wall clock: that goes on while a machine
/// sleeps, timers do not.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);
/// The same where something is awaited, or certificates live for seconds.
const SHORT_INTERVAL: Duration = Duration::from_secs(1);
/// How often a certificate's age is checked during its life.
const CHECKS_IN_A_LIFE: u32 = 20;

/// How long to wait between two tries to reach the Secret.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// How long a certificate of another authority waits until that one is published.
const MAX_PUBLICATION_DELAY: Duration = Duration::from_secs(300);

/// What a rotator works with.
pub struct CertRotatorSetup {
    /// A client of the API server.
    pub client: Client,
    /// The authority's Secret.
    pub secret: AuthoritySecret,
    /// The DNS names and IP addresses that serving certificates are for.
    pub server_names: Vec<String>,
    /// Receives each serving certificate.
    pub resolver: Arc<CertResolver>,
    /// Receives the authority's bundle.
    pub bundle: watch::Sender<Option<CaBundle>>,
    /// Tells the time.
    pub clock: Arc<ServerClock>,
    /// Tells what webhook configurations carry.
    pub publication: Arc<Publication>,
}

/// Signs this replica's serving certificate with the shared authority, and renews both.
pub struct CertRotator {
    setup: CertRotatorSetup,
    authority: Option<CertificateAuthority>,
    /// The certificate of the authority that has signed the serving certificate in use.
    signer: Option<String>,
    /// Since when a certificate of another authority waits for that one's publication.
    waits_since: Option<Instant>,
}

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Clock(#[from] ServerClockError),
    #[error(transparent)]
    Secret(#[from] SecretError),
}

impl CertRotator {
    /// A rotator that has not read the authority yet.
    pub fn new(setup: CertRotatorSetup) -> Self {
        Self { setup, authority: None, signer: None, waits_since: None }
    }

    /// Keeps the certificates fresh, for ever. `newer` brings generations that are published and higher
    /// than the bundle's.
    pub async fn run(mut self, mut newer: mpsc::Receiver<u64>) {
        while let Err(error) = self.start().await {
            tracing::warn!(%error, "no authority yet");
            sleep(RETRY_DELAY).await;
        }
        let secrets = watch_object(self.setup.secret.api(), SECRET_NAME);
        let mut secrets = secrets.default_backoff().boxed();
        let mut published = self.setup.publication.changes();
        loop {
            let updated = tokio::select! {
                secret = secrets.next() => match secret {
                    // Whatever has happened to it, what counts is what is there now.
                    Some(Ok(_)) => self.load_authority().await,
                    Some(Err(error)) => {
                        tracing::warn!(secret = SECRET_NAME, %error, "not watched");
                        continue;
                    }
                    None => return,
                },
                Some(generation) = newer.recv() => self.exceed(generation).await,
                // The sender lives in the publication.
                _ = published.changed() => self.check().await,
                () = sleep(self.interval()) => self.check().await,
            };
            if let Err(error) = updated {
                tracing::warn!(%error, "the certificate stays as it is");
                sleep(RETRY_DELAY).await;
            }
        }
    }

    /// Loads the authority for the first time. It may be made only by the API server's clock: one that
    /// was made by a wrong clock would be everybody's.
    async fn start(&mut self) -> Result<(), StartError> {
        self.setup.clock.compare(&self.setup.client).await?;
        Ok(self.load_authority().await?)
    }

    fn interval(&self) -> Duration {
        let lifetimes = self.setup.secret.lifetimes();
        let shortest = lifetimes.leaf.min(lifetimes.authority) / CHECKS_IN_A_LIFE;
        let interval = shortest.clamp(SHORT_INTERVAL, CHECK_INTERVAL);
        if self.waits_since.is_some() { SHORT_INTERVAL } else { interval }
    }

    async fn load_authority(&mut self) -> Result<(), SecretError> {
        let now = self.setup.clock.now();
        let authority = self.setup.secret.load_or_create(self.authority.as_ref(), now).await?;
        self.use_authority(authority, now)
    }

    /// Raises the bundle's generation beyond one that is published: the Secret that counted so far was
    /// lost.
    async fn exceed(&mut self, published: u64) -> Result<(), SecretError> {
        let known = self.setup.bundle.borrow().as_ref().map(CaBundle::generation);
        if known.is_some_and(|known| known >= published) {
            return Ok(());
        }
        let now = self.setup.clock.now();
        let authority = self.setup.secret.raise_generation(published, now).await?;
        self.use_authority(authority, now)
    }

    /// Does what is due: a step of the authority's rotation, or a new serving certificate.
    async fn check(&mut self) -> Result<(), SecretError> {
        let now = self.setup.clock.now();
        let publication = Arc::clone(&self.setup.publication);
        let is_published = |certificate: &_| publication.carries(certificate);
        let Some(authority) = &self.authority else { return Ok(()) };
        if authority.due_step(now, is_published).is_none() {
            return self.renew(now);
        }
        let authority = self.setup.secret.rotate(is_published, now).await?;
        self.use_authority(authority, now)
    }

    fn use_authority(
        &mut self,
        authority: CertificateAuthority,
        now: SystemTime,
    ) -> Result<(), SecretError> {
        let bundle = Some(authority.bundle().clone());
        self.setup.resolver.show_authority_expiry(authority.not_after());
        self.authority = Some(authority);
        self.setup.bundle.send_if_modified(|known| {
            let is_new = *known != bundle;
            if is_new {
                known.clone_from(&bundle);
            }
            is_new
        });
        self.renew(now)
    }

    /// Signs a new serving certificate if the one in use needs renewal, or is another authority's.
    fn renew(&mut self, now: SystemTime) -> Result<(), SecretError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let current = self.setup.resolver.current();
        let is_signers = self.signer.as_deref() == Some(authority.certificate());
        if is_signers && current.as_ref().is_some_and(|current| !current.needs_renewal(now)) {
            self.waits_since = None;
            return Ok(());
        }
        // One that is trusted is not given up for one that may not be yet.
        let serves = current.is_some_and(|current| now < current.not_after());
        if serves
            && !is_signers
            && !self.setup.publication.carries(authority.signing_certificate())
            && self.waits_since.get_or_insert_with(Instant::now).elapsed() < MAX_PUBLICATION_DELAY
        {
            return Ok(());
        }
        self.waits_since = None;
        let certificate = authority.sign(&self.setup.server_names, now)?;
        tracing::info!(servers = %self.setup.server_names.join(","), "new certificate");
        self.signer = Some(authority.certificate().to_owned());
        self.setup.resolver.set(certificate);
        Ok(())
    }
}
