//! Arguments of the commands for completion.

#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Args, ValueHint};

use super::{AccessArgs, CompletionTarget};

/// Arguments of `completion`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # For kubectl clbmigrate <TAB>, with names of the cluster: writes the helper
  # kubectl_complete-clbmigrate, which kubectl 1.26 or newer asks
  kubectl clbmigrate completion install

  # For this session of bash
  source <(kubectl-clbmigrate completion bash)

  # For every session of zsh
  kubectl clbmigrate completion zsh > \"${fpath[1]}/_kubectl-clbmigrate\"

The scripts complete the command kubectl-clbmigrate.")]
pub struct CompletionArgs {
    /// The shell, or install
    #[arg(value_name = "bash|zsh|fish|powershell|install", hide_possible_values = true)]
    pub target: CompletionTarget,

    /// With install: the folder to write to, one of PATH; by default that of this program
    #[arg(long, value_name = "FOLDER", value_hint = ValueHint::DirPath)]
    pub dir: Option<std::path::PathBuf>,

    /// What all commands take. Here it says nothing.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// Arguments of `__complete`, which kubectl's completion calls.
#[derive(Debug, Args)]
pub struct CompleteArgs {
    /// The words of the command line, the last one to be completed
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub words: Vec<String>,
}
