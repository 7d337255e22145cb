//! The server to compare a webhook with.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Parser;
use clbmigrate_load::{affinity, certificates, echo};
use tokio::net::TcpListener;

/// Answers every request with the same review, over TLS and HTTP/1.1, on one thread
#[derive(Debug, Parser)]
#[command(name = "tls-echo", version)]
struct Args {
    /// Where to listen; port 0 takes a free one, told on standard output
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Folder with tls.crt and tls.key; where it has none, a pair and its ca.crt are made there
    #[arg(long, value_name = "FOLDER")]
    tls_cert_dir: PathBuf,
    /// Bytes of an answer's body
    #[arg(long, value_name = "N", default_value_t = 400)]
    answer_bytes: usize,
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
    let address = args.listen.ip().to_string();
    if !args.tls_cert_dir.join("tls.crt").exists() {
        certificates::make(&args.tls_cert_dir, &[&address])?;
    }
    let tls = certificates::server_config(&args.tls_cert_dir)?;
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("cannot listen on {}; choose another --listen", args.listen))?;
    // Whoever started this may not read on.
    let _ = writeln!(std::io::stdout(), "listening on https://{}", listener.local_addr()?);
    let answer = echo::fixed_answer(args.answer_bytes);
    match echo::serve(listener, tls, move |_| answer.clone()).await {}
}
