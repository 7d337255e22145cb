//! Doubles that run as processes and answer HTTP.

use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, ensure};
use clbmigrate_testbed::run_in;

/// A program that says `listening on http://ADDRESS` on the first line of its standard output and
/// answers HTTP there. It is killed when this is dropped.
#[derive(Debug)]
pub struct HttpProcess {
    child: Child,
    address: String,
}

impl HttpProcess {
    /// Starts it and waits until it has written its first line. An error says what it has written
    /// instead of its address.
    pub fn start(command: &mut Command) -> anyhow::Result<Self> {
        Self::start_and_read(command, 0).map(|(process, _)| process)
    }

    /// The same for a program that writes so many further lines when it is ready; returns these.
    pub fn start_and_read(
        command: &mut Command,
        further_lines: usize,
    ) -> anyhow::Result<(Self, Vec<String>)> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        let mut process = Self { child, address: String::new() };
        let stdout = process.child.stdout.take().context("its standard output")?;
        let mut lines = BufReader::new(stdout).lines();
        let mut next = || lines.next().with_context(|| format!("{command:?} has ended"));
        let first = next()??;
        let address = first.strip_prefix("listening on http://");
        address.with_context(|| format!("it wrote {first:?}"))?.clone_into(&mut process.address);
        let further = (0..further_lines).map(|_| Ok(next()??)).collect::<anyhow::Result<_>>()?;
        Ok((process, further))
    }

    /// Where it listens, as `HOST:PORT`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The same as a URL without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Status and body of the answer to a request with a JSON body, empty for none.
    pub fn request(&self, method: &str, path: &str, body: &str) -> anyhow::Result<(u16, String)> {
        let mut stream = self.connect().with_context(|| self.address.clone())?;
        // In HTTP 1.0 the answer ends with the connection.
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
        let status = head.split(' ').nth(1).context("no status")?.parse()?;
        Ok((status, body.to_owned()))
    }

    /// Connects from the network that the program is in, which may be one of a testbed's.
    fn connect(&self) -> anyhow::Result<TcpStream> {
        let network = |process: &str| PathBuf::from(format!("/proc/{process}/ns/net"));
        let (own, of_program) = (network("self"), network(&self.child.id().to_string()));
        if fs::read_link(own).ok() == fs::read_link(&of_program).ok() {
            return Ok(TcpStream::connect(&self.address)?);
        }
        // The connection stays in that network.
        run_in(&of_program, || Ok(TcpStream::connect(&self.address)?))
    }

    /// The same for a request that must succeed; returns the body.
    pub fn request_ok(&self, method: &str, path: &str, body: &str) -> anyhow::Result<String> {
        let (status, body) = self.request(method, path, body)?;
        ensure!((200..300).contains(&status), "{method} {path}: {status} {body}");
        Ok(body)
    }
}

impl Drop for HttpProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
