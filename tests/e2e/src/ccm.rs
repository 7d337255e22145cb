//! The double of CCM as a process.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    process::{Child, Stdio},
};

use anyhow::{Context, ensure};
use clbmigrate_testbed::Cluster;

use crate::{
    clb::{CCM, Clb, REGION},
    user::{Tools, User},
};

/// A double that answers for Services of a cluster, until it is dropped.
#[derive(Debug)]
pub struct Ccm {
    child: Child,
    address: String,
}

impl Ccm {
    /// Starts it for a user's namespace with these flags and waits until it answers.
    pub fn start(user: &User<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        let own = ["--namespace", &user.namespace];
        Self::of(&user.cluster, tools, &[&own, flags].concat())
    }

    /// Starts it for a user's namespace with the double of the CLB as its cloud.
    pub fn with_cloud(user: &User<'_>, tools: &Tools, clb: &Clb) -> anyhow::Result<Self> {
        Self::start(user, tools, &["--endpoint", &clb.url()?, "--region", REGION])
    }

    /// The same for a cluster of that id.
    pub fn of_cluster(user: &User<'_>, tools: &Tools, clb: &Clb, id: &str) -> anyhow::Result<Self> {
        let url = clb.url()?;
        Self::start(user, tools, &["--endpoint", &url, "--region", REGION, "--cluster-id", id])
    }

    /// Starts it for all of a cluster of that id with the CLB at a URL as its cloud.
    pub fn with_endpoint(
        cluster: &Cluster<'_>,
        tools: &Tools,
        endpoint: &str,
        id: &str,
    ) -> anyhow::Result<Self> {
        let flags = ["--endpoint", endpoint, "--region", REGION, "--cluster-id", id];
        Self::of(cluster, tools, &flags)
    }

    /// Changes how it behaves, by a JSON merge patch.
    pub fn behaves(&self, patch: &serde_json::Value) -> anyhow::Result<()> {
        let body = patch.to_string();
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "PATCH /behaviour HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        ensure!(answer.starts_with("HTTP/1.1 200"), "PATCH /behaviour: {answer}");
        Ok(())
    }

    /// Starts it for all of a cluster with these flags and waits until it answers.
    pub fn of(cluster: &Cluster<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        Self::run(cluster, tools, flags, CCM)
    }

    fn run(
        cluster: &Cluster<'_>,
        tools: &Tools,
        flags: &[&str],
        (key, secret): (&str, &str),
    ) -> anyhow::Result<Self> {
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
        let mut ccm = Self { child, address: String::new() };
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on http://");
        address.with_context(|| format!("ccm-double said {line:?}"))?.clone_into(&mut ccm.address);
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
