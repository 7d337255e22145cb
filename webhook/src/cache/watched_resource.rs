//! One kind of objects that is listed and watched: where it comes from, and how the watch fares.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use crate::rights;

/// Stores what lists and watches bring.
pub(super) trait ObjectStore: Send + Sync {
    /// Stores an object as it is now, given as JSON, in place of the one of that name.
    ///
    /// # Errors
    /// When it cannot be read; what was stored stays.
    fn put(&self, object: &str) -> Result<(), serde_json::Error>;

    /// Removes an object.
    fn remove(&self, namespace: &str, name: &str);

    /// Removes all objects that are not there any more, by namespace and name: a list is complete.
    fn retain(&self, is_there: &dyn Fn(&str, &str) -> bool);
}

/// A path that is listed and watched, and the state of its watch.
pub(super) struct WatchedResource {
    kind: &'static str,
    path: &'static str,
    /// Whether rules look at it, or it is judged itself.
    is_needed: bool,
    /// Whether nothing is judged before it has been listed.
    is_required: bool,
    is_synced: AtomicBool,
    is_unavailable: AtomicBool,
    /// When the API server was last heard of, in milliseconds after the first such moment.
    last_heard: AtomicU64,
    unreadable: AtomicU64,
}

impl WatchedResource {
    /// A resource without which rules would judge wrongly. `kind` is a plural, for metrics; `path` may
    /// have a query.
    pub fn required(kind: &'static str, path: &'static str) -> Self {
        let is_needed = rights::is_watched(kind);
        Self {
            kind,
            path,
            is_needed,
            is_required: is_needed,
            is_synced: AtomicBool::new(false),
            is_unavailable: AtomicBool::new(false),
            last_heard: AtomicU64::new(NEVER),
            unreadable: AtomicU64::new(0),
        }
    }

    /// A resource that a cluster may not have, or may not let this program read.
    pub fn optional(kind: &'static str, path: &'static str) -> Self {
        Self { is_required: false, ..Self::required(kind, path) }
    }

    /// The kind as a plural, for metrics.
    pub fn kind(&self) -> &'static str {
        self.kind
    }

    /// The path, with its query if it has one.
    pub fn path(&self) -> &'static str {
        self.path
    }

    /// Whether rules look at it, or it is judged itself. Any other resource is not watched.
    pub fn is_needed(&self) -> bool {
        self.is_needed
    }

    /// Whether nothing is judged before it has been listed.
    pub fn is_required(&self) -> bool {
        self.is_required
    }

    /// Whether the resource has been listed, or need not be because it is optional and unavailable.
    pub fn is_synced(&self) -> bool {
        self.is_synced.load(Ordering::Acquire)
            || (!self.is_required && self.is_unavailable())
            || !self.is_needed
    }

    /// Whether the API server has refused to list it, or does not know it.
    pub fn is_unavailable(&self) -> bool {
        self.is_unavailable.load(Ordering::Acquire)
    }

    /// How long ago the API server was last heard of; `None` before it was, and for an optional resource
    /// that is unavailable.
    pub fn age(&self) -> Option<Duration> {
        let heard = self.last_heard.load(Ordering::Relaxed);
        let is_dead = heard == NEVER || (!self.is_required && self.is_unavailable());
        (!is_dead).then(|| Duration::from_millis(now().saturating_sub(heard)))
    }

    /// How many objects could not be read so far.
    pub fn unreadable(&self) -> u64 {
        self.unreadable.load(Ordering::Relaxed)
    }

    /// Notes that the API server was heard of now.
    pub(super) fn mark_heard(&self) {
        self.last_heard.store(now(), Ordering::Relaxed);
    }

    /// Notes that a list is complete.
    pub(super) fn mark_synced(&self) {
        self.is_unavailable.store(false, Ordering::Release);
        self.is_synced.store(true, Ordering::Release);
    }

    /// Notes that the API server refuses to list the resource, or does not know it.
    pub(super) fn mark_unavailable(&self) {
        self.is_unavailable.store(true, Ordering::Release);
    }

    /// Counts and logs an object that cannot be read; what was stored of it stays.
    pub(super) fn skip_unreadable(&self, object: &str, error: &serde_json::Error) {
        self.unreadable.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(path = self.path, object, %error, "an object cannot be read and is left as it was");
    }
}

/// The value of `last_heard` before the API server was heard of.
const NEVER: u64 = u64::MAX;

/// Milliseconds since the first call.
fn now() -> u64 {
    static START: OnceLock<Instant> = OnceLock::new();
    let start = START.get_or_init(Instant::now);
    u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX)
}
