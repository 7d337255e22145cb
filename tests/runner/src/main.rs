//! Runs the test suites of the workspace side by side: `run-tests --help`.
//!
//! A suite is one test executable. Suites that wait for clusters run a few at a time, and beside
//! them one suite that computes. Those that load the whole machine, or count requests that come too
//! late, run after them, one at a time. `cargo test` runs all suites one after the other, which leaves the
//! cores idle while clusters start; `cargo nextest` starts a process for each test, and so would start
//! a cluster for each.
#![forbid(unsafe_code)]

mod build;
mod execute;
mod failures;
mod lanes;
mod output;
mod report;

use std::{io, process::ExitCode};

use anyhow::Context as _;
use clap::Parser;

use crate::{build::build, lanes::run_all, report::Report};

/// Run the workspace's test suites side by side
#[derive(Debug, Parser)]
#[command(name = "run-tests", version)]
struct Arguments {
    /// Run only suites whose name contains one of these, such as `e2e/` or `core/rules`
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,
    /// Run also what takes long: more random input, more rounds, tests of over 60 seconds
    #[arg(long)]
    full: bool,
    /// How many suites that start clusters run at once
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=16))]
    clusters: u8,
    /// End a suite that takes longer than this, in minutes
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    limit: u64,
    /// List the suites and run none
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            output::talk(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    let built = build()?;
    let report_file = built.target_folder.join("test-report.json");
    let mut suites = built.suites;
    if !arguments.suites.is_empty() {
        suites.retain(|suite| arguments.suites.iter().any(|part| suite.name.contains(part)));
    }
    anyhow::ensure!(
        !suites.is_empty(),
        "no suite is called like {:?}; see --list",
        arguments.suites
    );
    if arguments.list {
        for suite in &suites {
            output::result(&format!("{:8}  {}", suite.lane.name(), suite.name))?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    // The longest first, so that none of them is left to run alone at the end.
    let last = Report::read(&report_file);
    suites.sort_by_key(|suite| std::cmp::Reverse(last.milliseconds(&suite.name)));
    let results = run_all(&suites, arguments)?;
    let report = Report::new(&results);
    report.print(&mut io::stdout())?;
    report.write(&report_file, last).context("the times of the suites")?;
    Ok(if report.is_success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
