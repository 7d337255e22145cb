//! How fast the webhook answers, beside a server that only echoes: part of `make bench`.
#![forbid(unsafe_code)]

mod clusters;
mod processes;
mod results;
mod rounds;

use std::io::{self, Write as _};
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use clbmigrate_load::bench_summary;
use clbmigrate_load::benchmark::{self, BenchArgs};
use clbmigrate_load::certificates;
use clbmigrate_load::load_generator::Expect;
use clbmigrate_testbed::stderr::write_line;
use clbmigrate_testbed::{Size, can_run, programs};

use self::clusters::Clusters;
use self::processes::{Program, ServerSettings, answers};
use self::results::Results;
use self::rounds::{Runner, Subject};

/// Compares the webhook with a plain TLS echo, with 10 and with many Services in its cache
#[derive(Debug, Parser)]
#[command(name = "webhook")]
struct Args {
    #[command(flatten)]
    choice: BenchArgs,
    /// Rounds; figures are medians over them
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Seconds of every measurement
    #[arg(long, value_name = "S", default_value_t = 3.0)]
    seconds: f64,
}

/// In the two clusters.
const FEW: u32 = 10;
const MANY: u32 = 10_000;
const ADDRESS: &str = "127.0.0.1";
/// The first core often serves the machine's devices, which matters less to the client.
const CLIENT_CORE: usize = 0;
const SERVER_CORE: usize = 1;

fn main() -> ExitCode {
    benchmark::exit_code(measure(&Args::parse()))
}

fn measure(args: &Args) -> Result<()> {
    if !args.choice.takes("webhook") {
        return Ok(());
    }
    ensure!(args.rounds > 0, "--rounds 0; take at least 1");
    can_run(Size::ControlPlane).map_err(anyhow::Error::msg)?;
    let cores = available_parallelism()?.get();
    ensure!(
        cores > SERVER_CORE,
        "server and client need a core each, and this machine has {cores}"
    );

    let names = ["tls-echo", "load", "clbmigrate-webhook"];
    let programs = programs::build_with_profile(programs::DIST_PROFILE, &names)?;
    let [echo, load, webhook] = programs.as_slice() else { bail!("cargo has built too little") };

    write_line(&format!("starting clusters with {FEW} and {MANY} Services"));
    let clusters = Clusters::start(FEW, MANY)?;
    let folder = clusters.folder().join("bench");
    let certificate = folder.join("tls");
    certificates::make(&certificate, &[ADDRESS])?;
    let settings = ServerSettings { folder: &folder, certificate: &certificate, core: SERVER_CORE };

    let few = Program::webhook(&settings, webhook, "few", &clusters.kubeconfig("few")?)?;
    let many = Program::webhook(&settings, webhook, "many", &clusters.kubeconfig("many")?)?;
    for webhook in [&few, &many] {
        webhook.wait_until_ready()?;
    }
    let answers = answers(&few, &certificate)?;
    for answer in &answers {
        write_line(&format!("the webhook says {answer}"));
    }
    let size = answers.iter().map(String::len).sum::<usize>() / answers.len().max(1);
    let echo = Program::echo(&settings, echo, size)?;

    let subject = |name, program, services, expect| Subject { name, program, services, expect };
    let subjects = [
        subject("echo", &echo, MANY, Expect::Anything),
        subject("webhook, 10 Services", &few, FEW, Expect::Decision),
        subject("webhook, 10,000 Services", &many, MANY, Expect::Decision),
    ];
    let runner = Runner {
        load,
        certificate: &certificate,
        core: CLIENT_CORE,
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let measured = runner.all(&subjects)?;
    let figures = Results::new(&measured, [few.memory()?, many.memory()?])?;
    let file = bench_summary::file();
    bench_summary::add(&file, &figures.summary())?;
    let table = figures.table(&subjects.map(|subject| subject.name));
    writeln!(io::stdout(), "{table}").context("the table")?;
    write_line(&format!("written to {}", file.display()));
    Ok(())
}
