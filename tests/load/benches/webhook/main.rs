//! How fast the webhook answers, beside a server that only echoes: part of `make bench`.
#![forbid(unsafe_code)]

mod figures;
mod processes;
mod results;
mod rounds;

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use clbmigrate_load::bench_summary;
use clbmigrate_load::benchmark::{self, BenchArgs};
use clbmigrate_load::certificates;
use clbmigrate_load::list_server;
use clbmigrate_load::load_generator::Expect;
use clbmigrate_load::review::Decision;
use clbmigrate_testbed::programs;
use clbmigrate_testbed::stderr::write_line;

use self::processes::{Program, ServerSettings, answers};
use self::results::Results;
use self::rounds::{Runner, Subject, Subjects};

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
    #[arg(long, value_name = "S", default_value_t = 2.0)]
    seconds: f64,
}

/// How many Services a webhook has in its cache.
const FEW: u32 = 10;
const MANY: u32 = 10_000;
const MOST: u32 = 100_000;
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
    let cores = available_parallelism()?.get();
    ensure!(
        cores > SERVER_CORE,
        "server and client need a core each, and this machine has {cores}"
    );

    let names = ["tls-echo", "load", "clbmigrate-webhook"];
    write_line("building the programs as they are shipped, which takes minutes");
    let programs = programs::build_with_profile(programs::DIST_PROFILE, &names)?;
    let [echo, load, webhook] = programs.as_slice() else { bail!("cargo has built too little") };

    let folder = tempfile::tempdir()?;
    let certificate = folder.path().join("tls");
    certificates::make(&certificate, &[ADDRESS])?;
    let settings =
        ServerSettings { folder: folder.path(), certificate: &certificate, core: SERVER_CORE };

    let webhooks = [FEW, MANY, MOST].map(|services| start_webhook(&settings, webhook, services));
    let [few, many, most] = webhooks;
    let (few, many, most) = (few?, many?, most?);
    let [allowed, denied] = [Decision::Allowed, Decision::Denied].map(|decision| {
        let size = answers(&few, &certificate, decision)?;
        Program::echo(&settings, echo, &format!("{decision:?}"), size)
    });
    let (allowed, denied) = (allowed?, denied?);

    let echo = |program| Subject { name: "echo", program, services: FEW, expect: Expect::Anything };
    let webhook =
        |name, program, services| Subject { name, program, services, expect: Expect::Decision };
    let subjects = Subjects {
        echo_of_allowed: echo(&allowed),
        echo_of_denied: echo(&denied),
        webhooks: [
            webhook("webhook", &few, FEW),
            webhook("webhook, 10,000 Services", &many, MANY),
            webhook("webhook, 100,000 Services", &most, MOST),
        ],
    };
    let runner = Runner {
        load,
        certificate: &certificate,
        core: CLIENT_CORE,
        rounds: args.rounds,
        seconds: args.seconds,
    };
    let measured = runner.all(&subjects)?;
    let results = Results::new(&measured, [few.memory()?, many.memory()?, most.memory()?])?;
    let file = bench_summary::file();
    bench_summary::add(&file, &results.summary())?;
    writeln!(io::stdout(), "{}", results.table()).context("the table")?;
    write_line(&format!("written to {}", file.display()));
    Ok(())
}

/// Starts a webhook over so many Services, and waits until it has them in its cache.
fn start_webhook(settings: &ServerSettings<'_>, program: &Path, services: u32) -> Result<Program> {
    write_line(&format!("starting a webhook over {services} Services"));
    let lists = list_server::start(services)?;
    let webhook = Program::webhook(settings, program, &services.to_string(), lists)?;
    webhook.wait_until_ready()?;
    Ok(webhook)
}
