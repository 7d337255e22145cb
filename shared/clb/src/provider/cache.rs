//! Credentials that are kept, and renewed before they expire.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{Credentials, CredentialsResolver, Lifetime, Provider};
use crate::{Error, ErrorKind};

/// How long before their expiry credentials are renewed (Alibaba Cloud's SDKs: 180 s).
const MARGIN: SignedDuration = SignedDuration::from_secs(180);

/// Caches a provider's credentials and renews them in time.
pub(crate) struct CredentialsCache {
    provider: Provider,
    /// Where the provider was found, for messages.
    pub(crate) place: String,
    pub(crate) resolver: CredentialsResolver,
    cached: Mutex<Option<Credentials>>,
}

impl CredentialsCache {
    pub(crate) fn new(provider: Provider, place: String, resolver: CredentialsResolver) -> Self {
        Self { provider, place, resolver, cached: Mutex::new(None) }
    }

    /// Credentials for the next call: the cached ones, or fresh ones within [`MARGIN`] of their
    /// expiry.
    ///
    /// # Errors
    /// The provider fails and the cached credentials have expired, or it gives expired ones.
    pub(crate) async fn credentials(&self, deadline: Instant) -> Result<Credentials, Error> {
        let mut cached = self.cached.lock().await;
        let now = self.resolver.rpc.environment.now();
        if let Some(credentials) =
            cached.as_ref().filter(|credentials| credentials.are_valid(now, MARGIN))
        {
            return Ok(credentials.clone());
        }
        match self.resolver.resolve(&self.provider, &self.place, deadline).await {
            Ok(credentials) if credentials.are_valid(now, SignedDuration::ZERO) => {
                Ok(cached.insert(credentials).clone())
            }
            Ok(credentials) => {
                let end =
                    credentials.expires.map(|end| format!(" since {end}")).unwrap_or_default();
                let message = format!("{}: the STS token has expired{end}", self.place);
                Err(Error::new(ErrorKind::Expired, message)
                    .hint("log in again, or see whether this machine's clock is right"))
            }
            // The cached credentials are used until they expire.
            Err(error) => {
                let left = cached
                    .as_ref()
                    .filter(|credentials| credentials.are_valid(now, SignedDuration::ZERO));
                left.cloned().ok_or_else(|| error.with_place(&self.place))
            }
        }
    }

    /// Drops the cached credentials if they are the `refused` ones. Returns whether the provider
    /// may give others.
    pub(crate) async fn invalidate(&self, refused: &Credentials) -> bool {
        let mut cached = self.cached.lock().await;
        if cached.as_ref().is_some_and(|credentials| credentials.id == refused.id) {
            *cached = None;
        }
        self.provider.is_renewable()
    }

    /// Whether calls can still be signed `time` from now; `None` where the expiry is unknown.
    pub(crate) async fn credentials_valid_for(&self, time: Duration) -> Option<bool> {
        let lifetime = self.provider.lifetime();
        if lifetime == Lifetime::Unlimited {
            return Some(true);
        }
        let now = self.resolver.rpc.environment.now();
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let lasts = |end: Timestamp| end.duration_since(now) > time;
        // A role's credentials may last longer than those that assumed it.
        let cached = self.cached.lock().await.as_ref().and_then(|credentials| credentials.expires);
        if cached.is_some_and(lasts) {
            return Some(true);
        }
        match lifetime {
            Lifetime::Until(end) => Some(lasts(end)),
            Lifetime::Unlimited | Lifetime::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
