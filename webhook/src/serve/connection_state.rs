//! Where a connection of HTTP/1 stands: between requests, in the head of one, or at work.
//!
//! hyper has one time-out for silence between requests and for slow heads, but API servers leave
//! connections silent for a minute and a half, and nobody needs that long for a head.

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
/// The states are the two lowest bits, the rest counts changes.
const STATE: u32 = 3;
const ONE: u32 = 4;

/// The state of one connection. Only its own task writes, so nothing here is atomic but in name.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    beat: AtomicU32,
    leaving: AtomicBool,
}

impl Pulse {
    fn enter(&self, state: u32) {
        let beat = self.beat.load(Relaxed);
        self.beat.store((beat & !STATE).wrapping_add(ONE) | state, Relaxed);
    }

    /// Bytes have arrived: between requests, they begin the next one.
    fn arrived(&self) {
        if self.beat.load(Relaxed) & STATE == IDLE {
            self.enter(HEAD);
        }
    }

    /// A whole head was read.
    pub fn busy(&self) {
        self.enter(BUSY);
    }

    /// The request is answered.
    pub fn idle(&self) {
        self.enter(IDLE);
    }

    /// From now on answers ask the client to close.
    pub fn leave(&self) {
        self.leaving.store(true, Relaxed);
    }

    /// Whether answers ask the client to close.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Relaxed)
    }
}

/// What a look at a connection shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Health {
    Good,
    /// The rest of a head does not come.
    SlowHead,
    /// Nothing was asked for long.
    Silent,
}

/// Looks at a pulse at even intervals. Requests cost no clock that way.
#[derive(Debug)]
pub(super) struct Watchdog {
    pulse: Arc<Pulse>,
    last: u32,
    same: u32,
    /// Looks that show the same before silence is too long.
    silent: u32,
}

impl Watchdog {
    /// Looks that show the same head before it is too slow.
    const SLOW: u32 = 2;

    pub fn new(pulse: Arc<Pulse>, silent: u32) -> Self {
        Self { last: pulse.beat.load(Relaxed), pulse, same: 0, silent }
    }

    pub fn look(&mut self) -> Health {
        let beat = self.pulse.beat.load(Relaxed);
        self.same = if beat == self.last { self.same.saturating_add(1) } else { 0 };
        self.last = beat;
        match beat & STATE {
            HEAD if self.same >= Self::SLOW => Health::SlowHead,
            IDLE if self.same >= self.silent => Health::Silent,
            _ => Health::Good,
        }
    }
}

/// A stream that tells when bytes arrive.
#[derive(Debug)]
pub(super) struct Watched<S> {
    pub stream: S,
    pub pulse: Arc<Pulse>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.pulse.arrived();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
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

    fn looks(dog: &mut Watchdog, times: u32) -> Health {
        (0..times).fold(Health::Good, |_, _| dog.look())
    }

    #[test]
    fn a_head_that_does_not_end_is_slow_and_silence_is_not() {
        let pulse = Arc::new(Pulse::default());
        let mut dog = Watchdog::new(Arc::clone(&pulse), 10);
        assert_eq!(looks(&mut dog, 9), Health::Good);
        pulse.arrived();
        assert_eq!(looks(&mut dog, 2), Health::Good);
        pulse.arrived();
        assert_eq!(looks(&mut dog, 1), Health::SlowHead, "more bytes buy no more time");
    }

    #[test]
    fn a_long_silence_is_noticed_and_every_request_begins_a_new_one() {
        let pulse = Arc::new(Pulse::default());
        let mut dog = Watchdog::new(Arc::clone(&pulse), 3);
        assert_eq!(looks(&mut dog, 2), Health::Good);
        pulse.arrived();
        pulse.busy();
        assert_eq!(looks(&mut dog, 100), Health::Good, "work takes what it takes");
        pulse.idle();
        assert_eq!(looks(&mut dog, 3), Health::Good);
        assert_eq!(looks(&mut dog, 1), Health::Silent);
    }
}
