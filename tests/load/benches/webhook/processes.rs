//! The servers that are compared, a process each.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clbmigrate_load::affinity::spawn_pinned;
use clbmigrate_load::certificates;
use clbmigrate_load::list_server;
use clbmigrate_load::load_generator::{Connection, Expect, Server};
use clbmigrate_load::review::{Decision, Review, ReviewSize};
use clbmigrate_load::usage::{self, Memory};
use clbmigrate_testbed::stderr::write_line;
use clbmigrate_testbed::try_wait_for;

/// How long a server may take before the benchmark fails.
const DEADLINE: Duration = Duration::from_secs(120);
/// What servers say when they listen, before their address.
const LISTENING: &str = "listening on https://";
/// What the webhook says before its address for probes, on the same line.
const PROBES: &str = " and on http://";

/// Where servers run.
pub(crate) struct ServerSettings<'a> {
    /// For what they write.
    pub folder: &'a Path,
    /// Folder of their certificate.
    pub certificate: &'a Path,
    /// Their core, counted from 0.
    pub core: usize,
}

/// A server; it ends when this value is dropped.
pub(crate) struct Program {
    child: Child,
    log: PathBuf,
    address: SocketAddr,
    /// Where the webhook answers probes; the echo has no such place.
    probes: Option<SocketAddr>,
}

impl Program {
    /// The server to compare with, whose answers have this size.
    pub fn echo(
        settings: &ServerSettings<'_>,
        program: &Path,
        name: &str,
        answer: usize,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(["--answer-bytes", &answer.to_string()]);
        Self::start(settings, &format!("echo-{name}"), &mut command)
    }

    /// The webhook with the Services of a list server, all settings at their defaults.
    pub fn webhook(
        settings: &ServerSettings<'_>,
        program: &Path,
        name: &str,
        lists: SocketAddr,
    ) -> Result<Self> {
        let file = |name: String, text: &str| {
            let file = settings.folder.join(name);
            fs::write(&file, text).with_context(|| format!("{}", file.display())).map(|()| file)
        };
        let config = file(format!("{name}.yaml"), "{}\n")?;
        let kubeconfig = file(format!("{name}.kubeconfig"), &list_server::kubeconfig(lists))?;
        let mut command = Command::new(program);
        command.arg("--kubeconfig").arg(kubeconfig).arg("--config").arg(config);
        command.args(["--probe-listen", "127.0.0.1:0"]);
        Self::start(settings, name, &mut command)
    }

    fn start(settings: &ServerSettings<'_>, name: &str, command: &mut Command) -> Result<Self> {
        let log = settings.folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("{}", log.display()))?;
        command.args(["--listen", "127.0.0.1:0"]).arg("--tls-cert-dir").arg(settings.certificate);
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
        let child = spawn_pinned(settings.core, command)?;
        let mut program = Self { child, log, address: ([0, 0, 0, 0], 0).into(), probes: None };
        (program.address, program.probes) = program.wait(&format!("{name} to listen"), |log| {
            let reviews = address(log, LISTENING);
            Ok(reviews.map(|reviews| (reviews, address(log, PROBES))))
        })?;
        Ok(program)
    }

    /// Waits until `/readyz` answers with 200.
    pub fn wait_until_ready(&self) -> Result<()> {
        let probes = self.probes.context("no address for probes")?;
        self.wait("the webhook to be ready", |_| {
            let mut tcp = TcpStream::connect(probes)?;
            tcp.write_all(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")?;
            let mut answer = String::new();
            tcp.read_to_string(&mut answer)?;
            Ok(answer.starts_with("HTTP/1.1 200 ").then_some(()))
        })
    }

    /// Waits, but not for a process that has ended.
    fn wait<T>(&self, what: &str, mut look: impl FnMut(&str) -> Result<Option<T>>) -> Result<T> {
        let log = || fs::read_to_string(&self.log).unwrap_or_default();
        let found = try_wait_for(what, DEADLINE, || {
            if usage::cpu_time(self.pid()).is_err() || is_dead(self.pid()) {
                bail!("it has ended");
            }
            look(&log())
        });
        found.with_context(|| format!("{what}; its log ends with:\n{}", end(&log())))
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its memory.
    pub fn memory(&self) -> Result<Memory> {
        usage::memory(self.pid())
    }

    fn server(&self, certificate: &Path) -> Result<Server> {
        Ok(Server { address: self.address, tls: certificates::client_config(certificate)? })
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The bytes of a webhook's answer to reviews of this decision, which must be right. It says the same of
/// small and of large ones.
pub(crate) fn answers(webhook: &Program, certificate: &Path, decision: Decision) -> Result<usize> {
    let server = webhook.server(certificate)?;
    let host = webhook.address.to_string();
    runtime()?.block_on(async {
        let mut connection = Connection::open(&server).await?;
        let mut bytes = 0;
        for size in [ReviewSize::Small, ReviewSize::Usual] {
            let review = Review::new(&host, "/validate-services", decision, size)?;
            let answer = connection.send(review.request()).await?;
            Expect::Decision.judge(&review, answer)?;
            let text = String::from_utf8_lossy(answer.body);
            write_line(&format!("the webhook says {text}"));
            bytes = answer.body.len();
        }
        Ok(bytes)
    })
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().context("no runtime")
}

fn address(log: &str, before: &str) -> Option<SocketAddr> {
    let (_, rest) = log.split_once(before)?;
    // Only a line that has ended is complete.
    let (line, _) = rest.split_once('\n')?;
    let length = line.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
    line.get(..length.unwrap_or(line.len()))?.parse().ok()
}

/// A child that nobody has waited for stays in the list of processes.
fn is_dead(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z'))
}

fn end(log: &str) -> &str {
    let lines = log.lines().count();
    let mut rest = log;
    for _ in 10..lines {
        rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
    }
    rest
}
