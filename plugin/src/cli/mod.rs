//! The command line.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

mod absent;
mod change;
mod clb;
mod completion;
mod connect;
mod duration;
mod help;
mod input;
mod line;
mod policies;
mod read;
mod shift;
mod target;
mod values;
mod webhook;

use clap::{Parser, Subcommand};

pub use crate::output::{ChangeFormat, Color, Format, Lang, ReportFormat, Verbosity};
pub use absent::explained;
pub use change::{AttachArgs, SetArgs, UndoArgs, WriteArgs};
pub use clb::ClbArgs;
pub use completion::{CompleteArgs, CompletionArgs};
pub use connect::ConnectArgs;
pub use duration::DurationArg;
pub use help::{options, parser, shared};
pub use input::{AccessArgs, ClusterArgs, ReadArgs};
pub use line::{Line, flags_of};
pub use policies::{PoliciesArgs, PolicyFormat};
pub use read::{CheckArgs, ExplainArgs, PreviewArgs, StatusArgs};
pub use shift::{Share, ShiftArgs, ShiftSide};
pub use target::{ClbName, StatusTarget};
use values::reason;
pub use values::{CompletionTarget, DryRun, FailOn, ServerWeight, VgroupPort};
pub use webhook::{WebhookArgs, WebhookCommand, WebhookStatusArgs};

/// How wide help is at the most.
const MAX_WIDTH: usize = 100;

/// How help names an argument that is a Service; completion offers the cluster's.
pub const SERVICE: &str = "[svc/]NAME";
/// How help names an argument that is a rule; completion offers the catalogue's.
pub const RULE: &str = "CLBnnn";

/// Move live traffic behind one Alibaba Cloud CLB without losing a request
///
/// One CLB, one listener, one vServer group; behind it old ECS, an old cluster, a new cluster.
/// Traffic moves because somebody edits one annotation, and the Cloud Controller Manager (CCM) turns
/// it into weights of backends. These commands show what traffic really goes where, what a change
/// would do before anybody makes it, and what CCM would get wrong in silence.
#[derive(Debug, Parser)]
#[command(
    name = "kubectl-clbmigrate",
    bin_name = "kubectl clbmigrate",
    version,
    max_term_width = MAX_WIDTH,
    subcommand_required = true,
    arg_required_else_help = true,
    args_override_self = true,
    after_help = MAIN_HELP,
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to colour; auto: on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE forces it
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        help_heading = "Output"
    )]
    pub color: Color,

    /// The language in which rules and findings are told to people: by default that of the locale
    /// (LC_ALL, LC_MESSAGES, LANG). Documents for programs are in English
    #[arg(
        long,
        global = true,
        value_name = "en|zh",
        hide_possible_values = true,
        help_heading = "Output"
    )]
    pub lang: Option<Lang>,

    /// Say on stderr what was read and what was skipped; from level 6 on also every request
    #[arg(
        short,
        long,
        alias = "v",
        global = true,
        value_name = "LEVEL",
        num_args = 0..=1,
        require_equals = true,
        default_value = "0",
        default_missing_value = "1",
        hide_default_value = true,
        help_heading = "Output"
    )]
    pub verbose: Verbosity,
}

const MAIN_HELP: &str = "\
Examples:
  # What goes where in this context's namespace, and again at every change
  kubectl clbmigrate status
  kubectl clbmigrate status -w

  # What a new weight would do; do it, wait until CCM has done it; take it back
  kubectl clbmigrate preview svc/web 40
  kubectl clbmigrate set svc/web 40 --wait
  kubectl clbmigrate undo svc/web --wait

  # A fifth of the traffic from the old cluster into the new one, proven at the CLB
  kubectl clbmigrate shift svc/web --from old --to new 20%

  # The same from files: manifests, kubectl's dumps and the CLB API's saved answers
  kubectl clbmigrate status -f deploy/examples/canary/
  kubectl clbmigrate preview svc/web 40 -f deploy/examples/canary/

  # What is wrong, in a pipeline
  kubectl clbmigrate check -f deploy/examples/canary/ -o sarif

Exit codes:
  0  done
  1  error, also an input that could not be read and a failed round of CCM; wins over 3
  2  usage
  3  findings at or above --fail-on, or a refused write
  4  timed out, or the CLB says otherwise
  5  not confirmed, taken back, asked to end, or put back by somebody else";

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what traffic goes where
    Status(StatusArgs),
    /// Show what a change would do, before it is made
    Preview(PreviewArgs),
    /// Change a Service's weight, after a preview
    Set(SetArgs),
    /// Move traffic between clusters, or between machines and a cluster
    Shift(ShiftArgs),
    /// Take the last change back
    Undo(UndoArgs),
    /// Join a Service to a CLB and a vServer group, at weight 0
    Attach(AttachArgs),
    /// Find mistakes that CCM carries out in silence
    Check(CheckArgs),
    /// Explain a rule, or list all rules
    Explain(ExplainArgs),
    /// Print admission policies, which need no webhook
    Policies(PoliciesArgs),
    /// Show the state of the admission webhook
    Webhook(WebhookArgs),
    /// Print the version
    #[command(after_help = "Examples:\n  kubectl clbmigrate version")]
    Version(AccessArgs),
    /// List the options that all commands have
    #[command(after_help = "Examples:\n  kubectl clbmigrate options")]
    Options(AccessArgs),
    /// Print a completion script for a shell, or install that of kubectl
    Completion(CompletionArgs),
    /// Complete a command line
    #[command(
        name = "__complete",
        hide = true,
        after_help = "Examples:\n  kubectl clbmigrate __complete set svc/"
    )]
    Complete(CompleteArgs),
}
