//! A client that stands for a CLB and CCM, and counts every request.
#![forbid(unsafe_code)]

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use clbmigrate_load::sender::{
    FixedCount, OutputLine, ServicePort, Settings, delayed, send, send_fixed_count, watch_targets,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use tokio::sync::{mpsc, oneshot};

/// Sends HTTP requests, one a connection, in turn to what CCM would have behind a Service
///
/// Ends when standard input ends. Writes a JSON object a line: {"targets"} that are in force,
/// {"progress"}, and at last {"summary"}. With --requests it ends after so many, sent as fast as
/// they are answered, and writes {"summary"} only.
#[derive(Debug, Parser)]
#[command(name = "sender", version)]
struct Args {
    /// Service to send to, at its node port
    #[arg(long, value_name = "NAMESPACE/NAME", value_parser = service, required_unless_present = "targets")]
    service: Option<(String, String)>,
    /// Its port, by name or number [default: the first]
    #[arg(long, value_name = "PORT", requires = "service")]
    port: Option<String>,
    /// Kubeconfig file [default: as kubectl finds it]
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig [default: its current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    /// Send here instead; may be repeated
    #[arg(long = "target", value_name = "IP:PORT", conflicts_with = "service")]
    targets: Vec<SocketAddr>,
    /// Requests a second
    #[arg(long, value_name = "N", default_value_t = 100)]
    rate: u32,
    /// Send so many to the one target, as fast as they are answered
    #[arg(long, value_name = "N", requires = "targets", conflicts_with_all = ["rate", "delay_seconds"])]
    requests: Option<u64>,
    /// With --requests: how many at a time
    #[arg(long, value_name = "N", default_value_t = 32, requires = "requests")]
    at_once: usize,
    /// How late a change of targets is in force
    #[arg(long, value_name = "S", default_value_t = 5.0)]
    delay_seconds: f64,
    /// When a request that is not answered is lost
    #[arg(long, value_name = "S", default_value_t = 10.0)]
    time_out_seconds: f64,
}

fn service(text: &str) -> Result<(String, String), String> {
    let (namespace, name) =
        text.split_once('/').ok_or_else(|| format!("expected NAMESPACE/NAME, got {text:?}"))?;
    Ok((namespace.to_owned(), name.to_owned()))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let args = Args::parse();
    let time_out = Duration::try_from_secs_f64(args.time_out_seconds)?;
    if let Some(requests) = args.requests {
        let [target] = args.targets[..] else { bail!("--requests takes one --target") };
        let counted =
            send_fixed_count(FixedCount { target, requests, at_once: args.at_once, time_out })
                .await?;
        print_line(&OutputLine::Summary(Box::new(counted)));
        return Ok(());
    }
    let settings = Settings { rate: args.rate, time_out };
    let delay = Duration::try_from_secs_f64(args.delay_seconds)?;
    let (now, changes) = match args.service {
        Some((namespace, name)) => {
            let client = client(args.kubeconfig, args.context).await?;
            watch_targets(client, &ServicePort { namespace, name, port: args.port }).await?
        }
        None => (args.targets, mpsc::unbounded_channel().1),
    };
    let targets = delayed(delay, now, changes);
    let summary = send(settings, targets, end_of_input(), print_line).await?;
    print_line(&OutputLine::Summary(Box::new(summary)));
    Ok(())
}

fn print_line(line: &OutputLine) {
    // Whoever started this may not read on; then its standard input ends soon.
    if let Ok(text) = serde_json::to_string(line) {
        let _ = writeln!(std::io::stdout(), "{text}");
    }
}

/// A thread of its own, which a runtime would wait for when it ends.
async fn end_of_input() {
    let (sender, ended) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        let _ = sender.send(());
    });
    let _ = ended.await;
}

async fn client(file: Option<PathBuf>, context: Option<String>) -> Result<kube::Client> {
    let kubeconfig = match &file {
        Some(file) => Kubeconfig::read_from(file),
        None => Kubeconfig::read(),
    }
    .context("cannot read the kubeconfig; name one with --kubeconfig")?;
    let options = KubeConfigOptions { context, ..KubeConfigOptions::default() };
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .context("the kubeconfig names no usable cluster; choose one with --context")?;
    kube::Client::try_from(config).context("cannot connect as the kubeconfig says")
}
