//! Asked to end while CCM is waited for: Ctrl-C, SIGTERM and the loss of the terminal.

use anyhow::ensure;
use clbmigrate_e2e::{Terminal, Tools, User};
use serde_json::json;

use crate::{
    Case, SERVED,
    served::{ServedUser, ends, message},
};

pub const CASES: &[Case] = &[
    ("asked to end, the wait for CCM ends and the change stays", SERVED, "asked-to-end", waiting),
    ("Ctrl-C on a terminal ends the wait for CCM", SERVED, "ctrl-c", ctrl_c),
    (
        "asked to end, the recovery of an emptied group is finished first",
        SERVED,
        "refilled",
        recovery,
    ),
];

const SIGNALS: [&str; 3] = ["INT", "TERM", "HUP"];

fn waiting(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.ccm.set_behaviour(&json!({"stuck": true}))?;
    for (weight, signal) in (40..).step_by(10).zip(SIGNALS) {
        let running = served.begin_set(weight, "60s")?;
        running.signal(signal)?;
        let told = ends(running.wait()?.expect_stderr("asked to end")?, 5, "written")?;
        ensure!(message(&told).contains("CCM was not waited for"), "{signal}: {told}");
        ensure!(user.annotation("weight")? == weight.to_string(), "{signal}: it stays");
    }
    served.ccm.set_behaviour(&json!({"stuck": false}))?;
    served.waits_for(&[30, 30])
}

fn ctrl_c(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &[])?;
    served.ccm.set_behaviour(&json!({"stuck": true}))?;
    let line =
        format!("clbmigrate set web 40 --yes --wait -n {} {}", user.namespace, served.flags()?);
    let mut waiting = Terminal::start_with(user, &served.clb.environment(), &line, 40, 160)?;
    waiting.wait_for("waiting for CCM")?;
    waiting.types("\u{3}")?;
    ensure!(waiting.ends()? == 5, "{}", waiting.screen());
    ensure!(waiting.screen().contains("asked to end"), "{}", waiting.screen());
    ensure!(user.annotation("weight")? == "40");
    Ok(())
}

fn recovery(user: &User<'_>, tools: &Tools) -> anyhow::Result<()> {
    let served = ServedUser::start(user, tools, &["--delay-ms", "2000"])?;
    for (weight, signal) in [40, 50, 60].into_iter().zip(SIGNALS) {
        served.clb.throttle_ccm(&[0]);
        let running = served.begin_set(weight, "60s")?;
        running.wait_for_stderr("CCM is called once more")?;
        served.holds(&[])?;
        running.signal(signal)?;
        ends(running.wait()?.expect_stderr("asked to end")?, 0, "done")?;
        served.holds(&[weight / 2, weight / 2])?;
    }
    Ok(())
}
