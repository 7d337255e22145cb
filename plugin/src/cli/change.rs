use clap::{Arg, Args};

use super::{ChangeFormat, DryRun, InputArgs, Span, VgroupPort};

/// Hides flags that only commands that read take: here they are refused, each with its reason.
fn hidden(flag: Arg) -> Arg {
    match flag.get_id().as_str() {
        "files" | "all_namespaces" | "contexts" | "selector" => flag.hide(true),
        _ => flag,
    }
}

/// What all commands share that write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
pub struct WriteArgs {
    /// Write nothing: client only computes, server has the API server judge the change as well
    #[arg(long, value_name = "client|server")]
    pub dry_run: Option<DryRun>,

    /// Wait until CCM has carried the change out
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,

    /// How long to wait for CCM, for example 90s or 5m
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub timeout: Span,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Write in spite of what the preview finds wrong
    #[arg(long)]
    pub force: bool,

    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Output format; patch prints the change for a Git commit and writes nothing
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ChangeFormat,
}

/// Arguments of `set`.
#[derive(Debug, Args)]
#[command(mut_args = hidden, after_help = "\
Examples:
  # Look, ask, write, and wait until CCM has done it
  kubectl clbmigrate set svc/web 40 -n shop --wait

  # The way back to safety is never refused
  kubectl clbmigrate set svc/web 0 -n shop --yes

  # What the API server would say; nothing is written
  kubectl clbmigrate set svc/web 40 -n shop --dry-run=server

  # Only if the weight is 20 still
  kubectl clbmigrate set svc/web 40 -n shop --current-weight 20 --yes

  # For the repository that GitOps reads
  kubectl clbmigrate set svc/web 40 -n shop -o patch")]
pub struct SetArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = "[svc/]NAME")]
    pub target: String,

    /// The weight, 0 to 100: the total of this Service's backends in each of its groups
    #[arg(value_name = "WEIGHT", allow_hyphen_values = true)]
    pub weight: String,

    /// Write only if the weight is this still; none for no weight annotation
    #[arg(long, value_name = "WEIGHT|none")]
    pub current_weight: Option<String>,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
#[command(mut_args = hidden, after_help = "\
Examples:
  # Back to the weight before the last change
  kubectl clbmigrate undo svc/web -n shop --wait

  # What that would do
  kubectl clbmigrate undo svc/web -n shop --dry-run=client")]
pub struct UndoArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = "[svc/]NAME")]
    pub target: String,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
#[command(mut_args = hidden, after_help = "\
Examples:
  # Join the group of port 80, at weight 0: traffic moves later, with set
  kubectl clbmigrate attach svc/web -n shop --clb lb-bp1example \\
    --vgroup rsp-bp1example:80 --wait

  # Two ports, two groups; print it for the repository that GitOps reads
  kubectl clbmigrate attach svc/web -n shop --clb lb-bp1example \\
    --vgroup rsp-bp1example:80 --vgroup rsp-bp1example2:443 -o patch")]
pub struct AttachArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = "[svc/]NAME")]
    pub target: String,

    /// The CLB's id
    #[arg(long, value_name = "ID")]
    pub clb: String,

    /// A vServer group's id and the Service port that it is for; once a port
    #[arg(long, value_name = "GROUP:PORT", required = true)]
    pub vgroup: Vec<VgroupPort>,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,
}
