//! `status -w` in a terminal.

use anyhow::ensure;
use clbmigrate_e2e::{Terminal, Tools, User};
use clbmigrate_testbed::{StopMode, Validity};

use crate::{Case, QUIET, SHAKY};

pub const CASES: &[Case] = &[
    ("status -w draws in place and survives a resize", QUIET, "watch", watch),
    ("status -w survives a restart of the API server", SHAKY, "restart", restart),
];

fn watch(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let mut terminal = Terminal::start(user, "clbmigrate status -w -n watch", 24, 100)?;
    terminal.wait_for("watch/web")?;
    user.run("set web 40 --yes")?.expect_code(0)?;
    terminal.wait_for("    40  ")?;
    let screen = terminal.screen();
    ensure!(screen.matches("watch/web").count() == 1, "not in place:\n{screen}");
    terminal.resize(10, 60)?;
    user.run("set web 50 --yes")?.expect_code(0)?;
    terminal.wait_for("weight 50")?;
    let screen = terminal.screen();
    ensure!(screen.lines().all(|line| line.chars().count() <= 60), "{screen}");
    ensure!(screen.matches("watch/web").count() == 1, "not in place:\n{screen}");
    terminal.types("\u{3}")?;
    ensure!(terminal.ends()? == 0);
    ensure!(terminal.raw().contains("\u{1b}[?1049l"), "the terminal is given back");
    Ok(())
}

fn restart(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let terminal = Terminal::start(user, "clbmigrate status -w -n restart", 24, 100)?;
    terminal.wait_for("restart/web")?;
    user.cluster.stop_api_server(StopMode::Kill)?;
    let told = terminal.wait_for("trying again");
    user.cluster.start_api_server(Validity::Valid)?;
    told?;
    ensure!(terminal.screen().contains("restart/web"), "what was known stays");
    user.run("set web 60 --yes")?.expect_code(0)?;
    terminal.wait_for("    60  ")
}
