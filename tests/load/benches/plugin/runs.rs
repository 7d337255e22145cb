//! A program's run: how long, and with how much memory.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clbmigrate_load::usage;

/// How often a running program's memory is looked at.
const LOOK: Duration = Duration::from_millis(2);

/// What a run took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Run {
    pub wall: Duration,
    /// The most memory it ever had, as far as it was seen, KiB.
    pub peak: u32,
}

/// Runs a program to its end, which must be a good one, and forgets what it says.
pub(crate) fn run(command: &mut Command) -> Result<Run> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let mut peak: u64 = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        // A program that is about to end has no memory any more.
        peak = usage::memory(child.id()).map_or(peak, |memory| peak.max(memory.peak));
        thread::sleep(LOOK);
    };
    let wall = start.elapsed();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Run { wall, peak: u32::try_from(peak)? })
}
