//! The program: flags, log, runtime.
#![forbid(unsafe_code)]

use std::{io::Write as _, process::ExitCode};

use anyhow::Context as _;
use clap::Parser as _;
use clbmigrate_webhook::{
    cli::{Args, Command},
    log,
    run::run,
    self_test::self_test,
    setup::admission_handler,
};
use mimalloc::MiMalloc;

/// A review is a few hundred small allocations, and a cache of many Services leaves the system's
/// allocator a heap in which these take long to find.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    let args = Args::parse();
    match start(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // For people who start it by hand; the log may be nobody's to read.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<()> {
    log::init(args.log_format, args.log_level)?;
    // A review takes microseconds, so one thread answers more of them than a cluster has, and handing
    // work over to others would cost more than it brings. What takes longer has the background thread.
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().context("no runtime")?;
    match &args.command {
        Some(Command::SelfTest(test)) => {
            runtime.block_on(self_test(test, |line| writeln!(std::io::stdout(), "{line}")))
        }
        None => runtime.block_on(run(args, admission_handler)),
    }
}
