//! An end that somebody asks for while a change is under way.

use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::task::JoinHandle;

use crate::signals::Signals;

/// Listens to Ctrl-C, SIGTERM and the loss of the terminal, which no longer end the process.
#[derive(Default)]
pub struct Stop {
    is_asked: Arc<AtomicBool>,
    listener: Option<JoinHandle<()>>,
}

impl Stop {
    /// Begins to listen, in the background of the runtime that this is called on.
    ///
    /// # Errors
    /// Where the system installs no handler.
    pub fn listen() -> io::Result<Self> {
        let is_asked = Arc::new(AtomicBool::new(false));
        let asked = Arc::clone(&is_asked);
        let mut signals = Signals::new()?;
        let listener = tokio::spawn(async move {
            signals.end().await;
            asked.store(true, Ordering::Relaxed);
            // The terminal may be what was lost.
            let _ = writeln!(
                io::stderr(),
                "asked to end: what is under way is finished, then nothing more is begun"
            );
            // Heard once more, it says and changes nothing.
            loop {
                signals.end().await;
            }
        });
        Ok(Self { is_asked, listener: Some(listener) })
    }

    /// Whether somebody has asked for the end.
    pub fn is_asked(&self) -> bool {
        self.is_asked.load(Ordering::Relaxed)
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(listener) = &self.listener {
            listener.abort();
        }
    }
}
