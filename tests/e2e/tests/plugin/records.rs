//! The record that changes leave on a Service, and a Service that goes while it is changed.

use std::process::Command;

use anyhow::ensure;
use clbmigrate_e2e::{RunningCommand, Tools, User};
use clbmigrate_testbed::try_wait_for;
use clbmigrate_testkit::manifests::service_in;
use serde_json::{Value, json};

use crate::{
    Case, DEADLINE, QUIET, SERVED,
    served::{ServedUser, ends},
};

pub const CASES: &[Case] = &[
    ("a damaged record is begun anew, and hinders nothing", QUIET, "damaged", damaged),
    ("a full record keeps the last ten changes", QUIET, "full", full),
    ("a Service that is deleted during the wait is gone", SERVED, "deleted", deleted),
    ("a Service that is made anew during the wait is another one", QUIET, "made-anew", made_anew),
];

fn history(user: &User<'_>) -> anyhow::Result<Value> {
    let service = user.service()?;
    let text = service["metadata"]["annotations"]["clbmigrate.io/history"].as_str();
    Ok(serde_json::from_str(text.unwrap_or("null"))?)
}

fn damaged(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    for (weight, text) in
        [("30", "broken"), ("40", "{}"), ("50", "[{\"change\":7}]"), ("60", "null")]
    {
        user.annotate(&format!("clbmigrate.io/history={text}"))?;
        let undo = user.run("undo web --yes")?.expect_code(1)?;
        ensure!(undo.stderr.starts_with("error: "), "{}", undo.stderr);
        let told = user.run(&format!("set web {weight} --yes"))?.expect_code(0)?;
        told.expect_stderr("begun anew")?.expect_stderr(text)?;
        let entries = history(user)?;
        ensure!(entries.as_array().map(Vec::len) == Some(1), "{text}: {entries}");
        ensure!(entries[0]["to"] == weight, "{text}: {entries}");
    }
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("60 -> 50")?;
    Ok(())
}

fn full(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    for weight in 21..=32 {
        user.run(&format!("set web {weight} --yes --reason step-{weight}"))?.expect_code(0)?;
    }
    let entries = history(user)?;
    let entries = entries.as_array().map(Vec::as_slice).unwrap_or_default();
    ensure!(entries.len() == 10, "{entries:?}");
    ensure!(entries[0]["to"] == "23" && entries[9]["to"] == "32", "{entries:?}");
    user.run("undo web --yes")?.expect_code(0)?.expect_stdout("32 -> 31")?;
    ensure!(history(user)?.as_array().map(Vec::len) == Some(10));
    Ok(())
}

fn deleted(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.ccm.set_behaviour(&json!({"stuck": true}))?;
    let running = served.begin_set(40, "60s")?;
    user.ask("delete service web --wait=false")?;
    served.ccm.set_behaviour(&json!({"stuck": false}))?;
    ends(running.wait()?, 1, "gone")?;
    Ok(())
}

fn made_anew(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let mut set: Command = user.command("set web 40 --yes --wait --timeout 60s -o json");
    let running = RunningCommand::start(&mut set, user.file("stderr", "")?)?;
    try_wait_for("the write", DEADLINE, || Ok((user.annotation("weight")? == "40").then_some(())))?;
    // With the very weight that is waited for.
    user.ask("delete service web")?;
    user.apply(service_in(&user.namespace, "web", &[("weight", "40")]))?;
    ends(running.wait()?, 1, "gone")?;
    Ok(())
}
