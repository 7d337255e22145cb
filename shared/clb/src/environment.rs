//! What the credentials depend on outside this program: environment, files, clock, commands.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::{Output, Stdio},
};

use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::process::Command;

/// The machine, or what a test puts in its place.
pub trait Environment: Send + Sync {
    /// An environment variable; one that is not UTF-8 counts as absent.
    fn variable(&self, name: &str) -> Option<String>;

    /// A file's content.
    ///
    /// # Errors
    /// As the file system has them.
    fn read(&self, file: &Path) -> io::Result<Vec<u8>>;

    /// The time.
    fn now(&self) -> Timestamp;

    /// Runs a program with its arguments, without input, to its end.
    ///
    /// # Errors
    /// Where it cannot be started.
    fn run<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [String],
    ) -> BoxFuture<'a, io::Result<Output>>;
}

/// The machine itself.
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
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .output()
                .await
        })
    }
}

/// Shorthands that the search for credentials uses.
impl dyn Environment + '_ {
    /// The first of some variables that is not empty, with its name.
    pub(crate) fn first_variable<'n>(&self, names: &[&'n str]) -> Option<(&'n str, String)> {
        names.iter().find_map(|name| {
            let value = self.variable(name).filter(|value| !value.is_empty())?;
            Some((*name, value))
        })
    }

    /// The value of the first of some variables that is not empty.
    pub(crate) fn value(&self, names: &[&str]) -> Option<String> {
        self.first_variable(names).map(|(_, value)| value)
    }

    /// Whether a variable says `true`, in any case.
    pub(crate) fn is_true(&self, names: &[&str]) -> bool {
        self.value(names).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// The home folder.
    pub(crate) fn home(&self) -> Option<PathBuf> {
        let names = if cfg!(windows) { ["USERPROFILE", "HOME"] } else { ["HOME", "HOME"] };
        self.value(&names).map(PathBuf::from)
    }

    /// A path as people write it, with `~` for the home folder.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let below =
            self.home().and_then(|home| path.strip_prefix(home).ok().map(Path::to_path_buf));
        below.map_or_else(|| path.display().to_string(), |rest| format!("~/{}", rest.display()))
    }
}
