//! The phases of a graceful shutdown.

/// The phases of a server's life, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ShutdownPhase {
    /// The server answers requests.
    Serving,
    /// The server still answers requests and accepts connections, but each answer of HTTP/1 says
    /// `Connection: close`: to close a connection without a word would now and then lose a request that
    /// is on its way.
    Closing,
    /// The server refuses new connections, closes idle ones, and ends once running requests are
    /// answered.
    Draining,
}
