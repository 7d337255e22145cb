//! Environment and options of tests.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    process::Output,
    sync::Arc,
    time::Duration,
};

use clbmigrate_clb::{ClbClient, Environment, Error, Options, SystemEnvironment};
use futures::future::BoxFuture;
use jiff::Timestamp;

use crate::server::Server;

/// Environment and files that a test has made up; the rest is the machine's.
#[derive(Clone, Default)]
pub(crate) struct FakeEnvironment {
    variables: BTreeMap<String, String>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    now: Option<Timestamp>,
}

impl FakeEnvironment {
    /// Somebody with an access key and a region in the environment.
    pub(crate) fn with_keys() -> Self {
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

    /// A client of a server that is CLB API, STS and metadata at once.
    pub(crate) async fn connect(&self, server: &Server) -> Result<ClbClient, Error> {
        self.connect_with(options(server)).await
    }

    pub(crate) async fn connect_with(&self, options: Options) -> Result<ClbClient, Error> {
        ClbClient::connect_in_environment(options, Arc::new(self.clone())).await
    }
}

/// Short times: a test that waits for their end should not wait long.
pub(crate) fn options(server: &Server) -> Options {
    Options {
        endpoint: Some(server.http()),
        sts_endpoint: Some(server.http()),
        metadata_endpoint: Some(server.http()),
        attempt_timeout: Duration::from_secs(5),
        operation_timeout: Duration::from_secs(10),
        ..Options::default()
    }
}

/// A client with an access key.
pub(crate) async fn client(server: &Server) -> ClbClient {
    FakeEnvironment::with_keys().connect(server).await.expect("a client")
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
