//! The process that owns a testbed: it starts everything, and clears everything when its own owner
//! is gone.

mod cgroups;
mod control_plane;
pub(crate) mod leftovers;
mod network;
mod node;
mod process;
mod proxy;
pub(crate) mod reservation;
mod start;

use std::io::{self, BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::{mem, thread};

use anyhow::{Context as _, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::{Request, RequestResult, StartRequest, StartResult};
pub(crate) use process::run;
use reservation::Reservation;
use start::RunningTestbed;

/// How long a testbed lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until the process that started the supervisor closes the supervisor's stdin.
    UntilStdinEnds,
    /// Until somebody kills the supervisor.
    UntilKilled,
}

/// Starts a testbed as the first line of stdin says, then does what the other lines say.
///
/// All processes are started on the thread that calls this, which must be the main thread: they
/// end with the thread that started them.
pub(crate) fn supervise(lifetime: Lifetime) -> anyhow::Result<()> {
    let requests = StdinLines::open();
    let start: StartRequest =
        requests.next()?.context("no plan on stdin; other programs start this")?;
    let wanted = || match lifetime {
        Lifetime::UntilStdinEnds if requests.closed() => {
            bail!("nobody waits for this testbed any more")
        }
        Lifetime::UntilStdinEnds | Lifetime::UntilKilled => Ok(()),
    };
    let reservation = match Reservation::acquire(start.plan.first_number) {
        Ok(reservation) => reservation,
        Err(error) => return reply(&StartResult::Err(format!("{error:#}"))),
    };
    let mut running = match RunningTestbed::start(
        &start,
        &reservation,
        lifetime == Lifetime::UntilKilled,
        &wanted,
    ) {
        Ok(running) => running,
        Err(error) => {
            // The reply comes last, so that whoever reads it finds nothing left.
            let cleared = reservation.clear();
            reply(&StartResult::Err(format!("{error:#}")))?;
            return cleared;
        }
    };
    reply(&StartResult::Ok(running.layout().clone()))?;
    while let Some(request) = requests.next::<Request>()? {
        let done = running.handle(request).map_err(|error| format!("{error:#}"));
        reply::<RequestResult>(&done)?;
    }
    match lifetime {
        Lifetime::UntilStdinEnds => reservation.clear(),
        // Whoever kills this process clears what is left, or the next testbed does.
        Lifetime::UntilKilled => loop {
            thread::park();
        },
    }
}

/// The lines of stdin, read on a thread of their own, so that its end is seen at any time.
struct StdinLines {
    lines: Receiver<String>,
    closed: Arc<AtomicBool>,
}

impl StdinLines {
    fn open() -> Self {
        let (sender, lines) = mpsc::channel();
        let closed = Arc::new(AtomicBool::new(false));
        let end = Arc::clone(&closed);
        thread::spawn(move || {
            let mut stdin = io::stdin().lock();
            let mut line = String::new();
            // A line that is cut off has no end: whoever wrote it is gone.
            while stdin.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if sender.send(mem::take(&mut line)).is_err() {
                    break;
                }
            }
            end.store(true, Ordering::Relaxed);
        });
        Self { lines, closed }
    }

    fn closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed)
    }

    /// The next line; none at the end.
    fn next<T: DeserializeOwned>(&self) -> anyhow::Result<Option<T>> {
        let Ok(line) = self.lines.recv() else { return Ok(None) };
        serde_json::from_str(&line).map(Some).with_context(|| format!("stdin: {}", line.trim()))
    }
}

fn reply<T: Serialize>(value: &T) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    let mut stdout = io::stdout().lock();
    // Nobody reads it when the owner is gone; then the next read says so.
    let _ = stdout.write_all(&line).and_then(|()| stdout.flush());
    Ok(())
}
