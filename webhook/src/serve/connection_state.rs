//! The state of an HTTP/1 connection: idle, in the head or the body of a request, or busy answering.
//!
//! hyper has one time-out for idle connections and for slow heads, but API servers leave connections
//! idle for a minute and a half, and nobody needs that long for a head.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

const IDLE: u32 = 0;
const HEAD: u32 = 1;
const BODY: u32 = 2;
const BUSY: u32 = 3;
/// The state is in the two lowest bits; the others count its changes.
const STATE_BITS: u32 = 3;
const ONE_CHANGE: u32 = 4;

/// A request that has not arrived after this time may be given up for another connection. API servers
/// send a request whole, which takes milliseconds.
const SLOW: Duration = Duration::from_secs(1);

/// The state of one connection. Only its own task writes it, so loads and stores need no order.
#[derive(Debug)]
pub(super) struct ConnectionState {
    state: AtomicU32,
    /// When the connection became idle, or its request began, in microseconds after `epoch`.
    since: AtomicU64,
    epoch: Instant,
    /// Whether a review of this connection was judged.
    has_asked: AtomicBool,
    closing: AtomicBool,
    evicted: Notify,
}

/// Which connection goes first when there are too many: the lowest rank.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum EvictionRank {
    /// No review of this connection was ever judged, or its handshake has not ended; idle since then.
    NeverAsked(u64),
    /// Idle between requests since then.
    Idle(u64),
    /// The request that began then still arrives.
    Slow(u64),
}

impl ConnectionState {
    /// A new connection, idle from now on. Connections that are compared have one `epoch`.
    pub fn new(epoch: Instant) -> Self {
        let state = Self {
            state: AtomicU32::new(IDLE),
            since: AtomicU64::new(0),
            epoch,
            has_asked: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            evicted: Notify::new(),
        };
        state.since.store(state.now(), Relaxed);
        state
    }

    fn now(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    fn enter(&self, state: u32) {
        let before = self.state.load(Relaxed);
        self.state.store((before & !STATE_BITS).wrapping_add(ONE_CHANGE) | state, Relaxed);
        if matches!(state, IDLE | HEAD) {
            self.since.store(self.now(), Relaxed);
        }
    }

    fn is(&self, state: u32) -> bool {
        self.state.load(Relaxed) & STATE_BITS == state
    }

    /// Notes that bytes have arrived: on an idle connection they begin the next request.
    pub fn bytes_arrived(&self) {
        if self.is(IDLE) {
            self.enter(HEAD);
        }
    }

    /// Notes that a whole head was read, and that the body is awaited.
    pub fn set_reading_body(&self) {
        self.enter(BODY);
    }

    /// Notes that the request has arrived whole. From now on it is answered, whatever happens.
    pub fn set_busy(&self) {
        self.enter(BUSY);
    }

    /// Notes that the request was answered.
    pub fn set_idle(&self) {
        self.enter(IDLE);
    }

    /// Notes that a review of this connection was judged.
    pub fn set_asked(&self) {
        self.has_asked.store(true, Relaxed);
    }

    /// From now on answers ask the client to close the connection.
    pub fn set_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Whether answers ask the client to close the connection.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
    }

    /// Whether the connection is between requests.
    pub fn is_idle(&self) -> bool {
        self.is(IDLE)
    }

    /// When the connection goes in favour of another; `None` while a request of it is answered, or
    /// has only just begun.
    pub fn eviction_rank(&self) -> Option<EvictionRank> {
        let since = self.since.load(Relaxed);
        match self.state.load(Relaxed) & STATE_BITS {
            IDLE if !self.has_asked.load(Relaxed) => Some(EvictionRank::NeverAsked(since)),
            IDLE => Some(EvictionRank::Idle(since)),
            BUSY => None,
            _ => {
                let after = Duration::from_micros(self.now().saturating_sub(since));
                (after >= SLOW).then_some(EvictionRank::Slow(since))
            }
        }
    }

    /// Asks the connection's task to end it in favour of another.
    pub fn evict(&self) {
        self.evicted.notify_one();
    }

    /// Waits until [`Self::evict`] is called.
    pub async fn wait_for_eviction(&self) {
        self.evicted.notified().await;
    }
}

/// What a check of a connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionHealth {
    Ok,
    /// The rest of a head has not come in time.
    HeaderTimeout,
    /// The connection has been idle for too long.
    IdleTimeout,
}

/// Checks a connection's state at even intervals, and so tells a slow head from silence.
#[derive(Debug)]
pub(super) struct TimeoutMonitor {
    state: Arc<ConnectionState>,
    last: u32,
    /// How many checks in a row have shown the same.
    same: u32,
    /// How many may show an idle connection before it has been idle for too long.
    idle_checks: u32,
}

impl TimeoutMonitor {
    /// How many checks may show the same head before it is too slow.
    const HEAD_CHECKS: u32 = 2;

    /// A monitor of this connection, for which `idle_checks` checks in a row may find it idle.
    pub fn new(state: Arc<ConnectionState>, idle_checks: u32) -> Self {
        Self { last: state.state.load(Relaxed), state, same: 0, idle_checks }
    }

    /// Checks the connection; to be called at even intervals.
    pub fn check(&mut self) -> ConnectionHealth {
        let state = self.state.state.load(Relaxed);
        self.same = if state == self.last { self.same.saturating_add(1) } else { 0 };
        self.last = state;
        match state & STATE_BITS {
            HEAD if self.same >= Self::HEAD_CHECKS => ConnectionHealth::HeaderTimeout,
            IDLE if self.same >= self.idle_checks => ConnectionHealth::IdleTimeout,
            _ => ConnectionHealth::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checks(monitor: &mut TimeoutMonitor, times: u32) -> ConnectionHealth {
        (0..times).fold(ConnectionHealth::Ok, |_, _| monitor.check())
    }

    #[test]
    fn a_head_that_does_not_end_is_slow_and_silence_is_not() {
        let state = Arc::new(ConnectionState::new(Instant::now()));
        let mut monitor = TimeoutMonitor::new(Arc::clone(&state), 10);
        assert_eq!(checks(&mut monitor, 9), ConnectionHealth::Ok);
        state.bytes_arrived();
        assert_eq!(checks(&mut monitor, 2), ConnectionHealth::Ok);
        state.bytes_arrived();
        assert_eq!(
            checks(&mut monitor, 1),
            ConnectionHealth::HeaderTimeout,
            "more bytes buy no more time"
        );
    }

    #[test]
    fn a_long_silence_is_noticed_and_every_request_begins_a_new_one() {
        let state = Arc::new(ConnectionState::new(Instant::now()));
        let mut monitor = TimeoutMonitor::new(Arc::clone(&state), 3);
        assert_eq!(checks(&mut monitor, 2), ConnectionHealth::Ok);
        state.bytes_arrived();
        state.set_reading_body();
        state.set_busy();
        assert_eq!(checks(&mut monitor, 100), ConnectionHealth::Ok, "work takes what it takes");
        state.set_idle();
        assert_eq!(checks(&mut monitor, 3), ConnectionHealth::Ok);
        assert_eq!(checks(&mut monitor, 1), ConnectionHealth::IdleTimeout);
    }
}
