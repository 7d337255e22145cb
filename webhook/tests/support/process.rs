//! The program as a process, and a TLS client that trusts the certificates it is given.

use std::{
    io::{BufRead as _, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};
use clbmigrate_testbed::try_wait_for;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject as _},
};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A running `clbmigrate-webhook`, which ends with this value.
pub struct WebhookProcess {
    child: Child,
    log: Arc<Mutex<String>>,
    /// Where it takes reviews.
    pub address: SocketAddr,
    /// Where it answers probes, without TLS.
    pub probes: SocketAddr,
}

impl WebhookProcess {
    /// Starts it with a free port for probes, and waits until it listens.
    pub fn start(mut command: Command) -> Result<Self> {
        command.args(["--probe-listen", "127.0.0.1:0"]);
        let mut process = Self::spawn(command)?;
        (process.address, process.probes) =
            try_wait_for("the program to listen", DEADLINE, || {
                let log = process.log();
                let address = |before: &str| -> Option<SocketAddr> {
                    log.split(before).nth(1)?.split([' ', '"']).next()?.parse().ok()
                };
                let addresses = address("listening on https://").zip(address(" and on http://"));
                if addresses.is_none()
                    && let Some(status) = process.child.try_wait()?
                {
                    bail!("it has ended with {status}: {log}");
                }
                Ok(addresses)
            })?;
        Ok(process)
    }

    /// Starts it, and collects its log.
    fn spawn(mut command: Command) -> Result<Self> {
        let mut child = command.stderr(Stdio::piped()).spawn().context("clbmigrate-webhook")?;
        let log = Arc::new(Mutex::new(String::new()));
        let stderr = child.stderr.take().context("no pipe")?;
        let lines = Arc::clone(&log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                let mut log = lines.lock().unwrap_or_else(PoisonError::into_inner);
                log.push_str(&line);
                log.push('\n');
            }
        });
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        Ok(Self { child, log, address: nowhere, probes: nowhere })
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until its log has these words.
    pub fn wait_for_log(&self, words: &str) -> Result<()> {
        let what = format!("{words:?} in the log");
        let found = try_wait_for(&what, DEADLINE, || Ok(self.log().contains(words).then_some(())));
        found.with_context(|| self.log())
    }

    /// Sends a signal, as `TERM`.
    pub fn signal(&self, name: &str) -> Result<()> {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-s", name, &pid]).status()?;
        ensure!(status.success(), "kill -s {name} {pid}: {status}");
        Ok(())
    }

    /// Waits for its exit.
    pub fn wait_for_exit(&mut self) -> Result<ExitStatus> {
        let child = &mut self.child;
        try_wait_for("the program to end", DEADLINE, || Ok(child.try_wait()?))
    }

    pub fn is_running(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }

    /// Status and body of an answer at its port for reviews, over TLS that trusts these certificates, PEM.
    pub fn get(&self, path: &str, trusted: &str, name: &str) -> Result<(u16, String)> {
        exchange(connect(self.address, trusted, name)?, &get_request(path))
    }

    /// Status and body of the answer to a review, which it is sent as [`Self::get`] asks.
    pub fn post(&self, path: &str, body: &str, trusted: &str, name: &str) -> Result<(u16, String)> {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n");
        let head = format!("{head}Content-Type: application/json\r\nContent-Length: {length}\r\n");
        exchange(connect(self.address, trusted, name)?, &format!("{head}\r\n{body}"))
    }

    /// Status and body of an answer at its port for probes.
    pub fn probe(&self, path: &str) -> Result<(u16, String)> {
        let tcp = TcpStream::connect(self.probes)?;
        tcp.set_read_timeout(Some(DEADLINE))?;
        exchange(tcp, &get_request(path))
    }

    /// The value of a line of its metrics, without the prefix.
    pub fn metric(&self, line: &str) -> Result<f64> {
        let (_, text) = self.probe("/metrics")?;
        let line = format!("clbmigrate_webhook_{line} ");
        let value = text.lines().find_map(|it| it.strip_prefix(&line));
        Ok(value.with_context(|| format!("no {line} in\n{text}"))?.parse()?)
    }
}

fn get_request(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
}

/// Sends a request and reads the answer, status and body, to the end of the connection.
fn exchange(mut stream: impl Read + Write, request: &str) -> Result<(u16, String)> {
    stream.write_all(request.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").context("no answer")?;
    let status = head.split(' ').nth(1).context("no status")?.parse()?;
    Ok((status, body.to_owned()))
}

impl Drop for WebhookProcess {
    fn drop(&mut self) {
        // It is gone already, or goes now.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A TLS connection, its handshake done.
pub fn connect(
    address: SocketAddr,
    trusted: &str,
    name: &str,
) -> Result<StreamOwned<ClientConnection, TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(trusted.as_bytes()) {
        roots.add(certificate.map_err(|error| anyhow::anyhow!("{error}"))?)?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut tcp = TcpStream::connect(address)?;
    tcp.set_read_timeout(Some(DEADLINE))?;
    let mut connection = ClientConnection::new(Arc::new(config), name.to_owned().try_into()?)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut tcp)?;
    }
    Ok(StreamOwned::new(connection, tcp))
}

/// The exit code of a program that cannot start, and what it writes to stderr.
pub fn run_to_exit(mut command: Command) -> Result<(i32, String)> {
    let output = command.output()?;
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output.status.code().context("a signal")?, stderr))
}
