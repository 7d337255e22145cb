//! The pipes to a supervisor.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::layout::Layout;
use crate::protocol::{Request, RequestResult, StartRequest, StartResult};

/// A supervisor, which ends its testbed when this end of its stdin is closed: by [`Connection::close`],
/// by dropping this, or by the end of this process, whatever ended it.
#[derive(Debug)]
pub(crate) struct Connection {
    supervisor: Child,
    /// None once closed.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Connection {
    /// Starts a supervisor and has it start a testbed.
    pub fn open(program: &Path, start: &StartRequest) -> anyhow::Result<(Self, Layout)> {
        let mut connection = Self::spawn(program, &["supervise"], Stdio::inherit())?;
        let layout = connection.start(start)?;
        Ok((connection, layout))
    }

    /// Starts a testbed that outlives this process, but holds nothing of it: who reads this process'
    /// output to its end must not wait for the testbed's.
    pub fn start_detached(program: &Path, start: &StartRequest) -> anyhow::Result<Layout> {
        let mut connection = Self::spawn(program, &["supervise", "--keep"], Stdio::piped())?;
        let mut words = connection.supervisor.stderr.take().context("no pipe")?;
        let talk = thread::spawn(move || io::copy(&mut words, &mut io::stderr()));
        let started = connection.start(start);
        if started.is_ok() {
            connection.requests = None;
        } else {
            drop(connection);
            // What it could not say is not worth a second error.
            let _ = talk.join();
        }
        started
    }

    fn spawn(program: &Path, arguments: &[&str], stderr: Stdio) -> anyhow::Result<Self> {
        // In a session of its own: the keys that interrupt a test must not interrupt clearing.
        let mut supervisor = Command::new("setsid")
            .arg(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .with_context(|| format!("start {} with setsid", program.display()))?;
        let requests = supervisor.stdin.take();
        let replies = BufReader::new(supervisor.stdout.take().context("no pipe")?);
        Ok(Self { supervisor, requests, replies })
    }

    fn start(&mut self, start: &StartRequest) -> anyhow::Result<Layout> {
        let started: StartResult = self.exchange(start)?;
        started.map_err(anyhow::Error::msg).context("the testbed does not start")
    }

    /// Has the supervisor do something.
    pub fn request(&mut self, request: &Request) -> anyhow::Result<()> {
        let done: RequestResult = self.exchange(request)?;
        done.map_err(anyhow::Error::msg)
    }

    fn exchange<T: DeserializeOwned>(&mut self, message: &impl Serialize) -> anyhow::Result<T> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let requests = self.requests.as_mut().context("the testbed has ended")?;
        requests.write_all(&line).context("the supervisor of the testbed is gone")?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply).context("the supervisor of the testbed")?;
        ensure!(!reply.is_empty(), "the supervisor of the testbed has ended; see its words above");
        serde_json::from_str(&reply).with_context(|| format!("the supervisor said {reply}"))
    }

    /// Ends the testbed and waits until all of it is gone.
    pub fn close(&mut self) -> anyhow::Result<()> {
        if self.requests.take().is_none() {
            return Ok(());
        }
        let status = self.supervisor.wait().context("the supervisor of the testbed")?;
        if !status.success() {
            bail!("the supervisor of the testbed ended with {status}; see its words above");
        }
        Ok(())
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // The supervisor has said it on stderr.
        let _ = self.close();
    }
}

/// One request at a time. A test that panicked in the middle of one has left the pipes as they
/// are, and the next exchange tells if that is wrong.
pub(crate) fn locked(connection: &Mutex<Connection>) -> MutexGuard<'_, Connection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}
