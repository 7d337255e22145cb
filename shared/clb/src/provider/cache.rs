//! Keys that are renewed before they end.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Mutex, time::Instant};

use super::{Issuer, Keys, Life, Means};
use crate::{Error, ErrorKind};

/// How long before their end keys are renewed (Alibaba Cloud's SDKs: 180 s).
const MARGIN: SignedDuration = SignedDuration::from_secs(180);

/// Holds keys, and gets new ones in time.
pub(crate) struct Keeper {
    means: Means,
    /// Where the means come from, in words.
    pub(crate) place: String,
    pub(crate) issuer: Issuer,
    held: Mutex<Option<Keys>>,
}

impl Keeper {
    pub(crate) fn new(means: Means, place: String, issuer: Issuer) -> Self {
        Self { means, place, issuer, held: Mutex::new(None) }
    }

    /// Keys that are good for the next call.
    pub(crate) async fn keys(&self, deadline: Instant) -> Result<Keys, Error> {
        let mut held = self.held.lock().await;
        let now = self.issuer.caller.surroundings.now();
        if let Some(keys) = held.as_ref().filter(|keys| keys.last(now, MARGIN)) {
            return Ok(keys.clone());
        }
        match self.issuer.obtain(&self.means, &self.place, deadline).await {
            Ok(keys) if keys.last(now, SignedDuration::ZERO) => Ok(held.insert(keys).clone()),
            Ok(keys) => {
                let end = keys.expires.map(|end| format!(" since {end}")).unwrap_or_default();
                let message = format!("{}: the STS token has expired{end}", self.place);
                Err(Error::new(ErrorKind::Expired, message)
                    .hint("log in again, or see whether this machine's clock is right"))
            }
            // A renewal that fails does no harm yet while the present keys last.
            Err(error) => {
                let left = held.as_ref().filter(|keys| keys.last(now, SignedDuration::ZERO));
                left.cloned().ok_or_else(|| error.at(&self.place))
            }
        }
    }

    /// Throws the keys away that the cloud does not accept. Whether other ones may be had.
    pub(crate) async fn forget(&self, refused: &Keys) -> bool {
        let mut held = self.held.lock().await;
        if held.as_ref().is_some_and(|keys| keys.id == refused.id) {
            *held = None;
        }
        self.means.is_renewable()
    }

    /// Whether calls can still be signed `time` from now; `None` where nobody can say.
    pub(crate) async fn outlives(&self, time: Duration) -> Option<bool> {
        let life = self.means.life();
        if life == Life::Unlimited {
            return Some(true);
        }
        let now = self.issuer.caller.surroundings.now();
        let time = SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX);
        let lasts = |end: Timestamp| end.duration_since(now) > time;
        // A role's keys may last longer than those they were had with.
        let held = self.held.lock().await.as_ref().and_then(|keys| keys.expires);
        if held.is_some_and(lasts) {
            return Some(true);
        }
        match life {
            Life::Until(end) => Some(lasts(end)),
            Life::Unlimited | Life::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests;
