//! The pipes to a supervisor.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context as _, bail, ensure};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::protocol::{Done, Request, Start, Started};
use crate::site::Site;

/// A supervisor, which ends its bed when this end of its stdin is closed: by [`Connection::close`],
/// by dropping this, or by the end of this process, whatever ended it.
#[derive(Debug)]
pub(crate) struct Connection {
    supervisor: Child,
    /// None once closed.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl Connection {
    /// Starts a supervisor and has it start a bed.
    pub fn open(program: &Path, start: &Start) -> anyhow::Result<(Self, Site)> {
        let mut connection = Self::spawn(program, &["supervise"], Stdio::inherit())?;
        let site = connection.start(start)?;
        Ok((connection, site))
    }

    /// Starts a bed that outlives this process, but holds nothing of it: who reads this process'
    /// output to its end must not wait for the bed's.
    pub fn leave(program: &Path, start: &Start) -> anyhow::Result<Site> {
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

    fn start(&mut self, start: &Start) -> anyhow::Result<Site> {
        let started: Started = self.exchange(start)?;
        started.map_err(anyhow::Error::msg).context("the bed does not start")
    }

    /// Has the supervisor do something.
    pub fn request(&mut self, request: &Request) -> anyhow::Result<()> {
        let done: Done = self.exchange(request)?;
        done.map_err(anyhow::Error::msg)
    }

    fn exchange<T: DeserializeOwned>(&mut self, said: &impl Serialize) -> anyhow::Result<T> {
        let mut line = serde_json::to_vec(said)?;
        line.push(b'\n');
        let requests = self.requests.as_mut().context("the bed has ended")?;
        requests.write_all(&line).context("the supervisor of the bed is gone")?;
        let mut reply = String::new();
        self.replies.read_line(&mut reply).context("the supervisor of the bed")?;
        ensure!(!reply.is_empty(), "the supervisor of the bed has ended; see its words above");
        serde_json::from_str(&reply).with_context(|| format!("the supervisor said {reply}"))
    }

    /// Ends the bed and waits until all of it is gone.
    pub fn close(&mut self) -> anyhow::Result<()> {
        if self.requests.take().is_none() {
            return Ok(());
        }
        let status = self.supervisor.wait().context("the supervisor of the bed")?;
        if !status.success() {
            bail!("the supervisor of the bed ended with {status}; see its words above");
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
