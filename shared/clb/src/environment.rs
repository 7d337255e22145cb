//! What the client reads from the machine: variables, files, the clock, output of programs.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::process::Command;

/// What the client reads from the machine. [`SystemEnvironment`] is the real one; tests have their
/// own.
pub trait Environment: Send + Sync {
    /// The value of an environment variable; `None` where it is not set or not UTF-8.
    fn variable(&self, name: &str) -> Option<String>;

    /// Reads a file.
    ///
    /// # Errors
    /// The error of the file system.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// The current time.
    fn now(&self) -> Timestamp;

    /// Runs a program and returns its standard output when it has ended. Its standard input and
    /// standard error are those of this process: it may ask somebody for a code.
    ///
    /// # Errors
    /// The program cannot be started.
    fn run<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [String],
    ) -> BoxFuture<'a, io::Result<Output>>;
}

/// The environment of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEnvironment;

impl Environment for SystemEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        fs::read(file)
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn run<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [String],
    ) -> BoxFuture<'a, io::Result<Output>> {
        Box::pin(async move {
            Command::new(program)
                .args(arguments)
                .stdin(Stdio::inherit())
                .stdout(Stdio::piped())
                .stderr(Stdio::inherit())
                .kill_on_drop(true)
                .spawn()?
                .wait_with_output()
                .await
        })
    }
}

/// Shorthands of the search for credentials.
impl dyn Environment + '_ {
    /// Name and value of the first of these variables that is set and not empty.
    pub(crate) fn first_variable<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| {
            let value = self.variable(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        })
    }

    /// The value of the first of these variables that is set and not empty.
    pub(crate) fn value(&self, names: &[&str]) -> Option<String> {
        self.first_variable(names).map(|(_, value)| value)
    }

    /// Whether the first of these variables that is set says `true`, in any case.
    pub(crate) fn is_true(&self, names: &[&str]) -> bool {
        self.value(names).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The home folder; `None` where no variable names it.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let names: &[&str] = if cfg!(windows) { &["USERPROFILE", "HOME"] } else { &["HOME"] };
        self.value(names).map(PathBuf::from)
    }

    /// The path with `~` for the home folder.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let below =
            self.home().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf));
        below.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()))
    }
}
