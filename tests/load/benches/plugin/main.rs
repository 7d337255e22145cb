//! How long `status` takes over a large cluster, beside `kubectl get` and the bare lists: part of
//! `make bench`.
#![forbid(unsafe_code)]

mod cluster;
mod files;
mod runs;

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use clbmigrate_load::benchmark::{self, BenchArgs, median};
use clbmigrate_load::{bench_summary, usage};
use clbmigrate_testbed::stderr::write_line;
use clbmigrate_testbed::{Size, can_run, programs};

use self::cluster::LargeCluster;
use self::runs::{Run, run};

/// Compares the plugin's status of a large cluster with kubectl and with the bare lists
#[derive(Debug, Parser)]
#[command(name = "plugin")]
struct Args {
    #[command(flatten)]
    choice: BenchArgs,
    /// Rounds; figures are medians over them
    #[arg(long, value_name = "N", default_value_t = 7)]
    rounds: usize,
}

const SERVICES: u32 = 10_000;
const NODES: u32 = 500;

/// What is aimed at, at most.
const GOALS: [(&str, f64); 5] = [
    ("plugin_status_of_kubectl_get", 0.18),
    ("plugin_status_of_raw_lists", 1.5),
    ("plugin_status_peak_mib", 90.0),
    ("plugin_help_ms_cpu", 10.0),
    ("plugin_preview_of_status", 1.3),
];

fn main() -> ExitCode {
    benchmark::exit_code(measure(&Args::parse()))
}

fn measure(args: &Args) -> Result<()> {
    if !args.choice.takes("plugin") {
        return Ok(());
    }
    ensure!(args.rounds > 0, "--rounds 0; take at least 1");
    can_run(Size::ControlPlane).map_err(anyhow::Error::msg)?;
    let programs = programs::build(&["kubectl-clbmigrate"])?;
    let [plugin] = programs.as_slice() else { bail!("cargo has built too little") };
    write_line(&format!(
        "reading files with {SERVICES} Services, {NODES} nodes and two pods a Service"
    ));
    let files = files::measure(plugin, SERVICES, NODES, args.rounds)?;
    write_line(&format!(
        "starting a cluster with {SERVICES} Services and EndpointSlices, {NODES} nodes"
    ));
    let large = LargeCluster::start(SERVICES, NODES)?;
    let cluster = large.cluster()?;

    let mut rounds: Vec<[Run; 3]> = Vec::new();
    // The first one fills the API server's and the machine's caches.
    for round in 0..=args.rounds {
        write_line(&format!("round {round} of {}", args.rounds));
        let kubectl = run(cluster.kubectl().args(["get", "svc", "-A", "-o", "json"]))?;
        let raw = Run { wall: large.raw_lists()?, ..Run::default() };
        let status = run(cluster.command(plugin).args(["status", "-A"]))?;
        if round > 0 {
            rounds.push([kubectl, raw, status]);
        }
    }
    let of = |at: usize, value: fn(&Run) -> f64| {
        median(rounds.iter().filter_map(|round| round.get(at).map(value)))
    };
    let wall: fn(&Run) -> f64 = |run| run.wall.as_secs_f64();
    let ratio = |to: usize| {
        let ratio = |[kubectl, raw, status]: &[Run; 3]| {
            wall(status) / wall(if to == 0 { kubectl } else { raw })
        };
        median(rounds.iter().map(ratio))
    };
    let ratios = [ratio(0), ratio(1)];
    let memory: fn(&Run) -> f64 = |run| f64::from(run.peak) / 1024.0;
    let figures = BTreeMap::from([
        ("plugin_status_of_kubectl_get".to_owned(), ratios[0]),
        ("plugin_status_of_raw_lists".to_owned(), ratios[1]),
        ("plugin_preview_of_status".to_owned(), files.ratio),
        ("plugin_files_status_s".to_owned(), files.status),
        ("plugin_files_preview_s".to_owned(), files.preview),
        ("plugin_status_s".to_owned(), of(2, wall)),
        ("plugin_status_peak_mib".to_owned(), of(2, memory)),
        ("kubectl_get_s".to_owned(), of(0, wall)),
        ("kubectl_get_peak_mib".to_owned(), of(0, memory)),
        ("raw_lists_s".to_owned(), of(1, wall)),
        ("plugin_help_ms_cpu".to_owned(), help(plugin)?.as_secs_f64() * 1000.0),
    ]);
    bench_summary::add(&bench_summary::file(), &figures)?;
    let mut out = io::stdout().lock();
    for (name, figure) in &figures {
        let goal = GOALS.iter().find(|(goal, _)| goal == name);
        let missed = goal.is_some_and(|(_, goal)| figure > goal);
        let goal = goal.map(|(_, goal)| format!("  at most {goal}")).unwrap_or_default();
        let missed = if missed { "  MISSED" } else { "" };
        writeln!(out, "{name:<30} {figure:>9.3}{goal}{missed}").context("the figures")?;
    }
    write_line(&format!("written to {}", bench_summary::file().display()));
    Ok(())
}

/// The processor's time of one `--help`, from many.
fn help(plugin: &std::path::Path) -> Result<Duration> {
    const TIMES: u32 = 100;
    let before = usage::cpu_time_of_children()?;
    for _ in 0..TIMES {
        let output = Command::new(plugin).arg("--help").output().context("--help")?;
        ensure!(output.status.success() && !output.stdout.is_empty(), "--help says nothing");
    }
    Ok(usage::cpu_time_of_children()?.saturating_sub(before) / TIMES)
}
