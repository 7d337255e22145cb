//! The double of CCM as a process.

use anyhow::Context;
use clbmigrate_testbed::Cluster;
use clbmigrate_testkit::HttpProcess;
use serde_json::{Value, json};

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
        Self::with_cloud_and_flags(user, tools, clb, cluster_id, &[])
    }

    /// The same with more flags, such as `--retry-base-ms 5000` for the back-off of the real CCM.
    pub fn with_cloud_and_flags(
        user: &User<'_>,
        tools: &Tools,
        clb: &CloudApi,
        cluster_id: Option<&str>,
        more: &[&str],
    ) -> anyhow::Result<Self> {
        let url = clb.url()?;
        let mut flags = vec!["--endpoint", &url, "--region", REGION];
        flags.extend(cluster_id.into_iter().flat_map(|id| ["--cluster-id", id]));
        Self::start(user, tools, &[&flags, more].concat())
    }

    /// Starts it for a namespace of a cluster, whose id is its name, with the CLB at a URL as its cloud.
    pub fn with_endpoint(
        cluster: &Cluster<'_>,
        namespace: &str,
        tools: &Tools,
        endpoint: &str,
    ) -> anyhow::Result<Self> {
        let cloud = ["--endpoint", endpoint, "--region", REGION];
        let scope = ["--cluster-id", cluster.name(), "--namespace", namespace];
        Self::of(cluster, tools, &[cloud, scope].concat())
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

    /// Has the next rounds fail visibly with this message: so many, or all from now on.
    pub fn fail_rounds(&self, message: &str, rounds: Option<u32>) -> anyhow::Result<()> {
        self.set_behaviour(&json!({"fail": {"message": message, "rounds": rounds}}))
    }

    /// Rounds succeed again.
    pub fn stop_failing(&self) -> anyhow::Result<()> {
        self.set_behaviour(&json!({"fail": null}))
    }

    /// Has every Service so many events left from now on, then one in five minutes as the real CCM; none with 0. The
    /// double starts with client-go's 25. The same number as before changes nothing.
    pub fn set_event_tokens(&self, tokens: u32) -> anyhow::Result<()> {
        self.set_behaviour(&json!({"eventTokens": tokens}))
    }

    /// Has every event written, which the real CCM never does.
    pub fn write_all_events(&self) -> anyhow::Result<()> {
        self.set_behaviour(&json!({"eventTokens": "unlimited"}))
    }

    /// Deletes CCM's events about Services, as the API server does after an hour. The recorder counts on: the next equal
    /// event has the old name, first time and count, and a new uid. Says how many there were.
    pub fn expire_events(&self) -> anyhow::Result<u64> {
        let answer: Value =
            serde_json::from_str(&self.0.request_ok("POST", "/events/expire", "")?)?;
        answer.get("expired").and_then(Value::as_u64).context("no number of events")
    }

    /// How the last round of a Service ended: `rounds`, `outcome`, `reason`, `clb` and `hash`; null before the first.
    pub fn last_round(&self, namespace: &str, service: &str) -> anyhow::Result<Value> {
        let mut state: Value = serde_json::from_str(&self.0.request_ok("GET", "/state", "")?)?;
        let services = state.get_mut("services").context("no Services")?;
        let found = services.get_mut(format!("{namespace}/{service}"));
        Ok(found.map(Value::take).unwrap_or_default())
    }
}
