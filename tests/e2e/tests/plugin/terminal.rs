//! `status -w` in a terminal.

use std::path::Path;

use anyhow::ensure;
use clbmigrate_e2e::{Terminal, Tools, User};
use clbmigrate_testbed::{StopMode, Validity};

use crate::{Case, QUIET, SHAKY};

pub const CASES: &[Case] = &[
    ("status -w draws in place and survives a resize", QUIET, "watch", watch),
    ("status -w survives a restart of the API server", SHAKY, "restart", restart),
    ("one line tells what is waited for, and goes again", QUIET, "progress", progress),
    ("nobody is asked who cannot see the question", QUIET, "unseen-question", unseen),
];

fn watch(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let mut terminal = Terminal::start(user, "clbmigrate status -w -n watch", 24, 100)?;
    terminal.wait_for("watch/web")?;
    user.run("set web 40 --yes")?.expect_code(0)?;
    terminal.wait_in_place("    40  ", "watch/web")?;
    terminal.resize(10, 60)?;
    user.run("set web 50 --yes")?.expect_code(0)?;
    terminal.wait_in_place("    50  ", "watch/web")?;
    let screen = terminal.screen();
    ensure!(screen.lines().all(|line| line.chars().count() <= 60), "{screen}");
    terminal.types("\u{3}")?;
    ensure!(terminal.ends()? == 0);
    ensure!(terminal.raw().contains("\u{1b}[?1049l"), "the terminal is given back");
    Ok(())
}

fn progress(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    // Nobody carries it out here.
    let line = "clbmigrate set web 40 -n progress --yes --wait --timeout 8s";
    let environment = [("TERM", "xterm-256color".to_owned())];
    let mut terminal = Terminal::start_with(user, &environment, line, 40, 120)?;
    terminal.wait_for("CCM has not written group")?;
    let screen = terminal.screen();
    let shown = screen.lines().filter(|line| line.contains("s left")).count();
    ensure!(shown == 1, "not one line:\n{screen}");
    ensure!(terminal.ends()? == 4);
    ensure!(!terminal.screen().contains("s left"), "{}", terminal.screen());
    // A pipe gets the words that matter, without a line that moves.
    let piped = user.run("set web 50 --yes --wait --timeout 1s")?.expect_code(4)?;
    ensure!(!piped.stderr.contains("s left"), "{}", piped.stderr);
    Ok(())
}

fn unseen(user: &User<'_>, _: &Tools) -> anyhow::Result<()> {
    let log = user.file("log", "")?;
    let kubectl = user.cluster.program("kubectl");
    let line = format!(
        "{} clbmigrate set web 40 -n unseen-question 2>{}",
        kubectl.display(),
        log.display()
    );
    let script = user.file("set.sh", &line)?;
    let arguments = script.display().to_string();
    let mut terminal =
        Terminal::open(Path::new("/bin/sh"), &user.environment(), &arguments, 24, 100)?;
    ensure!(terminal.ends()? == 2, "{}", terminal.raw());
    let told = std::fs::read_to_string(&log)?;
    ensure!(told.contains("standard error, which would show the question, is none"), "{told}");
    ensure!(user.annotation("weight")? == "20");
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
