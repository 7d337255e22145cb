//! The environment of unit tests.

use std::{
    collections::BTreeMap,
    future::pending,
    io,
    path::{Path, PathBuf},
    process::Output,
    sync::Mutex,
};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use crate::Environment;

/// A program that never ends; no other can be started.
pub(crate) const HANGING_PROGRAM: &str = "hang";

/// A home folder `/home/ann`, and the variables and files that a test adds.
pub(crate) struct FakeEnvironment {
    variables: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    now: Mutex<Timestamp>,
}

impl FakeEnvironment {
    pub(crate) fn new() -> Self {
        let now = "2026-01-02T03:04:05Z".parse().expect("a time");
        let environment =
            Self { variables: BTreeMap::new(), files: BTreeMap::new(), now: Mutex::new(now) };
        environment.variable("HOME", "/home/ann").variable("USERPROFILE", "/home/ann")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    pub(crate) fn advance_clock(&self, seconds: i64) {
        let mut now = self.now.lock().expect("a clock");
        *now += SignedDuration::from_secs(seconds);
    }
}

impl Environment for FakeEnvironment {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, file: &Path) -> io::Result<Vec<u8>> {
        self.files.get(file).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().expect("a clock")
    }

    fn run<'a>(&'a self, program: &'a str, _: &'a [String]) -> BoxFuture<'a, io::Result<Output>> {
        Box::pin(async move {
            if program == HANGING_PROGRAM {
                return pending().await;
            }
            Err(io::Error::new(io::ErrorKind::NotFound, program.to_owned()))
        })
    }
}
