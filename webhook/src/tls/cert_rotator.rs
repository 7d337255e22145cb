//! Makes this replica's serving certificate, and rotates it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::StreamExt as _;
use kube::runtime::{WatchStreamExt as _, watcher::watch_object};
use tokio::{
    sync::{mpsc, watch},
    time::{MissedTickBehavior, interval, sleep},
};

use super::{
    CaBundle, CertResolver, CertificateAuthority,
    authority_secret::{AuthoritySecret, SECRET_NAME, SecretError},
};

/// How often the certificate's age is checked, by the wall clock: that goes on while a machine sleeps,
/// timers do not.
const CHECK_INTERVAL: Duration = Duration::from_secs(60);

/// How long to wait between two tries to reach the Secret.
const RETRY_DELAY: Duration = Duration::from_secs(2);

/// Signs this replica's serving certificate with the shared authority, and renews it.
pub struct CertRotator {
    secret: AuthoritySecret,
    server_names: Vec<String>,
    resolver: Arc<CertResolver>,
    bundle: watch::Sender<Option<CaBundle>>,
    authority: Option<CertificateAuthority>,
    /// The certificate of the authority that has signed the serving certificate in use.
    signer: Option<String>,
}

impl CertRotator {
    /// A rotator of certificates for these DNS names and IP addresses. It hands each certificate to
    /// `resolver`, and the authority's bundle to `bundle`.
    pub fn new(
        secret: AuthoritySecret,
        server_names: Vec<String>,
        resolver: Arc<CertResolver>,
        bundle: watch::Sender<Option<CaBundle>>,
    ) -> Self {
        Self { secret, server_names, resolver, bundle, authority: None, signer: None }
    }

    /// Keeps the certificate fresh, for ever. `newer` brings generations that are published and higher
    /// than the bundle's.
    pub async fn run(mut self, mut newer: mpsc::Receiver<u64>) {
        while let Err(error) = self.load_authority(SystemTime::now()).await {
            tracing::warn!(%error, "no authority yet");
            sleep(RETRY_DELAY).await;
        }
        let mut secrets = watch_object(self.secret.api(), SECRET_NAME).default_backoff().boxed();
        let mut ticks = interval(CHECK_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let updated = tokio::select! {
                secret = secrets.next() => match secret {
                    // Whatever has happened to it, what counts is what is there now.
                    Some(Ok(_)) => self.load_authority(SystemTime::now()).await,
                    Some(Err(error)) => {
                        tracing::warn!(secret = SECRET_NAME, %error, "not watched");
                        continue;
                    }
                    None => return,
                },
                Some(generation) = newer.recv() => self.exceed(generation, SystemTime::now()).await,
                _ = ticks.tick() => self.renew(SystemTime::now()),
            };
            if let Err(error) = updated {
                tracing::warn!(%error, "the certificate stays as it is");
                sleep(RETRY_DELAY).await;
            }
        }
    }

    async fn load_authority(&mut self, now: SystemTime) -> Result<(), SecretError> {
        let authority = self.secret.load_or_create(self.authority.as_ref(), now).await?;
        self.use_authority(authority, now)
    }

    /// Raises the bundle's generation beyond one that is published: the Secret that counted so far was
    /// lost.
    async fn exceed(&mut self, published: u64, now: SystemTime) -> Result<(), SecretError> {
        if self.bundle.borrow().as_ref().is_some_and(|it| it.generation() >= published) {
            return Ok(());
        }
        let authority = self.secret.raise_generation(published, now).await?;
        self.use_authority(authority, now)
    }

    fn use_authority(
        &mut self,
        authority: CertificateAuthority,
        now: SystemTime,
    ) -> Result<(), SecretError> {
        let bundle = Some(authority.bundle().clone());
        self.authority = Some(authority);
        self.renew(now)?;
        self.bundle.send_if_modified(|known| {
            let is_new = *known != bundle;
            if is_new {
                known.clone_from(&bundle);
            }
            is_new
        });
        Ok(())
    }

    /// Signs a new serving certificate if the one in use needs renewal, or is another authority's.
    fn renew(&mut self, now: SystemTime) -> Result<(), SecretError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let is_signers = self.signer.as_deref() == Some(authority.certificate());
        let is_fresh = self.resolver.current().is_some_and(|current| !current.needs_renewal(now));
        if is_signers && is_fresh {
            return Ok(());
        }
        let certificate = authority.sign(&self.server_names, now)?;
        tracing::info!(servers = %self.server_names.join(","), "new certificate");
        self.signer = Some(authority.certificate().to_owned());
        self.resolver.set(certificate);
        Ok(())
    }
}
