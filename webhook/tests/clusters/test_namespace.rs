//! One test's namespace in the cluster.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::Result;
use clbmigrate_testbed::{Cluster, Testbed};

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// A test by name.
pub type Test = (&'static str, TestFunction);

/// What a test does in its namespace.
pub type TestFunction = fn(&TestNamespace<'_>) -> Result<()>;

/// A namespace that no other test uses.
pub struct TestNamespace<'a> {
    pub testbed: &'a Testbed,
    pub cluster: Cluster<'a>,
    pub name: String,
    /// As whom the programs of this test ask the API server: a user of its own, for the audit log.
    pub user: String,
}

impl<'a> TestNamespace<'a> {
    pub fn new(testbed: &'a Testbed) -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let cluster = testbed.cluster("a")?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let (name, user) = (format!("test-{number}"), format!("webhook-{number}"));
        cluster.run_kubectl(&["create", "namespace", &name])?;
        Ok(Self { testbed, cluster, name, user })
    }

    /// What kubectl answers in this namespace.
    pub fn kubectl(&self, arguments: &[&str]) -> Result<String> {
        self.cluster.run_kubectl(&[&["--namespace", &self.name], arguments].concat())
    }
}
