//! Nodes that the CLB cannot reach: the security group admits it no more.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use clbmigrate_e2e::Listener;
use clbmigrate_testbed::{Network, try_wait_for};
use clbmigrate_testkit::CommandOutput;
use serde_json::{Value, json};

use crate::{
    faults::weights,
    fixture::{DEADLINE, TestContext},
    measure::settled,
    requests::{RATE, Requests},
    route::{NEW, OLD, Route},
    site::machine,
};

/// How long a health check waits.
const CHECK_SECONDS: u8 = 1;
/// Three checks, each a second after the last, and as long again for a busy machine.
const UNTIL_ABNORMAL: f64 = 12.0;
/// The call that changes weights of servers outside.
const WRITE: &str = "SetVServerGroupAttribute";

pub fn listener(route: &Route) -> Listener {
    Listener { check_seconds: CHECK_SECONDS, ..route.listener() }
}

/// All is to move from the machines to nodes that the CLB cannot reach: the machines stay as they are.
pub fn run(context: &TestContext<'_>, route: &Route) -> Result<()> {
    settled(context, route)?;
    let before = weights(context, route)?;
    let sum = |prefix: &str| -> u32 {
        let of = before.iter().filter(|(id, _)| id.starts_with(prefix));
        of.map(|(_, weight)| u32::from(*weight)).sum()
    };
    let share = f64::from(sum("i-new")) / f64::from(sum("i-"));

    let step = "shift to 100 %, closed in between";
    let requests = Requests::during(context, route, step, || closed_in_between(context, route))?;
    ensure!(requests.lost() > 0, "none was lost, so all were reached: {requests}");
    let seconds = requests.loss_seconds();
    ensure!(seconds <= UNTIL_ABNORMAL, "{requests}");
    // Requests are dealt out by weight; in the middle of a round it is one more for each node.
    let nodes = u32::try_from(context.testbed.cluster(NEW)?.nodes().len())?;
    let most = (f64::from(RATE) * seconds + 1.0) * share + f64::from(nodes);
    let lost = u32::try_from(requests.lost())?;
    ensure!(
        f64::from(lost) <= most,
        "{requests}; {most:.0} at the most with a share of {share:.2}"
    );
    ensure!(weights(context, route)? == before, "{before:?} became others");

    let step = "shift to 100 %, closed before";
    let refused = Requests::during(context, route, step, || {
        context.run_plugin(&shift(route))?.expect_code(3)?.expect_stderr("CLB416")
    })?;
    refused.expect_no_loss()?;
    ensure!(weights(context, route)? == before, "{before:?} became others");
    ensure!(context.site.clb.user_calls(WRITE)? == 0, "weights of machines were written");
    Ok(())
}

fn shift(route: &Route) -> String {
    let line = format!("shift svc/{} --from external --to {NEW} 100%", route.name);
    format!("{line} --contexts {OLD},{NEW} --yes -o json --timeout 25s")
}

/// The shift begins while all is well. Before CCM carries it out, the nodes are closed, and abnormal.
fn closed_in_between(context: &TestContext<'_>, route: &Route) -> Result<()> {
    let ccm = context.site.ccm(NEW)?;
    let weight = weight(context)?;
    ccm.set_behaviour(&json!({"stuck": true}))?;
    let running = begin(&mut context.plugin(&shift(route))?)?;
    try_wait_for("the first write", DEADLINE, || {
        Ok((self::weight(context)? != weight).then_some(()))
    })?;
    close(context)?;
    try_wait_for("abnormal nodes", DEADLINE, || {
        Ok((participant(context)?["healthy"] == 0).then_some(()))
    })?;
    ccm.set_behaviour(&json!({"stuck": false}))?;
    let told: CommandOutput = running.wait_with_output()?.try_into()?;
    let report = told.expect_code(5)?.expect_stderr("CLB416")?.json()?;
    ensure!(report["state"] == "rolledBack", "{report}");
    Ok(())
}

fn begin(command: &mut Command) -> Result<Child> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().context("kubectl")
}

/// The weight of the Service as the API server has it.
fn weight(context: &TestContext<'_>) -> Result<Value> {
    Ok(participant(context)?["weight"].take())
}

/// The Service in its route, as `status` has it.
fn participant(context: &TestContext<'_>) -> Result<Value> {
    let list = context.run_plugin(&format!("status -o json --contexts {NEW}"))?;
    let mut list = list.expect_code(0)?.json()?;
    let participants = list["routes"][0]["participants"].as_array_mut().context("no route")?;
    let found = participants.iter_mut().find(|of| of["context"] == NEW);
    Ok(found.context("no participant")?.take())
}

/// Drops all packets from this CLB to the nodes of the new cluster.
fn close(context: &TestContext<'_>) -> Result<()> {
    let clb = machine(context.site.namespace);
    let cluster = context.testbed.cluster(NEW)?;
    let nodes: Vec<String> = cluster.nodes().iter().map(|node| node.address.to_string()).collect();
    let rules = format!(
        "table ip security_group {{\nchain out {{ type filter hook output priority 0; ip daddr {{ {} }} drop; }}\n}}\n",
        nodes.join(", ")
    );
    let mut command = context.testbed.command_in(Network::Machine(&clb), "nft")?;
    let mut nft = command.args(["-f", "-"]).stdin(Stdio::piped()).spawn().context("nft")?;
    nft.stdin.take().context("nft takes no rules")?.write_all(rules.as_bytes())?;
    ensure!(nft.wait()?.success(), "nft takes {rules:?} for wrong");
    Ok(())
}
