//! Pods and their processes on this machine.

use std::{
    fs,
    io::Write as _,
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::NAMESPACE;
use clbmigrate_testbed::run_in;

use crate::test_cluster::TestCluster;

/// Ends the connections of a Pod to its API server, and refuses new ones. Only calls of its own go to port 443.
const CUT_OFF: &str = "
table inet clbmigrate_watches {
    chain out { type filter hook output priority -300; tcp dport 443 reject with tcp reset; }
    chain in { type filter hook input priority -300; tcp sport 443 reject with tcp reset; }
}";
const RECONNECT: &str = "delete table inet clbmigrate_watches";

/// A Pod that runs.
#[derive(Debug, Clone)]
pub struct Pod {
    pub name: String,
    uid: String,
    pub node: String,
    pub address: Ipv4Addr,
}

impl Pod {
    /// The Pods of a namespace with this label that are not to end.
    pub fn list(cluster: &TestCluster<'_>, namespace: &str, label: &str) -> Result<Vec<Self>> {
        let get = format!("get pods -n {namespace} -l {label} -o json");
        let list = cluster.kubectl_ok(&get, "")?.json()?;
        let all = list["items"].as_array().context("a list")?.iter();
        let stay = all.filter(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        let pods = stay.map(|pod| {
            let text = |pointer: &str| {
                let text = pod.pointer(pointer).and_then(|it| it.as_str());
                text.map(str::to_owned).with_context(|| format!("{pointer} of a Pod"))
            };
            let address = text("/status/podIP")?.parse()?;
            Ok(Self {
                name: text("/metadata/name")?,
                uid: text("/metadata/uid")?,
                node: text("/spec/nodeName")?,
                address,
            })
        });
        pods.collect()
    }

    /// The webhook's Pods: two.
    pub fn replicas(cluster: &TestCluster<'_>) -> Result<[Self; 2]> {
        let pods = Self::list(cluster, NAMESPACE, "app.kubernetes.io/name=clbmigrate-webhook")?;
        <[Self; 2]>::try_from(pods).map_err(|pods| anyhow::anyhow!("not two Pods: {pods:?}"))
    }

    /// Where the webhook takes reviews in it.
    pub fn reviews(&self) -> SocketAddr {
        (self.address, 8443).into()
    }

    /// The process of its container; of its other process, the one that holds its network, is no talk.
    pub fn process(&self) -> Result<u32> {
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            // It may have ended since.
            let read = |file: &str| {
                let bytes = fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
                String::from_utf8_lossy(&bytes).replace('\0', " ")
            };
            let command = read("cmdline");
            if command.starts_with("/app ")
                && !command.starts_with("/app pause")
                && read("cgroup").contains(&self.uid)
            {
                return Ok(id);
            }
        }
        anyhow::bail!("{} has no process", self.name)
    }

    /// Kills its process, as the kernel does for want of memory.
    pub fn kill(&self) -> Result<()> {
        let process = self.process()?.to_string();
        let killed = Command::new("kill").args(["-KILL", &process]).status()?;
        ensure!(killed.success(), "{} is not killed", self.name);
        Ok(())
    }

    /// The file with its network.
    pub fn network(&self) -> Result<PathBuf> {
        Ok(PathBuf::from(format!("/proc/{}/ns/net", self.process()?)))
    }

    /// Deletes it and waits until it is gone.
    pub fn delete(&self, cluster: &TestCluster<'_>) -> Result<()> {
        cluster.kubectl_ok(&format!("delete pod {} -n {NAMESPACE}", self.name), "").map(drop)
    }

    /// Ends its connections to the API server, and refuses new ones; whoever calls it is not concerned.
    pub fn cut_off_from_api_server(&self) -> Result<()> {
        self.filter(CUT_OFF)
    }

    /// Lets it reach the API server again.
    pub fn reconnect(&self) -> Result<()> {
        self.filter(RECONNECT)
    }

    fn filter(&self, rules: &str) -> Result<()> {
        run_in(&self.network()?, || {
            let mut nft = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn()?;
            nft.stdin.take().context("a pipe")?.write_all(rules.as_bytes())?;
            ensure!(nft.wait()?.success(), "nft has failed in {}", self.name);
            Ok(())
        })
    }

    /// The memory that its process has, in KiB.
    pub fn memory(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process()?))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let value = line.and_then(|line| line.split_whitespace().next()).context("VmRSS")?;
        Ok(value.parse()?)
    }
}
