#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Args, Subcommand};

use super::{ConnectArgs, Format};

/// Arguments of `webhook`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Is it installed, does it answer, what does it refuse?
  kubectl clbmigrate webhook status")]
pub struct WebhookArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: WebhookCommand,
}

/// What can be done with the webhook.
#[derive(Debug, Subcommand)]
pub enum WebhookCommand {
    /// Show whether it is installed, ready and trusted, and how to recover
    Status(WebhookStatusArgs),
}

/// Arguments of `webhook status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Is it installed, does it answer, what does it refuse?
  kubectl clbmigrate webhook status

  # In a pipeline: exit code 3 where something is wrong
  kubectl clbmigrate webhook status --context new -o json

The API server is asked for the dry run of a mistake that the webhook refuses, in the context's
namespace or that of -n. Nothing is stored; it needs the right to create Services.")]
pub struct WebhookStatusArgs {
    /// The namespace in which to ask it
    #[arg(short, long)]
    pub namespace: Option<String>,

    /// The kubeconfig's context
    #[arg(long, value_name = "NAME")]
    pub context: Option<String>,

    /// How to reach the cluster.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,
}
