//! One kind of objects that is followed: where it comes from, where it goes, and whether it flows.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::count;

/// Takes what a watch tells.
pub(super) trait Sink: Send + Sync {
    /// An object as it is now, as JSON.
    fn put(&self, object: &str) -> Result<(), serde_json::Error>;

    /// An object is gone.
    fn remove(&self, namespace: &str, name: &str);

    /// A listing is complete: whatever is not in it is gone.
    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool);
}

/// A path that is listed and watched.
pub(super) struct Feed {
    kind: &'static str,
    path: &'static str,
    /// Whether nothing is judged before it has been listed.
    is_needed: bool,
    is_synced: AtomicBool,
    is_refused: AtomicBool,
    /// Milliseconds after the start of the program at which the API server was last heard of.
    heard: AtomicU64,
    unreadable: AtomicU64,
}

impl Feed {
    /// A feed without which rules would judge wrongly.
    pub fn needed(kind: &'static str, path: &'static str) -> Self {
        Self {
            kind,
            path,
            is_needed: true,
            is_synced: AtomicBool::new(false),
            is_refused: AtomicBool::new(false),
            heard: AtomicU64::new(NEVER),
            unreadable: AtomicU64::new(0),
        }
    }

    /// A feed that a cluster may not have, or not give.
    pub fn useful(kind: &'static str, path: &'static str) -> Self {
        Self { is_needed: false, ..Self::needed(kind, path) }
    }

    /// What is followed: a plural, for metrics.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The path, with its query if it has one.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Whether it has been listed, or need not be.
    pub fn is_synced(&self) -> bool {
        self.is_synced.load(Ordering::Acquire) || (!self.is_needed && self.is_refused())
    }

    /// Whether the API server does not give it.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Ordering::Acquire)
    }

    /// How long ago the API server was heard of; `None` where it never was, or does not give this.
    pub fn age(&self) -> Option<Duration> {
        let heard = self.heard.load(Ordering::Relaxed);
        let is_dead = heard == NEVER || (!self.is_needed && self.is_refused());
        (!is_dead).then(|| Duration::from_millis(now().saturating_sub(heard)))
    }

    /// How many objects could not be read.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// The API server has said something.
    pub(super) fn hear(&self) {
        self.heard.store(now(), Ordering::Relaxed);
    }

    /// The listing is complete.
    pub(super) fn sync(&self) {
        self.is_refused.store(false, Ordering::Release);
        self.is_synced.store(true, Ordering::Release);
    }

    /// The API server does not give it.
    pub(super) fn refuse(&self) {
        self.is_refused.store(true, Ordering::Release);
    }

    /// Notes an object that cannot be read; what was known of it stays.
    pub(super) fn skip(&self, object: &str, error: &serde_json::Error) {
        count(&self.unreadable);
        tracing::warn!(path = self.path, object, %error, "an object cannot be read and is left as it was");
    }
}

/// Stands for not having been heard of yet.
const NEVER: u64 = u64::MAX;

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
