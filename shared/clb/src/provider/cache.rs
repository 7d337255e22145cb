//! Credentials that are kept, and renewed before they expire.

use std::{
    sync::{Mutex as SyncMutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{
    sync::Mutex,
    time::{Instant, timeout_at},
};

use super::{Credentials, CredentialsResolver, Lifetime, Provider};
use crate::{Error, ErrorKind};

/// How long before their expiry credentials are renewed (Alibaba Cloud's SDKs: 180 s).
const MARGIN: SignedDuration = SignedDuration::from_secs(180);
/// The longest that a call waits for a renewal while the cached credentials are still valid. It
/// also waits no longer than half the time it has left.
const RENEWAL: Duration = Duration::from_secs(5);
/// How long no renewal is tried after one failed, while the cached credentials are still valid.
const PAUSE: Duration = Duration::from_secs(30);

/// Caches a provider's credentials and renews them in time.
pub(crate) struct CredentialsCache {
    provider: Provider,
    /// Where the provider was found, for messages.
    pub(crate) place: String,
    pub(crate) resolver: CredentialsResolver,
    cached: SyncMutex<Cached>,
    /// Held by the call that renews the credentials.
    renewing: Mutex<()>,
}

#[derive(Default)]
struct Cached {
    credentials: Option<Credentials>,
    /// When a renewal failed, if none has succeeded since.
    failed: Option<Instant>,
}

/// What the cache holds at a moment.
enum Held {
    /// Credentials that need no renewal yet.
    Fresh(Credentials),
    /// Credentials that are valid, and near their end.
    Ending(Credentials),
    /// No valid ones.
    Nothing,
}

impl CredentialsCache {
    pub(crate) fn new(provider: Provider, place: String, resolver: CredentialsResolver) -> Self {
        Self { provider, place, resolver, cached: SyncMutex::default(), renewing: Mutex::new(()) }
    }

    /// Credentials for the next call: the cached ones, or fresh ones within [`MARGIN`] of their
    /// expiry. While the cached ones are valid, a renewal takes [`RENEWAL`] at most, and one that
    /// fails is no error.
    ///
    /// # Errors
    /// The provider fails or `deadline` passes, and the cached credentials have expired; or the
    /// provider gives expired ones.
    pub(crate) async fn credentials(&self, deadline: Instant) -> Result<Credentials, Error> {
        let _renewing = match self.held() {
            Held::Fresh(credentials) => return Ok(credentials),
            // Another call renews them already: this one need not wait for it.
            Held::Ending(credentials) => match self.renewing.try_lock() {
                Ok(guard) => guard,
                Err(_) => return Ok(credentials),
            },
            Held::Nothing => timeout_at(deadline, self.renewing.lock())
                .await
                .map_err(|_| late("another call still waits for them").with_place(&self.place))?,
        };
        // Another call may have renewed them during the wait.
        match self.held() {
            Held::Fresh(credentials) => return Ok(credentials),
            Held::Ending(credentials) if self.has_failed_lately() => return Ok(credentials),
            Held::Ending(_) => {
                let half = deadline.saturating_duration_since(Instant::now()) / 2;
                let renewed = self.renew(Instant::now() + RENEWAL.min(half)).await;
                match (renewed, self.held()) {
                    (Ok(credentials), _)
                    | (Err(_), Held::Fresh(credentials) | Held::Ending(credentials)) => {
                        return Ok(credentials);
                    }
                    // They have ended meanwhile.
                    (Err(_), Held::Nothing) => {}
                }
            }
            Held::Nothing => {}
        }
        self.renew(deadline).await
    }

    /// Asks the provider, and keeps what it gives.
    async fn renew(&self, deadline: Instant) -> Result<Credentials, Error> {
        let resolved =
            timeout_at(deadline, self.resolver.resolve(&self.provider, &self.place, deadline))
                .await
                .unwrap_or_else(|_| Err(late("their source has not given them")));
        let result = resolved
            .map_err(|error| error.before_call().with_place(&self.place))
            .and_then(|credentials| self.unexpired(credentials));
        let mut cached = self.cached();
        match &result {
            Ok(credentials) => {
                *cached = Cached { credentials: Some(credentials.clone()), failed: None };
            }
            Err(_) => cached.failed = Some(Instant::now()),
        }
        result
    }

    fn unexpired(&self, credentials: Credentials) -> Result<Credentials, Error> {
        if credentials.are_valid(self.now(), SignedDuration::ZERO) {
            return Ok(credentials);
        }
        let end = credentials.expires.map(|end| format!(" since {end}")).unwrap_or_default();
        let message = format!("{}: the STS token has expired{end}", self.place);
        Err(Error::new(ErrorKind::Expired, message)
            .hint("log in again, or see whether this machine's clock is right"))
    }

    /// What the cache holds, by the clock as it stands now.
    fn held(&self) -> Held {
        let now = self.now();
        match &self.cached().credentials {
            Some(credentials) if credentials.are_valid(now, MARGIN) => {
                Held::Fresh(credentials.clone())
            }
            Some(credentials) if credentials.are_valid(now, SignedDuration::ZERO) => {
                Held::Ending(credentials.clone())
            }
            _ => Held::Nothing,
        }
    }

    fn has_failed_lately(&self) -> bool {
        self.cached().failed.is_some_and(|failed| failed.elapsed() < PAUSE)
    }

    fn now(&self) -> Timestamp {
        self.resolver.rpc.environment.now()
    }

    fn cached(&self) -> MutexGuard<'_, Cached> {
        self.cached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Drops the cached credentials if they are the `refused` ones. Returns whether the provider
    /// may give others.
    pub(crate) fn invalidate(&self, refused: &Credentials) -> bool {
        let mut cached = self.cached();
        if cached.credentials.as_ref().is_some_and(|credentials| credentials.id == refused.id) {
            cached.credentials = None;
        }
        self.provider.is_renewable()
    }

    /// Whether calls can still be signed `time` from now; `None` where the expiry is unknown.
    pub(crate) fn credentials_valid_for(&self, time: Duration) -> Option<bool> {
        let lifetime = self.provider.lifetime();
        if lifetime == Lifetime::Unlimited {
            return Some(true);
        }
        let now = self.now();
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let lasts = |end: Timestamp| end.duration_since(now) > time;
        // A role's credentials may last longer than those that assumed it.
        let cached = self.cached().credentials.as_ref().and_then(|credentials| credentials.expires);
        if cached.is_some_and(lasts) {
            return Some(true);
        }
        match lifetime {
            Lifetime::Until(end) => Some(lasts(end)),
            Lifetime::Unlimited | Lifetime::Unknown => None,
        }
    }
}

fn late(why: &str) -> Error {
    Error::new(ErrorKind::Deadline, format!("no credentials before the time was over: {why}"))
}

#[cfg(test)]
mod tests;
