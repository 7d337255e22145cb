//! Keys that are renewed before they end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{Credentials, CredentialsResolver, Lifetime, Provider};
use crate::{Error, ErrorKind};

/// How long before their end keys are renewed (Alibaba Cloud's SDKs: 180 s).
const MARGIN: SignedDuration = SignedDuration::from_secs(180);

/// Holds keys, and gets new ones in time.
pub(crate) struct CredentialsCache {
    provider: Provider,
    /// Where the means come from, in words.
    pub(crate) place: String,
    pub(crate) resolver: CredentialsResolver,
    held: Mutex<Option<Credentials>>,
}

impl CredentialsCache {
    pub(crate) fn new(provider: Provider, place: String, resolver: CredentialsResolver) -> Self {
        Self { provider, place, resolver, held: Mutex::new(None) }
    }

    /// Keys that are good for the next call.
    pub(crate) async fn credentials(&self, deadline: Instant) -> Result<Credentials, Error> {
        let mut held = self.held.lock().await;
        let now = self.resolver.rpc.environment.now();
        if let Some(credentials) = held.as_ref().filter(|credentials| credentials.last(now, MARGIN))
        {
            return Ok(credentials.clone());
        }
        match self.resolver.resolve(&self.provider, &self.place, deadline).await {
            Ok(credentials) if credentials.last(now, SignedDuration::ZERO) => {
                Ok(held.insert(credentials).clone())
            }
            Ok(credentials) => {
                let end =
                    credentials.expires.map(|end| format!(" since {end}")).unwrap_or_default();
                let message = format!("{}: the STS token has expired{end}", self.place);
                Err(Error::new(ErrorKind::Expired, message)
                    .hint("log in again, or see whether this machine's clock is right"))
            }
            // A renewal that fails does no harm yet while the present keys last.
            Err(error) => {
                let left =
                    held.as_ref().filter(|credentials| credentials.last(now, SignedDuration::ZERO));
                left.cloned().ok_or_else(|| error.at(&self.place))
            }
        }
    }

    /// Throws the keys away that the cloud does not accept. Whether other ones may be had.
    pub(crate) async fn invalidate(&self, refused: &Credentials) -> bool {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|credentials| credentials.id == refused.id) {
            *held = None;
        }
        self.provider.is_renewable()
    }

    /// Whether calls can still be signed `time` from now; `None` where nobody can say.
    pub(crate) async fn credentials_valid_for(&self, time: Duration) -> Option<bool> {
        let lifetime = self.provider.lifetime();
        if lifetime == Lifetime::Unlimited {
            return Some(true);
        }
        let now = self.resolver.rpc.environment.now();
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let lasts = |end: Timestamp| end.duration_since(now) > time;
        // A role's keys may last longer than those they were had with.
        let held = self.held.lock().await.as_ref().and_then(|credentials| credentials.expires);
        if held.is_some_and(lasts) {
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
