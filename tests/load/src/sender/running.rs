//! The program `sender` as a test runs it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clbmigrate_testbed::{Bed, Place, programs, try_wait_for};

use super::summary::{Line, Progress, Summary};

/// A sender in a bed, outside of all clusters. It ends when this value is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    /// The program sends for as long as it can read from here.
    stdin: Option<ChildStdin>,
    said: Arc<Mutex<Said>>,
    listener: Option<JoinHandle<Result<()>>>,
}

#[derive(Debug, Default)]
struct Said {
    targets: Option<Vec<std::net::SocketAddr>>,
    progress: Progress,
    summary: Option<Summary>,
    ended: bool,
}

impl Running {
    /// Starts sending to a Service with a node port, `NAMESPACE/NAME` of a cluster of the bed, at
    /// so many requests a second; `arguments` are more of the program's.
    pub fn start(
        bed: &Bed,
        cluster: &str,
        service: &str,
        rate: u32,
        arguments: &[&str],
    ) -> Result<Self> {
        let program = programs::build(&["sender"])?.pop().context("cargo has built no sender")?;
        let mut command = bed.inside(Place::Internet, program)?;
        command.arg("--kubeconfig").arg(bed.cluster(cluster)?.kubeconfig());
        command.args(["--service", service, "--rate", &rate.to_string()]).args(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().context("start the sender")?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let said = Arc::new(Mutex::new(Said::default()));
        let listener = {
            let (said, stdout) = (Arc::clone(&said), stdout.context("its standard output")?);
            thread::spawn(move || listen(stdout, &said))
        };
        Ok(Self { child, stdin, said, listener: Some(listener) })
    }

    /// What has become of requests so far.
    pub fn progress(&self) -> Progress {
        self.said().progress
    }

    /// The targets that are in force; none before the first ones are.
    pub fn targets(&self) -> Option<Vec<std::net::SocketAddr>> {
        self.said().targets.clone()
    }

    /// Waits until what has become of requests is as wanted; `what` says so in the error.
    pub fn wait_until(
        &self,
        what: &str,
        deadline: Duration,
        mut wanted: impl FnMut(Progress) -> bool,
    ) -> Result<Progress> {
        let found = try_wait_for(what, deadline, || {
            let said = self.said();
            if said.ended {
                bail!("the sender has ended; see its words above");
            }
            Ok(wanted(said.progress).then_some(said.progress))
        });
        found.with_context(|| format!("the sender is at {:?}", self.progress()))
    }

    /// Waits until so many more requests were answered or lost.
    pub fn wait_for_more(&self, requests: u64, deadline: Duration) -> Result<Progress> {
        let wanted = self.progress().requests + requests;
        self.wait_until(&format!("{requests} more requests"), deadline, |progress| {
            progress.requests >= wanted
        })
    }

    /// Ends sending, waits for what is under way, and tells what has become of all requests.
    pub fn finish(mut self) -> Result<Summary> {
        drop(self.stdin.take());
        let status = self.child.wait().context("the sender")?;
        if let Some(listener) = self.listener.take() {
            listener.join().map_err(|_| anyhow::anyhow!("the sender's listener has ended"))??;
        }
        let summary = self.said().summary.take();
        summary.with_context(|| format!("the sender told no summary and ended with {status}"))
    }

    fn said(&self) -> MutexGuard<'_, Said> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listen(stdout: ChildStdout, said: &Mutex<Said>) -> Result<()> {
    let mut lines = BufReader::new(stdout);
    let heard = hear(&mut lines, said);
    // It must not block while nobody reads.
    let _ = lines.read_to_end(&mut Vec::new());
    said.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
    heard
}

fn hear(lines: &mut BufReader<ChildStdout>, said: &Mutex<Said>) -> Result<()> {
    for line in lines.lines() {
        let line = line.context("the sender's words")?;
        let line =
            serde_json::from_str(&line).with_context(|| format!("the sender said {line}"))?;
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        match line {
            Line::Targets(targets) => said.targets = Some(targets),
            Line::Progress(progress) => said.progress = progress,
            Line::Summary(summary) => said.summary = Some(*summary),
        }
    }
    Ok(())
}
