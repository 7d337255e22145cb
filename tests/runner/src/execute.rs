//! Runs one suite.

use std::{
    env, fmt,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

use crate::build::Suite;

/// What a suite has left.
#[derive(Debug)]
pub struct Finished {
    /// The suite's name.
    pub name: String,
    /// How long it ran.
    pub duration: Duration,
    /// Whether all its tests passed.
    pub is_success: bool,
    /// What it printed, both streams as they came.
    pub output: String,
    /// How many tests passed, failed and were skipped.
    pub counts: Counts,
}

/// Numbers of tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tests that passed.
    pub passed: u32,
    /// Tests that failed.
    pub failed: u32,
    /// Tests that could not run here.
    pub skipped: u32,
}

impl Counts {
    /// Reads the numbers of the closing line of a suite, which all test harnesses of the workspace
    /// print: `test result: ok. 2 passed; 0 failed; 1 ignored; …`. `None` where there is none,
    /// as where the suite was ended.
    pub fn parse(output: &str) -> Option<Self> {
        let line = output.lines().rev().find(|line| line.starts_with("test result: "))?;
        let number = |word: &str| {
            let before = line.split(word).next()?;
            before.rsplit([' ', ';']).find(|part| !part.is_empty())?.parse().ok()
        };
        Some(Self {
            passed: number(" passed")?,
            failed: number(" failed")?,
            skipped: number(" ignored")?,
        })
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

/// Runs a suite to its end, or until the limit.
///
/// With `full`, the environment asks the tests for all they can do: `CLBMIGRATE_TEST_FULL=1`, and
/// `PROPTEST_CASES` unless it is set already.
pub fn execute(suite: &Suite, full: bool, limit: Duration) -> anyhow::Result<Finished> {
    let deps = suite.executable.parent().context("the folder of test executables")?;
    let programs = deps.parent().context("the folder of programs")?;
    let log = log_file(suite, programs)?;
    let out = File::create(&log).with_context(|| format!("{}", log.display()))?;
    let mut command = command(&suite.executable);
    command
        .current_dir(&suite.folder)
        .env("CARGO_MANIFEST_DIR", &suite.folder)
        .env("CARGO_PKG_NAME", &suite.package)
        .env("CARGO_PKG_VERSION", &suite.version)
        // Cargo has built all programs with the tests. A build of single ones would choose other
        // features of what they depend on, and so compile that again.
        .env("CLBMIGRATE_PROGRAMS", programs)
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(out);
    if full {
        command.env("CLBMIGRATE_TEST_FULL", "1");
        if env::var_os("PROPTEST_CASES").is_none() {
            command.env("PROPTEST_CASES", "5000");
        }
    }
    let begin = Instant::now();
    let child = command.spawn().with_context(|| format!("{}", suite.executable.display()))?;
    let status = wait(child, limit)?;
    let duration = begin.elapsed();
    let bytes = fs::read(&log).with_context(|| format!("{}", log.display()))?;
    let output = String::from_utf8_lossy(&bytes).into_owned();
    let has_passed = status.is_some_and(|status| status.success());
    let counts = Counts::parse(&output);
    let problem = match counts {
        _ if status.is_none() => {
            Some(format!("ended, because it ran longer than {} s", limit.as_secs()))
        }
        None if has_passed && !has_own_closing_line(&output) => {
            Some("it ended without a line that says how many tests passed".to_owned())
        }
        _ => None,
    };
    let is_success = has_passed && problem.is_none();
    // A suite that counts nothing is one test.
    let counts = counts.unwrap_or(Counts {
        passed: u32::from(is_success),
        failed: u32::from(!is_success),
        skipped: 0,
    });
    let output = match problem {
        Some(problem) => format!("{output}\n{problem}\n"),
        None => output,
    };
    Ok(Finished { name: suite.name.clone(), duration, is_success, output, counts })
}

/// A command that ends with this process, however this process ends; elsewhere than on Linux it
/// only ends with the terminal.
fn command(executable: &Path) -> Command {
    if !cfg!(target_os = "linux") {
        return Command::new(executable);
    }
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(executable);
    command
}

/// Whether a suite without a harness says in its own way what it compared: `cases: 400, equal: 400`.
fn has_own_closing_line(output: &str) -> bool {
    output.lines().last().is_some_and(|line| line.contains(", equal: "))
}

fn log_file(suite: &Suite, programs: &Path) -> anyhow::Result<PathBuf> {
    let folder = programs.join("test-output");
    fs::create_dir_all(&folder).with_context(|| format!("{}", folder.display()))?;
    let name: String =
        suite.name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(folder.join(format!("{name}.log")))
}

/// Waits for a child's end, or ends it after the limit and returns `None`.
fn wait(mut child: Child, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
    let id = child.id();
    let (send, receive) = mpsc::channel();
    thread::spawn(move || send.send(child.wait()));
    match receive.recv_timeout(limit) {
        Ok(status) => Ok(Some(status?)),
        Err(RecvTimeoutError::Disconnected) => {
            Err(io::Error::other("nobody waits for the suite").into())
        }
        Err(RecvTimeoutError::Timeout) => {
            let killed = Command::new("kill").args(["-KILL", &id.to_string()]).status();
            killed.context("kill")?;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closing_line_of_libtest_is_read() {
        let output = "running 3 tests\n\ntest result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\n";
        let expected = Counts { passed: 2, failed: 0, skipped: 1 };
        assert_eq!(Counts::parse(output), Some(expected));
    }

    #[test]
    fn the_last_closing_line_counts() {
        let output = "test result: ok. 1 passed; 0 failed; 0 ignored\n\
                      test result: FAILED. 5 passed; 4 failed; 0 ignored; 0 measured\n";
        let expected = Counts { passed: 5, failed: 4, skipped: 0 };
        assert_eq!(Counts::parse(output), Some(expected));
    }

    #[test]
    fn no_closing_line_is_no_number() {
        assert_eq!(Counts::parse("running 3 tests\n"), None);
        assert_eq!(Counts::parse("test result: unclear\n"), None);
    }
}
