//! Keeps a certificate of the webhook's own at hand.

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
    Authority, Bundle, Resolver,
    secret::{SECRET, SecretError, Vault},
};

/// How often the certificate's age is looked at, by the clock on the wall: that one goes on while a
/// machine sleeps, timers do not.
const LOOK: Duration = Duration::from_secs(60);

/// Between two tries to reach the Secret.
const RETRY: Duration = Duration::from_secs(2);

/// Signs this replica's certificate with the shared authority, and renews it.
pub struct Keeper {
    vault: Vault,
    servers: Vec<String>,
    resolver: Arc<Resolver>,
    bundle: watch::Sender<Option<Bundle>>,
    authority: Option<Authority>,
    /// The certificate of what signed the certificate that is shown.
    signer: Option<String>,
}

impl Keeper {
    /// A keeper for a server of these names; the bundle is told to `bundle`.
    pub fn new(
        vault: Vault,
        servers: Vec<String>,
        resolver: Arc<Resolver>,
        bundle: watch::Sender<Option<Bundle>>,
    ) -> Self {
        Self { vault, servers, resolver, bundle, authority: None, signer: None }
    }

    /// Keeps for ever. `behind` brings generations that are published and newer than ours.
    pub async fn run(mut self, mut behind: mpsc::Receiver<u64>) {
        while let Err(error) = self.open(SystemTime::now()).await {
            tracing::warn!(%error, "no authority yet");
            sleep(RETRY).await;
        }
        let mut secrets = watch_object(self.vault.api(), SECRET).default_backoff().boxed();
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let kept = tokio::select! {
                secret = secrets.next() => match secret {
                    // Whatever has happened to it, what counts is what is there now.
                    Some(Ok(_)) => self.open(SystemTime::now()).await,
                    Some(Err(error)) => {
                        tracing::warn!(secret = SECRET, %error, "not watched");
                        continue;
                    }
                    None => return,
                },
                Some(generation) = behind.recv() => self.pass(generation, SystemTime::now()).await,
                _ = looks.tick() => self.renew(SystemTime::now()),
            };
            if let Err(error) = kept {
                tracing::warn!(%error, "the certificate stays as it is");
                sleep(RETRY).await;
            }
        }
    }

    async fn open(&mut self, now: SystemTime) -> Result<(), SecretError> {
        let authority = self.vault.open(self.authority.as_ref(), now).await?;
        self.take(authority, now)
    }

    /// Somebody has published a bundle that counts as newer than the Secret's: with the Secret its
    /// count was lost. Ours goes on from there.
    async fn pass(&mut self, published: u64, now: SystemTime) -> Result<(), SecretError> {
        if self.bundle.borrow().as_ref().is_some_and(|it| it.generation() >= published) {
            return Ok(());
        }
        let authority = self.vault.pass(published, now).await?;
        self.take(authority, now)
    }

    fn take(&mut self, authority: Authority, now: SystemTime) -> Result<(), SecretError> {
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

    /// Shows a new certificate if the one there is old, or another authority's.
    fn renew(&mut self, now: SystemTime) -> Result<(), SecretError> {
        let Some(authority) = &self.authority else { return Ok(()) };
        let is_signers = self.signer.as_deref() == Some(authority.certificate());
        let is_fresh = self.resolver.current().is_some_and(|pair| !pair.is_old(now));
        if is_signers && is_fresh {
            return Ok(());
        }
        let pair = authority.sign(&self.servers, now)?;
        tracing::info!(servers = %self.servers.join(","), "new certificate");
        self.signer = Some(authority.certificate().to_owned());
        self.resolver.show(pair);
        Ok(())
    }
}
