//! `--wait`: what CCM makes of a change, told from its marks.

use anyhow::ensure;
use clbmigrate_e2e::{CcmDouble, Tools, User};
use clbmigrate_testbed::{faked_clock, try_wait_for};
use clbmigrate_testkit::{CommandOutput, run};
use serde_json::json;

use crate::{Case, DEADLINE, SERVED};

pub const CASES: &[Case] = &[
    ("the wait ends when CCM has done it", SERVED, "done", done),
    ("the wait lasts while CCM is slow", SERVED, "slow", slow),
    ("the wait gives up where CCM is stuck", SERVED, "stuck", stuck),
    ("the wait tells what CCM fails at", SERVED, "failing", failing),
    ("one failed round is no failure", SERVED, "one-failure", one_failed_round),
    ("a CCM that hashes differently is waited for as well", SERVED, "salted", salted),
    ("a clock that is an hour off changes nothing", SERVED, "clock", clock),
];

/// A Service that CCM has seen already.
fn settled(user: &User<'_>, tools: &Tools, flags: &[&str]) -> anyhow::Result<CcmDouble> {
    let ccm = CcmDouble::start(user, tools, flags)?;
    try_wait_for("CCM's first round", DEADLINE, || Ok(user.is_reconciled()?.then_some(())))?;
    Ok(ccm)
}

fn waits(user: &User<'_>, timeout: &str) -> anyhow::Result<CommandOutput> {
    user.run(&format!("set web 40 --yes --wait --timeout {timeout} -o json"))
}

fn ends(output: CommandOutput, code: i32, state: &str) -> anyhow::Result<String> {
    let output = output.expect_code(code)?;
    let document = output.json()?;
    ensure!(document["state"] == state, "{document}");
    ensure!(document["verified"] == false, "{document}");
    Ok(document["message"].as_str().unwrap_or_default().to_owned())
}

fn done(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let _ccm = settled(user, tools, &[])?;
    let said = ends(waits(user, "60s")?, 0, "unverified")?;
    ensure!(said.contains("not verified"), "{said}");
    Ok(())
}

fn slow(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let _ccm = settled(user, tools, &["--delay-ms", "3000"])?;
    ends(waits(user, "60s")?, 0, "unverified")?;
    Ok(())
}

fn stuck(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    drop(settled(user, tools, &[])?);
    let _ccm = CcmDouble::start(user, tools, &["--stuck"])?;
    let said = ends(waits(user, "4s")?, 4, "timedOut")?;
    ensure!(said.contains("CCM was not done in time"), "{said}");
    ensure!(user.annotation("weight")? == "40");
    Ok(())
}

fn failing(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    drop(settled(user, tools, &[])?);
    let _ccm = CcmDouble::start(user, tools, &["--fail", "the CLB is locked"])?;
    let said = ends(waits(user, "60s")?, 1, "failed")?;
    ensure!(said.contains("the CLB is locked"), "{said}");
    Ok(())
}

fn one_failed_round(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    // The next round comes later than the plugin's next look, so that it sees the failure first.
    let ccm = settled(user, tools, &["--retry-base-ms", "6000"])?;
    ccm.set_behaviour(&json!({"fail": {"message": "throttled", "rounds": 1}}))?;
    let output = waits(user, "60s")?
        .expect_stderr("a round of CCM failed, it will try again")?
        .expect_stderr("throttled")?;
    ends(output, 0, "unverified")?;
    Ok(())
}

fn salted(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let _ccm = settled(user, tools, &["--salt", "other"])?;
    let said = ends(waits(user, "60s")?, 0, "unverified")?;
    ensure!(said.contains("hashes differently"), "{said}");
    Ok(())
}

fn clock(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let _ccm = settled(user, tools, &[])?;
    for (offset, weight) in [("+1h", 40), ("-1h", 50)] {
        let mut command =
            user.command(&format!("set web {weight} --yes --wait --timeout 60s -o json"));
        faked_clock(&mut command, offset)?;
        ends(run(&mut command)?, 0, "unverified")?;
    }
    Ok(())
}
