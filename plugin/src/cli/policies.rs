//! Arguments of `policies`.

#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Args, ValueEnum};

use super::{AccessArgs, RULE};
use crate::policies::Action;

/// How policies are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PolicyFormat {
    /// One YAML document each
    Yaml,
    /// One JSON List
    Json,
}

/// Arguments of `policies`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Begin with the audit log of the API server
  kubectl clbmigrate policies --action audit

  # Refuse what the webhook would refuse, for the rules about one Service
  kubectl clbmigrate policies

  # Two rules, as one List
  kubectl clbmigrate policies --rule CLB001 --rule CLB004 -o json

Nothing is sent: kubectl apply -f - installs what is printed, on Kubernetes
1.30 or newer. Which rules policies hold is in docs/policies.md.")]
pub struct PoliciesArgs {
    /// Only this rule; repeat it for several
    #[arg(long = "rule", value_name = RULE)]
    pub rules: Vec<String>,

    /// What the API server does about a violation; by default it denies errors
    #[arg(long, value_name = "ACTION")]
    pub action: Option<Action>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "yaml")]
    pub output: PolicyFormat,

    /// What all commands take. Here it says nothing.
    #[command(flatten)]
    pub access: AccessArgs,
}
