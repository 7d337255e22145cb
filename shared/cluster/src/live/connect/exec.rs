//! Credential plugins: programs that print a token or a client certificate (client-go 0.36:
//! plugin/pkg/client/auth/exec/exec.go).

use std::{
    env,
    ffi::OsString,
    io::{self, BufRead, BufReader, IsTerminal, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStderr, Command, ExitStatus, Stdio},
    sync::Arc,
    thread,
};

use http::HeaderValue;
use jiff::Timestamp;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Error, ErrorKind,
    credentials::bearer,
    identity::{self, Pem},
    kubeconfig::Exec,
};
use crate::files::yaml;

/// The versions of the protocol.
const VERSIONS: [&str; 2] =
    ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"];

/// The variable by which a plugin learns what is wanted.
const INFO: &str = "KUBERNETES_EXEC_INFO";

/// A credential plugin of a user.
pub(super) struct Plugin {
    exec: Exec,
    user: String,
    /// What it may learn of the cluster, where it wants to.
    cluster: Option<Value>,
    mode: Mode,
}

/// Whether a plugin may ask the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Never,
    IfAvailable,
    Always,
}

/// What a plugin has printed.
pub(super) struct Granted {
    pub header: Option<HeaderValue>,
    pub certificate: Option<Arc<CertifiedKey>>,
    /// When it has to be asked again; `None` where its credentials do not expire.
    pub ends: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    kind: &'static str,
    api_version: &'a str,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<&'a Value>,
    interactive: bool,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Answer {
    kind: String,
    api_version: String,
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    expiration_timestamp: Option<Timestamp>,
    token: Option<String>,
    client_certificate_data: Option<String>,
    client_key_data: Option<String>,
}

impl Plugin {
    /// A plugin as the kubeconfig describes it.
    ///
    /// # Errors
    /// The description lacks something.
    pub fn new(exec: &Exec, user: &str, cluster: Value) -> Result<Self, Error> {
        let refused = |what: String| {
            let message = format!("the credential plugin of user {user:?} cannot be used: {what}");
            Err(Error::new(ErrorKind::Kubeconfig, message)
                .hint("see users[].user.exec in the kubeconfig"))
        };
        if exec.command.is_empty() {
            return refused("it has no command".to_owned());
        }
        if exec.env.iter().any(|variable| variable.name.is_empty()) {
            return refused("a variable of its env has no name".to_owned());
        }
        let version = exec.api_version.as_str();
        if !VERSIONS.contains(&version) {
            let known = VERSIONS.join(" and ");
            return refused(format!("its apiVersion is {version:?}; {known} are known"));
        }
        let mode = match exec.interactive_mode.as_str() {
            "Never" => Mode::Never,
            "IfAvailable" => Mode::IfAvailable,
            "Always" => Mode::Always,
            // client-go 0.36: clientcmd/api/v1/defaults.go.
            "" if version.ends_with("/v1beta1") => Mode::IfAvailable,
            "" => return refused("it has no interactiveMode, which v1 demands".to_owned()),
            other => return refused(format!("its interactiveMode is {other:?}")),
        };
        let cluster = exec.provide_cluster_info.then_some(cluster);
        Ok(Self { exec: exec.clone(), user: user.to_owned(), cluster, mode })
    }

    /// Runs it to its end, and reads what it prints. It may ask the user meanwhile.
    ///
    /// # Errors
    /// It cannot be run, fails, or prints no credentials.
    pub fn run(&self) -> Result<Granted, Error> {
        let is_terminal = io::stdin().is_terminal();
        if self.mode == Mode::Always && !is_terminal {
            return Err(self
                .error("asks the user, but standard input is not a terminal")
                .hint("log in by hand first, or run this in a terminal"));
        }
        let is_interactive = self.mode != Mode::Never && is_terminal;
        let request = Request {
            kind: "ExecCredential",
            api_version: &self.exec.api_version,
            spec: Spec { cluster: self.cluster.as_ref(), interactive: is_interactive },
        };
        let request = serde_json::to_string(&request)
            .map_err(|error| self.error(&format!("cannot be told of the cluster: {error}")))?;
        let program = find(Path::new(&self.exec.command))
            .ok_or_else(|| self.cannot_be_started("it is not on PATH"))?;
        let variables = self.exec.env.iter().map(|variable| (&variable.name, &variable.value));
        // What it says is for the user. On a terminal it gets the terminal, as from kubectl.
        let passes_stderr_on = !io::stderr().is_terminal();
        let child = Command::new(program)
            .args(&self.exec.args)
            .envs(variables)
            .env(INFO, request)
            .stdin(if is_interactive { Stdio::inherit() } else { Stdio::null() })
            .stdout(Stdio::piped())
            .stderr(if passes_stderr_on { Stdio::piped() } else { Stdio::inherit() })
            .spawn()
            .map_err(|error| self.cannot_be_started(&error.to_string()))?;
        let ended = end_of(child);
        let ended = ended.map_err(|error| self.error(&format!("was lost: {error}")))?;
        if !ended.status.success() {
            let said = if ended.last_words.is_empty() {
                String::new()
            } else {
                format!(": {}", ended.last_words)
            };
            return Err(self
                .error(&format!("failed with {}{said}", in_words(ended.status)))
                .hint("run it by hand; most ask for a new login"));
        }
        self.granted(&ended.stdout)
    }

    fn granted(&self, stdout: &[u8]) -> Result<Granted, Error> {
        let wrong = |what: &str| {
            self.error(&format!("did not print credentials: {what}"))
                .hint("run it by hand and look at what it prints: an ExecCredential with a status")
        };
        let text = String::from_utf8_lossy(stdout);
        let document = yaml::documents(&text).next().ok_or_else(|| wrong("it printed nothing"))?;
        let json = yaml::to_json_of_config(document).ok();
        let answer = json.and_then(|json| serde_json::from_slice::<Answer>(&json).ok());
        let Some(answer) = answer.filter(|answer| answer.kind == "ExecCredential") else {
            return Err(wrong("it printed something else"));
        };
        if answer.api_version != self.exec.api_version {
            return Err(wrong(&format!(
                "it speaks {:?}, and the kubeconfig wants {:?}",
                answer.api_version, self.exec.api_version
            )));
        }
        let Some(status) = answer.status else { return Err(wrong("it has no status")) };
        let set = |text: Option<String>| text.filter(|text| !text.is_empty());
        let header = match set(status.token) {
            Some(token) => Some(bearer(&token).map_err(|why| wrong(&format!("its token {why}")))?),
            None => None,
        };
        let pair = (set(status.client_certificate_data), set(status.client_key_data));
        let certificate = match pair {
            (Some(certificate), Some(key)) => {
                let place = "what its credential plugin printed";
                let certificate = Pem::Data(certificate.into_bytes(), place);
                let key = Pem::Data(key.into_bytes(), place);
                Some(Arc::new(identity::client_certificate(&certificate, &key, &self.user)?))
            }
            (None, None) => None,
            _ => return Err(wrong("it printed a certificate or a key, and not both")),
        };
        if header.is_none() && certificate.is_none() {
            return Err(wrong("it printed neither a token nor a certificate"));
        }
        Ok(Granted { header, certificate, ends: status.expiration_timestamp })
    }

    fn cannot_be_started(&self, why: &str) -> Error {
        let mut error = self.error(&format!("cannot be started: {why}"));
        let hint: String = self.exec.install_hint.replace('\t', " ");
        let lines: Vec<&str> =
            hint.lines().map(str::trim_end).filter(|line| !line.is_empty()).collect();
        if lines.is_empty() {
            return error.hint("install it, or see whether it is on PATH");
        }
        for line in lines {
            error =
                error.hint(line.chars().filter(|letter| !letter.is_control()).collect::<String>());
        }
        error
    }

    fn error(&self, what: &str) -> Error {
        let (command, user) = (&self.exec.command, &self.user);
        let message = format!("the credential plugin {command} of user {user:?} {what}");
        Error::new(ErrorKind::Credentials, message)
    }
}

/// A program that has ended.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    /// The last line that it wrote to stderr, where this was seen.
    last_words: String,
}

/// Waits for a program, and passes on what it says.
fn end_of(mut child: Child) -> io::Result<Ended> {
    let stderr = child.stderr.take();
    let talk = stderr.map(|stderr| thread::spawn(move || pass_on(stderr)));
    let output = child.wait_with_output()?;
    let last_words = talk.and_then(|talk| talk.join().ok()).unwrap_or_default();
    Ok(Ended { status: output.status, stdout: output.stdout, last_words })
}

/// Copies what a program says to stderr, as it comes, and keeps the last line.
fn pass_on(from: ChildStderr) -> String {
    let mut from = BufReader::new(from);
    let (mut line, mut last) = (Vec::new(), String::new());
    while let Ok(chunk) = from.fill_buf() {
        let size = chunk.len();
        if size == 0 {
            break;
        }
        // Nobody may be there to read it.
        let _ = io::stderr().write_all(chunk);
        line.extend_from_slice(chunk);
        from.consume(size);
        while let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            let rest = line.split_off(end + 1);
            keep(&mut last, &line);
            line = rest;
        }
    }
    keep(&mut last, &line);
    last
}

fn keep(last: &mut String, line: &[u8]) {
    let text = String::from_utf8_lossy(line);
    let text: String =
        text.trim().chars().filter(|letter| !letter.is_control()).take(300).collect();
    if !text.is_empty() {
        *last = text;
    }
}

fn in_words(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("exit code {code}"),
        None => status.to_string(),
    }
}

/// Where a program is: at its path, or on PATH under its name (Go: os/exec, `LookPath`).
fn find(command: &Path) -> Option<PathBuf> {
    if cfg!(windows) || command.components().count() > 1 || command.is_absolute() {
        return Some(command.to_owned());
    }
    let path: OsString = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(command)).find(|path| is_program(path))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata().is_ok_and(|of| of.is_file() && of.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(path: &Path) -> bool {
    path.is_file()
}
