//! Processes that end with the supervisor.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::environment::{NO_HOME, clean_environment};
use crate::netns::nsenter;

/// How much of a log an error shows.
const TAIL: usize = 20;

/// What to start: a program that runs until it is stopped.
#[derive(Clone, Debug)]
pub(crate) struct ProcessSpec {
    /// Unique in the testbed; also the name of the log.
    pub name: String,
    pub namespace: Option<String>,
    /// Between the namespace and the program: commands that start what follows them.
    pub prefix: Vec<OsString>,
    pub program: PathBuf,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, OsString)>,
}

/// A process of the testbed.
#[derive(Debug)]
pub(crate) struct Process {
    spec: ProcessSpec,
    child: Child,
    log: PathBuf,
}

impl ProcessSpec {
    pub fn new(name: String, namespace: Option<&str>, program: PathBuf) -> Self {
        Self {
            name,
            namespace: namespace.map(ToOwned::to_owned),
            prefix: Vec::new(),
            program,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// An argument `--NAME=VALUE`.
    pub fn flag(&mut self, name: &str, value: impl AsRef<std::ffi::OsStr>) -> &mut Self {
        let mut argument = OsString::from(format!("--{name}="));
        argument.push(value);
        self.arguments.push(argument);
        self
    }

    /// Starts it. Call this only on a thread that lives as long as the supervisor: Linux sends the
    /// signal that ends the process when the thread that started it is gone.
    pub fn start(self, logs: &Path, marker: &(String, OsString)) -> anyhow::Result<Process> {
        let log = logs.join(format!("{}.log", self.name));
        let open = || -> anyhow::Result<File> {
            Ok(File::options().create(true).append(true).open(&log)?)
        };
        let output = open().with_context(|| format!("{}", log.display()))?;
        let mut command = Command::new("setpriv");
        clean_environment(&mut command, Path::new(NO_HOME));
        command.args(["--pdeathsig", "KILL", "--"]);
        command.args(nsenter(self.namespace.as_deref()));
        command.args(&self.prefix).arg(&self.program).args(&self.arguments);
        command.env(&marker.0, &marker.1).envs(self.environment.iter().cloned());
        command.stdin(Stdio::null()).stdout(output.try_clone()?).stderr(output);
        let child = command.spawn().with_context(|| format!("start {} with setpriv", self.name))?;
        Ok(Process { spec: self, child, log })
    }
}

impl Process {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn spec(&self) -> &ProcessSpec {
        &self.spec
    }

    /// Fails with the end of its log if it does not run any more.
    pub fn check(&mut self) -> anyhow::Result<()> {
        match self.ended()? {
            None => Ok(()),
            Some(status) => bail!("{} ended with {status}; {}", self.spec.name, self.tail()),
        }
    }

    pub fn ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.child.try_wait().with_context(|| format!("state of {}", self.spec.name))
    }

    /// The end of its log, for an error.
    pub fn tail(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines = text.lines().collect::<Vec<_>>();
        let tail = lines.get(lines.len().saturating_sub(TAIL)..).unwrap_or_default();
        format!("the end of {}:\n{}", self.log.display(), tail.join("\n"))
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("process id of {}", self.spec.name))?;
        kill_process(pid, signal).with_context(|| format!("signal to {}", self.spec.name))
    }

    /// Kills it and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill().with_context(|| format!("kill {}", self.spec.name))?;
        self.child.wait().with_context(|| format!("wait for {}", self.spec.name))?;
        Ok(())
    }
}

/// Runs a command to its end; the error has the command and what it said on stderr.
pub(crate) fn run(command: &mut Command) -> anyhow::Result<String> {
    let shown = format!("{command:?}");
    let output = command.stdin(Stdio::null()).output().with_context(|| shown.clone())?;
    if !output.status.success() {
        let how = match output.status.signal() {
            Some(signal) => format!("signal {signal}"),
            None => format!("{}", output.status),
        };
        bail!("{shown}: {how}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| shown)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::{env, process};

    use super::*;

    #[test]
    fn a_process_gets_nothing_of_the_users_environment() {
        let logs = env::temp_dir().join(format!("clbmigrate-process-{}", process::id()));
        fs::create_dir(&logs).expect("a folder");
        let spec = ProcessSpec::new("env".to_owned(), None, PathBuf::from("env"));
        let mut started = spec.start(&logs, &("MARKER".to_owned(), "x".into())).expect("env");
        let status = started.child.wait().expect("its end");
        let printed = fs::read_to_string(logs.join("env.log")).expect("its log");
        fs::remove_dir_all(&logs).expect("the folder");
        assert!(status.success(), "{printed}");
        let names = printed.lines().filter_map(|line| Some(line.split_once('=')?.0));
        let names: BTreeSet<&str> = names.collect();
        assert!(names.contains("MARKER") && names.contains("PATH"), "{printed}");
        // Cargo's variables for this test stand for all others.
        assert!(env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(!names.iter().any(|name| name.starts_with("CARGO")), "{printed}");
        assert!(printed.contains("HOME=/nonexistent\n"), "{printed}");
    }
}
