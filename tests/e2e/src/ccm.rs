//! The double of CCM as a process.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, ensure};
use clbmigrate_bed::Cluster;

use crate::{
    clb::{CCM, Clb, REGION},
    user::{Tools, User},
};

/// One at a time: two would answer for the same Services.
static ALONE: Mutex<()> = Mutex::new(());

/// A double that answers for all Services of a cluster, until it is dropped.
#[derive(Debug)]
pub struct Ccm {
    child: Child,
    _alone: MutexGuard<'static, ()>,
}

impl Ccm {
    /// Starts it in a user's cluster with these flags and waits until it answers.
    pub fn start(user: &User<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        Self::of(&user.cluster, tools, flags)
    }

    /// Starts it in a user's cluster with the double of the CLB as its cloud.
    pub fn with_cloud(user: &User<'_>, tools: &Tools, clb: &Clb) -> anyhow::Result<Self> {
        Self::run(&user.cluster, tools, &["--endpoint", &clb.url()?, "--region", REGION], CCM)
    }

    /// Starts it in a cluster with these flags and waits until it answers.
    pub fn of(cluster: &Cluster<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        Self::run(cluster, tools, flags, CCM)
    }

    fn run(
        cluster: &Cluster<'_>,
        tools: &Tools,
        flags: &[&str],
        (key, secret): (&str, &str),
    ) -> anyhow::Result<Self> {
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut child = cluster
            .command(&tools.ccm)
            .arg("--kubeconfig")
            .arg(cluster.kubeconfig())
            .args(["--listen", "127.0.0.1:0", "--retry-base-ms", "300"])
            .args(flags)
            .env("ACCESS_KEY_ID", key)
            .env("ACCESS_KEY_SECRET", secret)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("ccm-double")?;
        let out = child.stdout.take().context("its standard output")?;
        let ccm = Self { child, _alone: alone };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        ensure!(line.starts_with("listening on"), "ccm-double said {line:?}");
        Ok(ccm)
    }
}

impl Drop for Ccm {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
