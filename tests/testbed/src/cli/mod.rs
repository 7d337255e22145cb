//! The command line of `bed`.

mod commands;

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::ensure;
use clap::{Parser, Subcommand};

use crate::binaries::{Binaries, RequiredBinaries};
use crate::plan::Plan;
use crate::stderr::write_line;
use crate::supervisor::{Lifetime, supervise};
use crate::version::Version;

/// Real Kubernetes clusters on this machine
#[derive(Parser)]
#[command(name = "bed", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Start clusters and keep them until `bed down`
    Up {
        /// Give clusters without a number of nodes three; needs root
        #[arg(long)]
        nodes: bool,
        /// A machine outside the clusters, on the same network; needs root
        #[arg(long, value_name = "NAME")]
        machine: Vec<String>,
        /// Clusters as NAME=VERSION or NAME=VERSION:NODES, such as a=v1.36.3:3
        #[arg(value_name = "CLUSTER", default_values = ["a=v1.36.3", "b=v1.33.13"])]
        clusters: Vec<String>,
    },
    /// End beds that `bed up` started, and clear what killed ones left
    Down {
        /// Only this bed
        number: Option<u8>,
    },
    /// List beds
    Status,
    /// Run a shell, or a command, with kubectl, in the network of a bed
    Shell {
        /// Which bed; else the first that `bed up` started
        #[arg(long)]
        number: Option<u8>,
        /// What to run in place of a shell
        #[arg(trailing_var_arg = true)]
        command: Vec<String>,
    },
    /// Build the programs of beds ahead of time
    Build {
        /// Also what runs on nodes
        #[arg(long)]
        nodes: bool,
        /// Also Helm
        #[arg(long)]
        helm: bool,
        /// Versions of Kubernetes
        #[arg(value_name = "VERSION", default_values_t = [Version::NEWEST, Version::OLDEST])]
        versions: Vec<Version>,
    },
    /// Own a bed: started by the other commands and by tests
    #[command(hide = true)]
    Supervise {
        /// Go on when stdin ends
        #[arg(long)]
        keep: bool,
    },
}

/// Runs `bed` with the arguments of this process.
pub fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            write_line(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up { nodes, machine, clusters } => {
            commands::up(&plan(nodes, &machine, &clusters)?)?;
        }
        Command::Down { number } => commands::down(number)?,
        Command::Status => commands::status()?,
        Command::Shell { number, command } => return commands::shell(number, &command),
        Command::Build { nodes, helm, versions } => {
            let binaries = Binaries::provide(&RequiredBinaries { versions, nodes, helm })?;
            writeln!(io::stdout(), "{}", binaries.folder().display())?;
        }
        Command::Supervise { keep } => {
            supervise(if keep { Lifetime::UntilKilled } else { Lifetime::UntilStdinEnds })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn plan(nodes: bool, machines: &[String], clusters: &[String]) -> anyhow::Result<Plan> {
    ensure!(!clusters.is_empty(), "name a cluster, such as a=v1.36.3");
    let mut plan = Plan::new();
    for cluster in clusters {
        plan = plan.cluster_from_text(cluster)?;
        if nodes && !cluster.contains(':') {
            plan = plan.nodes(3);
        }
    }
    Ok(machines.iter().fold(plan, |plan, machine| plan.machine(machine)))
}
