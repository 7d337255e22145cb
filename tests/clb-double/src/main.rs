//! The double of the CLB as a program.
#![forbid(unsafe_code)]

use std::fs;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use clap::{ArgGroup, Parser};
use clbmigrate_clb_double::{ClbDouble, Options, State};
use tokio::signal::unix::{SignalKind, signal};

/// A double of Alibaba Cloud's CLB: answers its API, and forwards connections by weight
#[derive(Debug, Parser)]
#[command(name = "clb-double", version)]
#[command(group = ArgGroup::new("listeners").required(true).multiple(true)
    .args(["listen", "listen_tls"]))]
struct Args {
    /// What the cloud knows at the start, as JSON
    #[arg(long, value_name = "FILE")]
    state: PathBuf,
    /// Where to answer over HTTP; port 0 takes a free one, told on standard output
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Where to answer over HTTPS
    #[arg(long, value_name = "ADDR", requires = "ca_file")]
    listen_tls: Option<SocketAddr>,
    /// Where to write the authority that HTTPS clients must trust
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Where to answer as the metadata server of ECS
    #[arg(long, value_name = "ADDR")]
    listen_metadata: Option<SocketAddr>,
    /// Forward connections to the addresses of CLBs
    #[arg(long)]
    data_plane: bool,
    /// How long a second of health checks and connection drains lasts, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 1000)]
    second_ms: u64,
}

#[tokio::main]
async fn main() -> Result<()> {
    let args = Args::parse();
    let file = args.state.display();
    let text = fs::read_to_string(&args.state).with_context(|| format!("cannot read {file}"))?;
    let state: State = text.parse().with_context(|| format!("{file}"))?;
    let mut terminate = signal(SignalKind::terminate()).context("SIGTERM cannot be waited for")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT cannot be waited for")?;
    let double = ClbDouble::start(Options {
        state,
        listen: args.listen,
        listen_tls: args.listen_tls,
        ca_file: args.ca_file,
        listen_metadata: args.listen_metadata,
        data_plane: args.data_plane,
        second: Duration::from_millis(args.second_ms),
    })
    .await?;
    // Whoever started this may not read on.
    let _ = print_addresses(&double);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

fn print_addresses(double: &ClbDouble) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    if let Some(address) = double.http() {
        writeln!(out, "listening on http://{address}")?;
    }
    if let Some(address) = double.https() {
        writeln!(out, "listening on https://{address}")?;
    }
    if let Some(address) = double.metadata() {
        writeln!(out, "metadata on http://{address}")?;
    }
    for listener in double.connections() {
        match listener.error {
            None => writeln!(out, "forwarding from {}", listener.address)?,
            Some(error) => writeln!(out, "not forwarding: {error}")?,
        }
    }
    out.flush()
}
