#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Args, Subcommand};

use super::{AccessArgs, Format};

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
    /// Show whether it is installed, ready and trusted, how to recover, and how long its hook must be
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

It also measures, at Pods that have ended lately, how long CCM takes to notice the end of a Pod, and
says whether the preStop hook is long enough. That does not change the exit code.

The API server is asked for the dry run of a mistake that the webhook refuses, in the context's
namespace or that of -n. Nothing is stored; it needs the right to create Services.")]
pub struct WebhookStatusArgs {
    /// Where it is, and in which namespace it is asked.
    #[command(flatten)]
    pub access: AccessArgs,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// No titles of columns
    #[arg(long)]
    pub no_headers: bool,
}
