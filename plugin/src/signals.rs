//! Signals that a command listens to while it goes on for long.

use std::io;

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The terminal has another size.
    Resize,
    /// Ctrl-C, SIGTERM or a lost terminal.
    End,
}

/// The signals that this process gets from the moment when this is made.
#[cfg(unix)]
pub struct Signals {
    resize: tokio::signal::unix::Signal,
    ends: [tokio::signal::unix::Signal; 3],
}

#[cfg(unix)]
impl Signals {
    /// Begins to listen: Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// Where the system installs no handler.
    pub fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            resize: signal(SignalKind::window_change())?,
            ends: [
                signal(SignalKind::interrupt())?,
                signal(SignalKind::terminate())?,
                signal(SignalKind::hangup())?,
            ],
        })
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        let [interrupt, terminate, hangup] = &mut self.ends;
        tokio::select! {
            _ = self.resize.recv() => Signal::Resize,
            _ = interrupt.recv() => Signal::End,
            _ = terminate.recv() => Signal::End,
            _ = hangup.recv() => Signal::End,
        }
    }
}

impl Signals {
    /// Waits for a signal that asks the process to end.
    pub async fn end(&mut self) {
        while self.next().await != Signal::End {}
    }
}

/// The signals that this process gets from the moment when this is made.
#[cfg(not(unix))]
pub struct Signals;

#[cfg(not(unix))]
impl Signals {
    /// Begins to listen: Ctrl-C no longer ends the process by itself.
    ///
    /// # Errors
    /// Where the system installs no handler.
    pub fn new() -> io::Result<Self> {
        Ok(Self)
    }

    /// Waits for the next signal.
    pub async fn next(&mut self) -> Signal {
        // Where Ctrl-C cannot be listened to, it ends the process by itself.
        match tokio::signal::ctrl_c().await {
            Ok(()) => Signal::End,
            Err(_) => std::future::pending().await,
        }
    }
}
