//! A user whose Service a double of CCM answers for, with a double of the CLB as its cloud.

use std::{net::IpAddr, process::Command};

use anyhow::ensure;
use clbmigrate_e2e::{CcmDouble, CloudApi, RunningCommand, Tools, User};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::{CommandOutput, run};
use serde_json::{Value, json};

use crate::DEADLINE;

/// The old machine that is in the group beside the Service's backends, with a weight of 60.
const MACHINE: &str = "i-bp1old";

/// Service `web`, which CCM has registered in group `rsp-bp1NAMESPACE` beside an old machine.
pub struct ServedUser<'u, 'b> {
    pub user: &'u User<'b>,
    pub clb: CloudApi,
    pub ccm: CcmDouble,
}

impl<'u, 'b> ServedUser<'u, 'b> {
    /// Starts both doubles, CCM's with these flags, and waits for CCM's first round.
    pub fn start(user: &'u User<'b>, tools: &Tools, flags: &[&str]) -> anyhow::Result<Self> {
        Self::start_over(user, tools, flags, |_| ())
    }

    /// The same with Pods for backends. There are network interfaces at these addresses alone.
    pub fn start_with_pods(
        user: &'u User<'b>,
        tools: &Tools,
        flags: &[&str],
        interfaces: &[&str],
    ) -> anyhow::Result<Self> {
        let addresses: Vec<IpAddr> =
            interfaces.iter().map(|address| address.parse()).collect::<Result<_, _>>()?;
        Self::start_over(user, tools, &[&["--eni"], flags].concat(), |clb| {
            for (number, address) in addresses.into_iter().enumerate() {
                clb.add_interface(&format!("eni-bp1p{number}"), address);
            }
        })
    }

    fn start_over(
        user: &'u User<'b>,
        tools: &Tools,
        flags: &[&str],
        prepare: impl FnOnce(&CloudApi),
    ) -> anyhow::Result<Self> {
        let group = format!("rsp-bp1{}", user.namespace);
        let old = json!({"serverId": MACHINE, "port": 80, "weight": 60});
        let clb = CloudApi::start(
            &json!([{"id": group, "name": "shop-web", "backends": [old]}]),
            &json!([{"port": 80, "scheduler": "wrr", "vServerGroupId": group}]),
        )?;
        prepare(&clb);
        let ccm = CcmDouble::with_cloud_and_flags(user, tools, &clb, None, flags)?;
        let served = Self { user, clb, ccm };
        try_wait_for("CCM's first round", DEADLINE, || Ok(user.is_reconciled()?.then_some(())))?;
        served.waits_for(&[10, 10])?;
        Ok(served)
    }

    /// Runs the plugin with the CLB's credentials.
    pub fn run(&self, line: &str) -> anyhow::Result<CommandOutput> {
        run(&mut self.command(line)?)
    }

    /// The same as a command.
    pub fn command(&self, line: &str) -> anyhow::Result<Command> {
        let line = format!("{line} {}", self.flags()?);
        let mut command = self.user.command(&line);
        self.clb.add_credentials(&mut command);
        Ok(command)
    }

    /// Starts it and goes on.
    pub fn begin(&self, line: &str) -> anyhow::Result<RunningCommand> {
        RunningCommand::start(&mut self.command(line)?, self.user.file("stderr", "")?)
    }

    /// Starts a `set` that waits for CCM, and goes on when the weight is written.
    pub fn begin_set(&self, weight: u32, timeout: &str) -> anyhow::Result<RunningCommand> {
        let running = self.begin(&set(weight, timeout))?;
        try_wait_for("the write", DEADLINE, || {
            Ok((self.user.annotation("weight")? == weight.to_string()).then_some(()))
        })?;
        Ok(running)
    }

    /// The flags that tell where the cloud is.
    pub fn flags(&self) -> anyhow::Result<String> {
        Ok(format!("{} --cluster-id clusterid", self.clb.endpoint_flag()?))
    }

    /// Sets a weight and waits for CCM, with the CLB's credentials.
    pub fn set(&self, weight: u32, timeout: &str) -> anyhow::Result<CommandOutput> {
        self.run(&set(weight, timeout))
    }

    /// The same without credentials.
    pub fn set_blind(&self, weight: u32, timeout: &str) -> anyhow::Result<CommandOutput> {
        self.user.run(&set(weight, timeout))
    }

    /// The weights of the Service's backends in the group, sorted. The old machine has kept its own.
    pub fn weights(&self) -> anyhow::Result<Vec<u32>> {
        let all = self.clb.weights(&format!("rsp-bp1{}", self.user.namespace));
        let (old, ours): (Vec<_>, Vec<_>) = all.into_iter().partition(|(id, _)| id == MACHINE);
        ensure!(old == [(MACHINE.to_owned(), 60)], "{old:?}");
        let mut weights: Vec<u32> = ours.into_iter().map(|(_, weight)| weight).collect();
        weights.sort_unstable();
        Ok(weights)
    }

    /// Waits until the Service's backends have these weights.
    pub fn waits_for(&self, weights: &[u32]) -> anyhow::Result<()> {
        try_wait_for(&format!("weights {weights:?} in the group"), DEADLINE, || {
            Ok((self.weights()? == weights).then_some(()))
        })
    }

    /// Demands that the Service's backends have these weights.
    pub fn holds(&self, weights: &[u32]) -> anyhow::Result<()> {
        let found = self.weights()?;
        ensure!(found == weights, "{weights:?} wanted: {found:?}");
        Ok(())
    }

    /// How many rounds CCM has made until now.
    pub fn rounds(&self) -> anyhow::Result<u64> {
        let last = self.ccm.last_round(&self.user.namespace, "web")?;
        Ok(last["rounds"].as_u64().unwrap_or_default())
    }

    /// Somebody else edits the Service, and CCM makes a round over it.
    pub fn edits(&self, annotation: &str) -> anyhow::Result<()> {
        let before = self.rounds()?;
        self.user.annotate(annotation)?;
        try_wait_for("a round of CCM", DEADLINE, || Ok((self.rounds()? > before).then_some(())))
    }
}

/// A `set` that waits for CCM.
pub fn set(weight: u32, timeout: &str) -> String {
    format!("set web {weight} --yes --wait --timeout {timeout} -o json")
}

/// Demands of a command's answer an exit code and a state, and gives the answer.
pub fn ends(output: CommandOutput, code: i32, state: &str) -> anyhow::Result<Value> {
    let output = output.expect_code(code)?;
    let answer = output.json()?;
    ensure!(answer["state"] == state, "{answer}\n{}", output.stderr);
    ensure!(answer["verified"] == (state == "done"), "{answer}");
    Ok(answer)
}

/// The message of an answer.
pub fn message(answer: &Value) -> &str {
    answer["message"].as_str().unwrap_or_default()
}
