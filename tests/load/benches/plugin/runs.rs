//! A program's run: how long, and with how much memory.

use std::fs;
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

/// The processor's time of all children that have ended, in steps of 10 ms.
pub(crate) fn children() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat")?;
    let ticks = text.rsplit_once(") ").and_then(|(_, rest)| {
        let mut fields = rest.split(' ').skip(13).map(|field| field.parse::<u64>().ok());
        Some(fields.next()?? + fields.next()??)
    });
    let ticks = ticks.with_context(|| format!("/proc/self/stat: {text}"))?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
