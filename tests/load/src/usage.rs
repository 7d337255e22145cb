//! CPU time and memory of processes, from `/proc`.

use std::fs;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// The CPU time of a process, in steps of 10 ms. A process that does not exist is an error.
pub fn cpu_time(pid: u32) -> Result<Duration> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).context(file)?;
    time(&text, OWN).with_context(|| format!("/proc/{pid}/stat: {text}"))
}

/// The CPU time of all children of this process that have ended, in steps of 10 ms.
pub fn cpu_time_of_children() -> Result<Duration> {
    let text = fs::read_to_string("/proc/self/stat").context("/proc/self/stat")?;
    time(&text, CHILDREN).with_context(|| format!("/proc/self/stat: {text}"))
}

/// Fields of time before those of the process itself: user and system are the 14th and 15th, and
/// the first two are not counted.
const OWN: usize = 11;
/// The same for its children, the 16th and 17th.
const CHILDREN: usize = 13;

fn time(stat: &str, skip: usize) -> Result<Duration> {
    let ticks = ticks(stat, skip).context("no times")?;
    Ok(Duration::from_secs(ticks) / u32::try_from(rustix::param::clock_ticks_per_second())?)
}

/// Of user and system; the second field is a name that may contain anything.
fn ticks(stat: &str, skip: usize) -> Option<u64> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(skip).map(|field| field.parse::<u64>().ok());
    Some(fields.next()?? + fields.next()??)
}

/// Memory of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// What is in memory now, KiB.
    pub now: u64,
    /// The most that ever was, KiB.
    pub peak: u64,
}

/// The memory of a process.
pub fn memory(pid: u32) -> Result<Memory> {
    let file = format!("/proc/{pid}/status");
    let text = fs::read_to_string(&file).context(file)?;
    resident(&text).with_context(|| format!("/proc/{pid}/status without VmRSS and VmHWM"))
}

fn resident(status: &str) -> Option<Memory> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.trim().strip_suffix(" kB")?.parse().ok()
    };
    Some(Memory { now: field("VmRSS:")?, peak: field("VmHWM:")? })
}

#[cfg(test)]
mod tests {
    use super::{CHILDREN, Memory, OWN, resident, ticks};

    #[test]
    fn the_name_of_a_process_does_not_shift_its_fields() {
        let stat = "7 (a) (b c) S 1 7 7 0 -1 4194304 99 0 0 0 12 30 0 0 20 0 1 0 5 6 7";
        assert_eq!(ticks(stat, OWN), Some(42));
        assert_eq!(ticks(stat, CHILDREN), Some(0));
        assert_eq!(ticks("7 (cut) S 1", OWN), None);
    }

    #[test]
    fn memory_is_read_now_and_at_its_peak() {
        let status = "Name:\tx\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        assert_eq!(resident(status), Some(Memory { now: 1024, peak: 2048 }));
        assert_eq!(resident("Name:\tx\n"), None);
    }
}
