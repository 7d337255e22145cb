//! The state of an HTTP/1 connection: idle between requests, in the head of one, or busy answering.
//!
//! hyper has one time-out for idle connections and for slow heads, but API servers leave connections
//! idle for a minute and a half, and nobody needs that long for a head.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const IDLE: u32 = 0;
const HEAD: u32 = 1;
const BUSY: u32 = 2;
/// The state is in the two lowest bits; the others count its changes.
const STATE_BITS: u32 = 3;
const ONE_CHANGE: u32 = 4;

/// The state of one connection. Only its own task writes it, so loads and stores need no order.
#[derive(Debug, Default)]
pub(super) struct ConnectionState {
    state: AtomicU32,
    closing: AtomicBool,
}

impl ConnectionState {
    fn enter(&self, state: u32) {
        let before = self.state.load(Relaxed);
        self.state.store((before & !STATE_BITS).wrapping_add(ONE_CHANGE) | state, Relaxed);
    }

    /// Notes that bytes have arrived: on an idle connection they begin the next request.
    fn bytes_arrived(&self) {
        if self.state.load(Relaxed) & STATE_BITS == IDLE {
            self.enter(HEAD);
        }
    }

    /// Notes that a whole head was read.
    pub fn set_busy(&self) {
        self.enter(BUSY);
    }

    /// Notes that the request was answered.
    pub fn set_idle(&self) {
        self.enter(IDLE);
    }

    /// From now on answers ask the client to close the connection.
    pub fn set_closing(&self) {
        self.closing.store(true, Relaxed);
    }

    /// Whether answers ask the client to close the connection.
    pub fn is_closing(&self) -> bool {
        self.closing.load(Relaxed)
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

/// Checks a connection's state at even intervals. Requests need not read a clock that way.
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

/// A stream that notes in the connection's state when bytes arrive.
#[derive(Debug)]
pub(super) struct MonitoredStream<S> {
    pub stream: S,
    pub state: Arc<ConnectionState>,
}

impl<S: AsyncRead + Unpin> AsyncRead for MonitoredStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.state.bytes_arrived();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for MonitoredStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
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
        let state = Arc::new(ConnectionState::default());
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
        let state = Arc::new(ConnectionState::default());
        let mut monitor = TimeoutMonitor::new(Arc::clone(&state), 3);
        assert_eq!(checks(&mut monitor, 2), ConnectionHealth::Ok);
        state.bytes_arrived();
        state.set_busy();
        assert_eq!(checks(&mut monitor, 100), ConnectionHealth::Ok, "work takes what it takes");
        state.set_idle();
        assert_eq!(checks(&mut monitor, 3), ConnectionHealth::Ok);
        assert_eq!(checks(&mut monitor, 1), ConnectionHealth::IdleTimeout);
    }
}
