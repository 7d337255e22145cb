//! CPU affinity: programs that are measured run on one core each, so that they do not compete.

use std::process::{Child, Command};
use std::thread;

use anyhow::{Context as _, Result};

/// Pins the calling thread, and those that it starts from now on, to one core, counted from 0. A core
/// that does not exist is an error.
#[cfg(target_os = "linux")]
pub fn pin_to_core(core: usize) -> Result<()> {
    use rustix::thread::{CpuSet, sched_setaffinity};

    anyhow::ensure!(core < CpuSet::MAX_CPU, "there is no core {core}");
    let mut cores = CpuSet::new();
    cores.set(core);
    sched_setaffinity(None, &cores).with_context(|| format!("there is no core {core} to keep to"))
}

/// Pins the calling thread, and those that it starts from now on, to one core, counted from 0. A core
/// that does not exist is an error.
#[cfg(not(target_os = "linux"))]
pub fn pin_to_core(_core: usize) -> Result<()> {
    anyhow::bail!("keeping to one core needs Linux")
}

/// Starts a program pinned to one core, counted from 0.
pub fn spawn_pinned(core: usize, command: &mut Command) -> Result<Child> {
    let what = command.get_program().display().to_string();
    // A child begins with the cores of the thread that starts it.
    let start = || {
        pin_to_core(core)?;
        command.spawn().with_context(|| format!("start {what}"))
    };
    thread::scope(|scope| scope.spawn(start).join())
        .unwrap_or_else(|_| Err(anyhow::anyhow!("the thread that starts programs has ended")))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::{Command, Stdio};
    use std::thread::available_parallelism;

    use super::{pin_to_core, spawn_pinned};

    #[test]
    fn a_program_stays_on_its_core_and_its_starter_does_not() {
        let before = available_parallelism().expect("the number of cores");
        let mut command = Command::new("grep");
        command.args(["Cpus_allowed_list", "/proc/self/status"]).stdout(Stdio::piped());
        let output = spawn_pinned(0, &mut command).expect("grep").wait_with_output().expect("grep");
        let text = String::from_utf8(output.stdout).expect("text");
        assert_eq!(text.split_whitespace().last(), Some("0"), "{text}");
        assert_eq!(available_parallelism().expect("the number of cores"), before);
    }

    #[test]
    fn a_core_that_is_not_there_is_an_error() {
        let error = pin_to_core(100_000).expect_err("more cores than any machine has");
        assert_eq!(error.to_string(), "there is no core 100000");
    }
}
