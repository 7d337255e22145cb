//! Limits of size, number and time, so that no client decides them.

use std::time::Duration;

/// The most bytes of a review: an old object of 3 MB and a new one, as large as API servers take them,
/// and what goes around them.
const MAX_BODY: usize = 7 * 1024 * 1024;

/// The server's limits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most connections at once of a listener. For one more the one that has been idle for longest is
    /// closed.
    pub connections: usize,
    /// The longest TLS handshake.
    pub handshake: Duration,
    /// The longest wait for the rest of a request's head once it has begun. The connection is closed
    /// at most half as long again later.
    pub head: Duration,
    /// How long a connection of HTTP/1 may be idle. Longer than the 90 s after which API servers close it
    /// themselves: a server that closes first can do so in the moment in which a request arrives.
    pub idle: Duration,
    /// The largest body, in bytes.
    pub body: usize,
    /// The longest wait for the rest of a body. A client may ask for less, never for more.
    pub body_time: Duration,
    /// The most bytes of large bodies at once. When there are more, the one that arrives most slowly is
    /// given up.
    pub body_memory: usize,
    /// The most reviews of Services that are judged at once.
    pub services: usize,
    /// The most reviews of workloads that are judged at once, of all their webhooks together.
    pub workloads: usize,
    /// The most reviews of cascading deletions that are judged at once.
    pub cascading_deletions: usize,
    /// The most reviews of Pods that are judged at once.
    pub pods: usize,
    /// The longest wait for running requests at shutdown.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            body: MAX_BODY,
            body_time: Duration::from_secs(5),
            body_memory: 16 * MAX_BODY,
            // An answer takes microseconds, or two seconds of waiting for the API server: so many
            // of either kind are answered before any API server's patience ends.
            services: 512,
            workloads: 256,
            cascading_deletions: 64,
            pods: 256,
            drain: Duration::from_secs(20),
        }
    }
}
