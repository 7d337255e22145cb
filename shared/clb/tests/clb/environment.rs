//! The environment of a client under test.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
};

use clbmigrate_clb::{ClbClient, Environment, Error, Options, SystemEnvironment};
use futures::future::BoxFuture;
use jiff::Timestamp;

/// Variables and files that a test has made up, and nothing of the machine's. Programs are really
/// run, and the clock is the machine's unless a test sets it.
#[derive(Clone, Default)]
pub(crate) struct FakeEnvironment {
    variables: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    now: Option<Timestamp>,
}

impl FakeEnvironment {
    /// An access key and a region in environment variables.
    pub(crate) fn with_access_key() -> Self {
        Self::default()
            .variable("ALIBABA_CLOUD_ACCESS_KEY_ID", "LTAIexample")
            .variable("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "secret-1")
            .variable("ALIBABA_CLOUD_REGION_ID", "cn-example")
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn file(mut self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.files.insert(path.into(), content.into());
        self
    }

    pub(crate) fn at(mut self, time: &str) -> Self {
        self.now = Some(time.parse().expect("a time"));
        self
    }

    /// A client that finds its credentials in this environment.
    pub(crate) async fn connect_with(&self, options: Options) -> Result<ClbClient, Error> {
        ClbClient::connect_in_environment(options, Arc::new(self.clone())).await
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
        self.now.unwrap_or_else(|| SystemEnvironment.now())
    }

    fn run<'a>(
        &'a self,
        program: &'a str,
        arguments: &'a [String],
    ) -> BoxFuture<'a, io::Result<Output>> {
        Box::pin(async move { SystemEnvironment.run(program, arguments).await })
    }
}
