//! A client that sends reviews as API servers do.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use clbmigrate_load::load_generator::{Expect, LoadTest, Pace, Server, run};
use clbmigrate_load::review::{ReviewKind, ReviewSize};
use clbmigrate_load::{affinity, certificates};

/// Sends reviews of Services over kept-alive connections, judges every answer, prints figures as JSON
#[derive(Debug, Parser)]
#[command(name = "load", version)]
struct Args {
    /// The server; its certificate must be good for this address
    #[arg(value_name = "IP:PORT")]
    server: SocketAddr,
    /// Folder with ca.crt, whom to trust
    #[arg(long, value_name = "FOLDER")]
    tls_cert_dir: PathBuf,
    /// Path to post to
    #[arg(long, value_name = "PATH", default_value = "/validate-services")]
    path: String,
    /// Connections at once
    #[arg(long, value_name = "N", default_value_t = 64)]
    connections: usize,
    /// Services that reviews are about
    #[arg(long, value_name = "N", default_value_t = 10)]
    services: u32,
    /// Which reviews are sent
    #[arg(long, value_enum, value_name = "KIND", default_value_t = ReviewKind::Mixed)]
    review: ReviewKind,
    /// Size of a review; 8k has what kubectl, Argo CD and CCM leave on a Service
    #[arg(long, value_enum, value_name = "SIZE", default_value_t = ReviewSize::Small)]
    size: ReviewSize,
    /// What answers must say
    #[arg(long, value_enum, default_value_t = Expect::Decision)]
    expect: Expect,
    /// Reviews a second, with latency from when each is due [default: as fast as it answers]
    #[arg(long, value_name = "N")]
    rate: Option<f64>,
    /// Seconds before anything is measured
    #[arg(long, value_name = "S", default_value_t = 1.0)]
    warm_up_seconds: f64,
    /// Seconds that are measured
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    seconds: f64,
    /// Tell what this process takes of a core, too
    #[arg(long, value_name = "PID")]
    server_pid: Option<u32>,
    /// Stay on this core, counted from 0
    #[arg(long, value_name = "N")]
    core: Option<usize>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    if let Some(core) = args.core {
        affinity::pin_to_core(core)?;
    }
    let measured = run(LoadTest {
        server: Server {
            address: args.server,
            tls: certificates::client_config(&args.tls_cert_dir)?,
        },
        path: args.path,
        connections: args.connections,
        services: args.services,
        reviews: args.review,
        size: args.size,
        expect: args.expect,
        pace: args.rate.map_or(Pace::ClosedLoop, |rate| Pace::OpenLoop { rate }),
        warm_up: Duration::try_from_secs_f64(args.warm_up_seconds)?,
        time: Duration::try_from_secs_f64(args.seconds)?,
        server_pid: args.server_pid,
    })
    .await?;
    writeln!(std::io::stdout(), "{}", serde_json::to_string(&measured)?)?;
    Ok(())
}
