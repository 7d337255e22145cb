//! How much and how long, so that nobody outside decides it.

use std::time::Duration;

/// Bytes that a review may have: an old object of 3 MB and a new one, as large as API servers take
/// them, and what goes around them.
const BODY: usize = 7 * 1024 * 1024;

/// The server's limits.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once. More wait to be accepted.
    pub connections: usize,
    /// Longest TLS handshake.
    pub handshake: Duration,
    /// Longest wait for the rest of a request's head, once it has begun; noticed at most half as
    /// long again later.
    pub head: Duration,
    /// Longest silence on a connection. Longer than the 90 s after which API servers close it
    /// themselves: a server that closes first can do so in the moment in which a request arrives.
    pub idle: Duration,
    /// Largest body, in bytes.
    pub body: usize,
    /// Reviews of Services at once.
    pub services: usize,
    /// Reviews of workloads at once, of both hooks together.
    pub workloads: usize,
    /// Reviews of Pods at once.
    pub pods: usize,
    /// Longest wait for running requests at the end.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1024,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(180),
            body: BODY,
            // An answer takes microseconds, or two seconds of waiting for the API server: so many
            // of either kind are answered before any API server's patience ends.
            services: 512,
            workloads: 256,
            pods: 256,
            drain: Duration::from_secs(20),
        }
    }
}
