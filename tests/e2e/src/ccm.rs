//! The double of CCM as a process.

use clbmigrate_testbed::Cluster;
use clbmigrate_testkit::HttpProcess;
use serde_json::Value;

use crate::{
    clb::{CCM, CloudApi, REGION},
    tools::Tools,
    user::User,
};

/// The flag for how long it waits after the first failed round of a Service.
const RETRY: &str = "--retry-base-ms";

/// A double of CCM that answers for Services of a cluster, until it is dropped.
#[derive(Debug)]
pub struct CcmDouble(HttpProcess);

impl CcmDouble {
    /// Starts it for a user's namespace with these flags and waits until it listens.
    pub fn start(user: &User<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        let namespace = ["--namespace", &user.namespace];
        Self::of(&user.cluster, tools, &[&namespace, flags].concat())
    }

    /// Starts it for a user's namespace in a cluster of this id, if any, with a double of the CLB as
    /// its cloud.
    pub fn with_cloud(
        user: &User<'_>,
        tools: &Tools,
        clb: &CloudApi,
        cluster_id: Option<&str>,
    ) -> anyhow::Result<Self> {
        let url = clb.url()?;
        let mut flags = vec!["--endpoint", &url, "--region", REGION];
        flags.extend(cluster_id.into_iter().flat_map(|id| ["--cluster-id", id]));
        Self::start(user, tools, &flags)
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

    /// Starts it for all of a cluster with these flags and waits until it listens. Unless the flags
    /// say otherwise, the first failed round of a Service is tried again after 300 ms.
    pub fn of(cluster: &Cluster<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        let (key, secret) = CCM;
        let mut command = cluster.command(&tools.ccm);
        command.arg("--kubeconfig").arg(cluster.kubeconfig());
        command.args(["--listen", "127.0.0.1:0"]).args(flags);
        if !flags.contains(&RETRY) {
            command.args([RETRY, "300"]);
        }
        command.env("ACCESS_KEY_ID", key).env("ACCESS_KEY_SECRET", secret);
        HttpProcess::start(&mut command).map(Self)
    }

    /// Changes its behaviour, by a JSON merge patch.
    pub fn set_behaviour(&self, patch: &Value) -> anyhow::Result<()> {
        self.0.request_ok("PATCH", "/behaviour", &patch.to_string()).map(drop)
    }
}
