//! Two clusters behind one CLB, and somebody who moves traffic between them.

use std::{process::Command, time::Duration};

use anyhow::ensure;
use clbmigrate_e2e::{CcmDouble, CloudApi, RunningCommand, Tools, User};
use clbmigrate_testbed::{Testbed, try_wait_for};
use clbmigrate_testkit::{CommandOutput, manifests::service_in, run};
use serde_json::{Value, json};

/// A cluster of an older Kubernetes with two nodes.
pub const OLD: &str = "old";
/// A cluster of the newest with three.
pub const NEW: &str = "new";

/// Their ids.
pub const IDS: [(&str, &str); 2] = [(OLD, "c-old"), (NEW, "c-new")];

/// Long enough for anything that shall happen at all.
pub const DEADLINE: Duration = Duration::from_secs(90);

/// What a test gets.
pub struct TestContext<'b> {
    pub testbed: &'b Testbed,
    pub tools: Tools,
    pub namespace: &'static str,
}

/// Everything behind one CLB.
pub struct TwoClusters<'b> {
    pub old: User<'b>,
    pub new: User<'b>,
    pub clb: CloudApi,
    pub ccm_of_old: CcmDouble,
    pub ccm_of_new: CcmDouble,
    pub kubeconfig: String,
}

impl<'b> TestContext<'b> {
    /// Service `web` of weight 80 in the old cluster, of 20 in the new one, and machines with these
    /// weights; all in group `rsp-bp1NAMESPACE`, as CCM has registered it.
    pub fn clusters(&self, machines: &[(&str, u32)]) -> anyhow::Result<TwoClusters<'b>> {
        self.clusters_with(80, 20, machines)
    }

    /// The same with these weights.
    pub fn clusters_with(
        &self,
        old_weight: u32,
        new_weight: u32,
        machines: &[(&str, u32)],
    ) -> anyhow::Result<TwoClusters<'b>> {
        let group = format!("rsp-bp1{}", self.namespace);
        let machine =
            |(id, weight): &(&str, u32)| json!({"serverId": id, "port": 8080, "weight": weight});
        let machines: Vec<Value> = machines.iter().map(machine).collect();
        let clb = CloudApi::start(
            &json!([{"id": group, "name": "shop-web", "backends": machines}]),
            &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
        )?;
        self.clusters_behind(
            clb,
            &[("weight", old_weight.to_string())],
            &[("weight", new_weight.to_string())],
        )
    }

    /// The same behind this CLB, with these annotations.
    pub fn clusters_behind(
        &self,
        clb: CloudApi,
        of_old: &[(&str, String)],
        of_new: &[(&str, String)],
    ) -> anyhow::Result<TwoClusters<'b>> {
        let old = User::new(self.testbed, &self.tools, OLD, self.namespace)?;
        let new = User::new(self.testbed, &self.tools, NEW, self.namespace)?;
        for (user, annotations) in [(&old, of_old), (&new, of_new)] {
            let annotations: Vec<(&str, &str)> =
                annotations.iter().map(|(key, value)| (*key, value.as_str())).collect();
            user.apply(service_in(self.namespace, "web", &annotations))?;
        }
        let [(_, id_of_old), (_, id_of_new)] = IDS;
        let ccm_of_old = CcmDouble::with_cloud(&old, &self.tools, &clb, Some(id_of_old))?;
        let ccm_of_new = CcmDouble::with_cloud(&new, &self.tools, &clb, Some(id_of_new))?;
        let kubeconfig = self.testbed.kubeconfig().display().to_string();
        let clusters = TwoClusters { old, new, clb, ccm_of_old, ccm_of_new, kubeconfig };
        clusters.settled()?;
        Ok(clusters)
    }
}

/// What moves traffic from the old cluster to the new one.
pub fn shift(share: &str, more: &str) -> String {
    format!("shift svc/web --from {OLD} --to {NEW} {share} --yes -o json --timeout 60s {more}")
}

impl TwoClusters<'_> {
    /// Waits until CCM of both clusters has finished a round.
    pub fn settled(&self) -> anyhow::Result<()> {
        for user in [&self.old, &self.new] {
            try_wait_for("CCM's first round", DEADLINE, || {
                Ok(user.is_reconciled()?.then_some(()))
            })?;
        }
        Ok(())
    }

    /// Waits until the last round of CCM over the new cluster's Service was a success.
    pub fn settled_again(&self) -> anyhow::Result<()> {
        let line = format!("shift svc/web --from {OLD} --to {NEW} 41% --dry-run=server");
        try_wait_for("CCM's success", DEADLINE, || {
            Ok((!self.run(&line)?.stderr.contains("CCM fails")).then_some(()))
        })
    }

    /// The plugin over both clusters, with the CLB's credentials.
    pub fn command(&self, line: &str) -> anyhow::Result<Command> {
        let mut command = self.without_clb(&format!("{line} {}", self.clb.endpoint_flag()?));
        self.clb.add_credentials(&mut command);
        Ok(command)
    }

    /// The same without credentials.
    pub fn without_clb(&self, line: &str) -> Command {
        self.new.with_kubeconfig(&self.kubeconfig).command(line)
    }

    /// Waits until these groups hold what both Services are to have there.
    pub fn settled_in(&self, groups: &[&str]) -> anyhow::Result<()> {
        for group in groups {
            try_wait_for(&format!("five nodes in {group}"), DEADLINE, || {
                Ok((self.clb.weights(group).len() == 5).then_some(()))
            })?;
        }
        Ok(())
    }

    pub fn run(&self, line: &str) -> anyhow::Result<CommandOutput> {
        run(&mut self.command(line)?)
    }

    /// Runs what moves traffic from the old cluster to the new one.
    pub fn shifts(&self, share: &str, more: &str) -> anyhow::Result<CommandOutput> {
        self.run(&shift(share, more))
    }

    /// Starts it and goes on; see [`RunningCommand::wait`].
    pub fn begins(&self, line: &str) -> anyhow::Result<RunningCommand> {
        RunningCommand::start(&mut self.command(line)?, self.new.file("stderr", "")?)
    }

    /// Starts it while CCM of the new cluster is stuck, and waits until its weight, 20 so far, is written.
    pub fn begins_stuck(&self, line: &str) -> anyhow::Result<RunningCommand> {
        self.ccm_of_new.set_behaviour(&json!({"stuck": true}))?;
        let running = self.begins(line)?;
        try_wait_for("the first write", DEADLINE, || {
            Ok((self.new.annotation("weight")? != "20").then_some(()))
        })?;
        Ok(running)
    }

    /// CCM of the new cluster goes on.
    pub fn frees_new(&self) -> anyhow::Result<()> {
        self.ccm_of_new.set_behaviour(&json!({"stuck": false}))
    }

    /// The participants' shares as `status` has them, by context or server.
    pub fn shares(&self) -> anyhow::Result<Vec<(String, f64)>> {
        let list =
            self.run(&format!("status --contexts {OLD},{NEW} -o json"))?.expect_code(0)?.json()?;
        let route = &list["routes"][0];
        ensure!(route["complete"] == true, "{route}");
        let of = |of: &Value| {
            let name = of["context"].as_str().or_else(|| of["name"].as_str()).unwrap_or_default();
            (name.to_owned(), of["share"].as_f64().unwrap_or(-1.0))
        };
        let mut shares: Vec<_> =
            route["participants"].as_array().into_iter().flatten().map(of).collect();
        shares.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(shares)
    }

    /// Demands a participant's share within a point.
    pub fn has_share(&self, name: &str, wanted: f64) -> anyhow::Result<()> {
        let shares = self.shares()?;
        let found = shares.iter().find(|(known, _)| known == name).map(|(_, share)| *share);
        let is_near = found.is_some_and(|share| (share - wanted).abs() <= 0.01);
        ensure!(is_near, "{name}: {wanted} wanted, {shares:?}");
        Ok(())
    }

    /// Demands the weights of both Services.
    pub fn has_weights(&self, old: &str, new: &str) -> anyhow::Result<()> {
        let are = (self.old.annotation("weight")?, self.new.annotation("weight")?);
        ensure!(are == (old.to_owned(), new.to_owned()), "old {old} and new {new} wanted: {are:?}");
        Ok(())
    }

    /// What the group holds, sorted.
    pub fn group(&self) -> Vec<(String, u32)> {
        let mut weights = self.clb.weights(&format!("rsp-bp1{}", self.new.namespace));
        weights.sort();
        weights
    }

    /// Demands of the group that every server of a kind has this weight.
    pub fn holds(&self, prefix: &str, weight: u32) -> anyhow::Result<()> {
        let group = self.group();
        let mut of_kind = group.iter().filter(|(id, _)| id.starts_with(prefix)).peekable();
        ensure!(of_kind.peek().is_some(), "no {prefix}: {group:?}");
        ensure!(of_kind.all(|(_, has)| *has == weight), "{prefix} with {weight} wanted: {group:?}");
        Ok(())
    }
}
