//! The command line.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::{Parser, Subcommand};

use crate::{
    log::{LogFormat, LogLevel},
    self_test::SelfTestArgs,
};

/// Admission webhook: refuses Services that CCM would silently misread, and gives workloads the
/// preStop hook without which requests are lost
#[derive(Debug, Clone, Parser)]
#[command(name = "clbmigrate-webhook", version, args_conflicts_with_subcommands = true)]
pub struct Args {
    /// What to do other than serve
    #[command(subcommand)]
    pub command: Option<Command>,

    /// Configuration, YAML; read again when it changes [default: none, all settings at their defaults]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Kubeconfig [default: the service account, in a cluster]
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,

    /// Where to answer reviews, over TLS; [::] is IPv6 and IPv4, port 0 takes a free one, told in the log
    #[arg(long, value_name = "ADDR", default_value = "[::]:8443")]
    pub listen: SocketAddr,

    /// Where to answer probes and metrics, without TLS; as for --listen
    #[arg(long, value_name = "ADDR", default_value = "[::]:8081")]
    pub probe_listen: SocketAddr,

    /// Take the certificate from tls.crt and tls.key of this folder, and publish its ca.crt if there
    /// is one [default: make one, and publish the authority kept in a Secret]
    #[arg(long, value_name = "DIR")]
    pub tls_cert_dir: Option<PathBuf>,

    /// One more name or address that a self-made certificate is for; repeatable
    #[arg(long, value_name = "NAME", conflicts_with = "tls_cert_dir")]
    pub tls_name: Vec<String>,

    /// How long the self-made authority is valid; a new one follows it after two thirds
    #[arg(long, value_name = "TIME", default_value = "87600h", value_parser = lifetime,
          conflicts_with = "tls_cert_dir")]
    pub ca_lifetime: Duration,

    /// How long a self-made certificate is valid; a new one follows it after two thirds
    #[arg(long, value_name = "TIME", default_value = "168h", value_parser = lifetime,
          conflicts_with = "tls_cert_dir")]
    pub leaf_lifetime: Duration,

    /// Take reviews only from clients with a certificate of an authority in this file, PEM; read again
    /// when it changes [default: from everybody]
    #[arg(long, value_name = "FILE")]
    pub client_ca_file: Option<PathBuf>,

    /// A common name or DNS name that a client's certificate must have; repeatable, one is enough
    /// [default: any]
    #[arg(long, value_name = "NAME", requires = "client_ca_file")]
    pub client_name: Vec<String>,

    /// Namespace of the Service and the Secret [default: that of the service account, else clbmigrate-system]
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,

    /// Service by which API servers reach this
    #[arg(long, value_name = "NAME", default_value = "clbmigrate-webhook")]
    pub service: String,

    /// After SIGTERM, go on serving so long: half of it as ever, half of it asking clients to go elsewhere
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = time)]
    pub shutdown_delay: Duration,

    /// After that, wait so long for running requests
    #[arg(long, value_name = "TIME", default_value = "20s", value_parser = time)]
    pub drain_timeout: Duration,

    /// Look for changes of files so often
    #[arg(long, value_name = "TIME", default_value = "3s", value_parser = period)]
    pub reload_interval: Duration,

    /// How log lines look
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    pub log_format: LogFormat,

    /// How much is logged: error, warn, info, debug or trace
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
}

/// What the program does other than serve.
#[derive(Debug, Clone, Subcommand)]
pub enum Command {
    /// Ask the API server, in dry runs that store nothing, about a Service that the webhook refuses and
    /// one that it lets through
    SelfTest(SelfTestArgs),
}

/// A time with a unit, as 500ms, 10s or 1m.
pub(crate) fn time(text: &str) -> Result<Duration, String> {
    let wrong = || format!("{text:?} is no time; write it as 500ms, 10s or 1m");
    let time: jiff::SignedDuration = text.parse().map_err(|_| wrong())?;
    Duration::try_from(time).map_err(|_| wrong())
}

fn period(text: &str) -> Result<Duration, String> {
    let period = time(text)?;
    if period < Duration::from_millis(10) { Err("at least 10ms".to_owned()) } else { Ok(period) }
}

/// Shorter lives leave no time to publish a certificate before another one ends.
fn lifetime(text: &str) -> Result<Duration, String> {
    let lifetime = time(text)?;
    if lifetime < Duration::from_secs(15) { Err("at least 15s".to_owned()) } else { Ok(lifetime) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        use clap::CommandFactory as _;

        Args::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(time("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(time("1m"), Ok(Duration::from_secs(60)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
        for wrong in ["10", "", "-1s", "soon"] {
            assert!(time(wrong).is_err(), "{wrong}");
        }
        assert!(period("0s").is_err());
        assert!(lifetime("1s").is_err());
        assert_eq!(lifetime("168h"), Ok(Duration::from_secs(7 * 24 * 3600)));
    }
}
