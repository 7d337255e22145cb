//! The program `sender`, as tests run it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clbmigrate_testbed::{Network, Testbed, programs, try_wait_for};

use super::summary::{OutputLine, Progress, Summary};

/// The program `sender`, running in a testbed outside of all clusters. Dropping this value kills it.
#[derive(Debug)]
pub struct RunningSender {
    child: Child,
    /// The program sends for as long as it can read from here.
    stdin: Option<ChildStdin>,
    output: Arc<Mutex<SenderOutput>>,
    reader: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct SenderOutput {
    targets: Option<Vec<SocketAddr>>,
    progress: Progress,
    summary: Option<Summary>,
    ended: bool,
}

impl RunningSender {
    /// Starts sending to a Service with a node port, `NAMESPACE/NAME` of a cluster of the testbed, at
    /// so many requests a second; `arguments` are more of the program's.
    pub fn start(
        testbed: &Testbed,
        cluster: &str,
        service: &str,
        rate: u32,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut command = program(testbed, rate)?;
        command.arg("--kubeconfig").arg(testbed.cluster(cluster)?.kubeconfig());
        Self::spawn(command.args(["--service", service]).args(arguments))
    }

    /// Starts sending to an address, such as a CLB's listener, at so many requests a second.
    pub fn start_to(testbed: &Testbed, target: SocketAddr, rate: u32) -> Result<Self> {
        Self::spawn(program(testbed, rate)?.args(["--target", &target.to_string()]))
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start the sender")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let output = Arc::new(Mutex::new(SenderOutput::default()));
        let reader = {
            let (output, stdout) = (Arc::clone(&output), stdout.context("its standard output")?);
            thread::spawn(move || read_output(stdout, &output))
        };
        Ok(Self { child, stdin, output, reader: Some(reader) })
    }

    /// The number of requests so far, and how many of them were lost.
    pub fn progress(&self) -> Progress {
        self.output().progress
    }

    /// The targets that are in force; `None` as long as the program has not found the first ones.
    pub fn targets(&self) -> Option<Vec<SocketAddr>> {
        self.output().targets.clone()
    }

    /// Waits until `wanted` is true of the progress. After `deadline` the error says for `what` this has
    /// waited; that the program has ended is an error too.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        mut wanted: impl FnMut(Progress) -> bool,
    ) -> Result<Progress> {
        let found = try_wait_for(what, deadline, || {
            let output = self.output();
            if output.ended {
                bail!("the sender has ended; see its words above");
            }
            Ok(wanted(output.progress).then_some(output.progress))
        });
        found.with_context(|| format!("the sender is at {:?}", self.progress()))
    }

    /// Waits until so many more requests have been answered or lost.
    pub fn wait_for_more(&self, requests: u64, deadline: Duration) -> Result<Progress> {
        let wanted = self.progress().requests + requests;
        self.wait_until(&format!("{requests} more requests"), deadline, |progress| {
            progress.requests >= wanted
        })
    }

    /// Stops sending, waits for requests under way, and returns the counts of all requests.
    pub fn finish(mut self) -> Result<Summary> {
        drop(self.stdin.take());
        let status = self.child.wait().context("the sender")?;
        if let Some(reader) = self.reader.take() {
            reader.join().map_err(|_| anyhow::anyhow!("the sender's reader has ended"))??;
        }
        let summary = self.output().summary.take();
        summary.with_context(|| format!("the sender told no summary and ended with {status}"))
    }

    fn output(&self) -> MutexGuard<'_, SenderOutput> {
        self.output.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for RunningSender {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program at this rate, in the network outside of all clusters.
fn program(testbed: &Testbed, rate: u32) -> Result<Command> {
    let program = programs::build(&["sender"])?.pop().context("cargo has built no sender")?;
    let mut command = testbed.command_in(Network::Internet, program)?;
    command.args(["--rate", &rate.to_string()]);
    Ok(command)
}

fn read_output(stdout: ChildStdout, output: &Mutex<SenderOutput>) -> Result<()> {
    let mut lines = BufReader::new(stdout);
    let result = read_lines(&mut lines, output);
    // It must not block while nobody reads.
    let _ = lines.read_to_end(&mut Vec::new());
    output.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
    result
}

fn read_lines(lines: &mut BufReader<ChildStdout>, output: &Mutex<SenderOutput>) -> Result<()> {
    for line in lines.lines() {
        let line = line.context("the sender's words")?;
        let line =
            serde_json::from_str(&line).with_context(|| format!("the sender said {line}"))?;
        let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            OutputLine::Targets(targets) => output.targets = Some(targets),
            OutputLine::Progress(progress) => output.progress = progress,
            OutputLine::Summary(summary) => output.summary = Some(*summary),
        }
    }
    Ok(())
}
