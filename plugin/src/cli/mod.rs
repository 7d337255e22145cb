//! The command line.
#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

mod change;
mod clb;
mod completion;
mod connect;
mod shift;
mod values;
mod webhook;

use clap::{Args, Parser, Subcommand, ValueHint};
use clbmigrate_cluster::files::Source;

use crate::selector::Selector;

pub use crate::output::{ChangeFormat, Color, Format, Lang, ReportFormat};
pub use change::{AttachArgs, SetArgs, UndoArgs, WriteArgs};
pub use clb::ClbArgs;
pub use completion::{CompleteArgs, CompletionArgs};
pub use connect::ConnectArgs;
pub use shift::{Share, ShiftArgs, ShiftSide};
use values::reason;
pub use values::{CompletionTarget, DryRun, DurationArg, FailOn, ServerWeight, VgroupPort};
pub use webhook::{WebhookArgs, WebhookCommand, WebhookStatusArgs};

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
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = MAIN_HELP,
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// When to colour; auto: on a terminal, unless NO_COLOR is set; CLICOLOR_FORCE forces it
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub color: Color,

    /// The language in which rules and findings are told to people: by default that of the locale
    /// (LC_ALL, LC_MESSAGES, LANG). Documents for programs are in English
    #[arg(long, global = true, value_name = "en|zh", hide_possible_values = true)]
    pub lang: Option<Lang>,

    /// Say on stderr what was read and what was skipped
    #[arg(short, long, global = true)]
    pub verbose: bool,
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
    /// Show the state of the admission webhook
    Webhook(WebhookArgs),
    /// Print the version
    #[command(after_help = "Examples:\n  kubectl clbmigrate version")]
    Version,
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

/// What to look at.
#[derive(Debug, Clone, Args)]
pub struct InputArgs {
    /// Files instead of a cluster: file, directory (with all below it) or - for stdin: manifests,
    /// kubectl's dumps, the CLB API's answers as the aliyun CLI prints them. NAME= puts it into the
    /// cluster of that context
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "[NAME=]PATH",
        value_hint = ValueHint::AnyPath,
        help_heading = "Input",
        conflicts_with_all = connect::FLAGS_OF_CLUSTERS
    )]
    pub files: Vec<Source>,

    /// Manifests or the CLB API's answers, laid over the state of the cluster
    #[arg(
        long,
        value_name = "[NAME=]PATH",
        value_hint = ValueHint::AnyPath,
        help_heading = "Input",
        conflicts_with = "files"
    )]
    pub overlay: Vec<Source>,

    /// Only this namespace, by default the context's; also the namespace of objects in files that
    /// name none
    #[arg(short, long, help_heading = "Input", conflicts_with = "all_namespaces")]
    pub namespace: Option<String>,

    /// All namespaces, which is the default for files
    #[arg(short = 'A', long, help_heading = "Input")]
    pub all_namespaces: bool,

    /// The kubeconfig's context; with -f or --contexts, only the cluster of that NAME
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub context: Option<String>,

    /// Several contexts of the kubeconfig, looked at together
    #[arg(
        long,
        value_name = "NAME,NAME",
        value_delimiter = ',',
        help_heading = "Input",
        conflicts_with = "files"
    )]
    pub contexts: Vec<String>,

    /// How to reach the cluster.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// How to reach the CLB API.
    #[command(flatten)]
    pub clb: ClbArgs,

    /// Only Services with these labels, for example app=web,tier in (a,b),!test
    #[arg(short = 'l', long, value_name = "LABELS", help_heading = "Input")]
    pub selector: Option<Selector>,

    /// The cluster's id where the files do not say (ConfigMap kube-system/ack-cluster-profile)
    #[arg(long, value_name = "[CTX=]ID", help_heading = "Clusters")]
    pub cluster_id: Vec<String>,

    /// What the cluster's Service names end in, where ids cannot differ
    #[arg(
        long,
        value_name = "[CTX=]SUFFIX",
        allow_hyphen_values = true,
        help_heading = "Clusters"
    )]
    pub cluster_suffix: Vec<String>,

    /// What CCM takes as backends where a Service does not say: eni (pods) or ecs (nodes)
    #[arg(long, value_name = "[CTX=]eni|ecs", help_heading = "Clusters")]
    pub backend_type: Vec<String>,

    /// CCM's release where its image does not say, for example 2.11; else the newest counts
    #[arg(long, value_name = "[CTX=]VERSION", help_heading = "Clusters")]
    pub ccm_version: Vec<String>,
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # The current context's cluster, with the CLB API's answer about the group
  kubectl clbmigrate status -n shop --overlay group.json

  # Two clusters, again and again
  kubectl clbmigrate status --contexts old,new -A -w

  # Files: two old ECS beside a cluster's nodes
  kubectl clbmigrate status -f deploy/examples/canary/

  # Two clusters in one group, with the group's own answer
  kubectl clbmigrate status -f a=deploy/examples/two-clusters/a \\
    -f b=deploy/examples/two-clusters/b -f deploy/examples/two-clusters/clb

  # All that is known of each participant, for people and for programs
  kubectl clbmigrate status -f deploy/examples/eni/ -o wide
  kubectl clbmigrate status -f deploy/examples/outside-ecs/ -o json

  # A cluster's state from stdin
  kubectl get svc,nodes,endpointslices -A -o json |
    kubectl clbmigrate status -f -")]
pub struct StatusArgs {
    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Go on and show every change, until Ctrl-C
    #[arg(short, long, conflicts_with = "files")]
    pub watch: bool,
}

/// Arguments of `preview`.
#[derive(Debug, Args)]
#[command(
    override_usage = "kubectl clbmigrate preview [svc/]NAME WEIGHT|none [-f [NAME=]PATH...] [OPTIONS]\n       \
        kubectl clbmigrate preview --overlay [NAME=]NEW... [OPTIONS]\n       \
        kubectl clbmigrate preview -f [NAME=]NEW... --against [NAME=]OLD... [--prune] [OPTIONS]",
    after_help = "\
Examples:
  # In the cluster of the current context, and what its API server says of it
  kubectl clbmigrate preview svc/web 40 -n shop

  # Files: twice the weight, is it twice the traffic?
  kubectl clbmigrate preview svc/web 40 -n shop -f deploy/examples/canary/

  # One typo away from an outage
  kubectl clbmigrate preview svc/web 101 -n shop -f deploy/examples/canary/

  # No weight at all
  kubectl clbmigrate preview svc/web none -f deploy/examples/local/

  # One of two clusters that have a Service of that name
  kubectl clbmigrate preview web 60 --context a \\
    -f a=deploy/examples/two-clusters/a -f b=deploy/examples/two-clusters/b \\
    -f deploy/examples/two-clusters/clb

  # Any edit: a manifest as it shall be, laid over the cluster
  kubectl clbmigrate preview -n shop --overlay service.yaml

  # Any edit: the manifest as it shall be against what there is
  kubectl clbmigrate preview \\
    -f deploy/examples/mistakes/CLB403-weight-removed/after.yaml \\
    --against deploy/examples/mistakes/CLB403-weight-removed/before.yaml"
)]
pub struct PreviewArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = SERVICE, requires = "weight")]
    pub target: Option<String>,

    /// The weight to try, 0 to 100, or none for no weight annotation; taken as it is
    #[arg(value_name = "WEIGHT|none", allow_hyphen_values = true)]
    pub weight: Option<String>,

    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,

    /// The current state; -f holds the new manifests, which are laid over it
    #[arg(
        long,
        value_name = "[NAME=]PATH",
        value_hint = ValueHint::AnyPath,
        help_heading = "Input",
        conflicts_with_all = ["target", "selector"]
    )]
    pub against: Vec<Source>,

    /// Treat Services of --against that are missing from -f as deleted
    #[arg(long, requires = "against", help_heading = "Input")]
    pub prune: bool,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Exit with 3 where the change brings a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: FailOn,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # The cluster of the current context, all namespaces
  kubectl clbmigrate check -A

  # Files: a weight that drains the group
  kubectl clbmigrate check -f deploy/examples/mistakes/CLB001-weight-101.yaml

  # Two clusters, and warnings count
  kubectl clbmigrate check --fail-on warning \\
    -f a=deploy/examples/two-clusters/a -f b=deploy/examples/two-clusters/b \\
    -f deploy/examples/two-clusters/clb

  # In Chinese, which is the default where the locale is Chinese
  kubectl clbmigrate check -f deploy/examples/canary/ --lang zh

  # As an older CCM judges, where its image is not at hand
  kubectl clbmigrate check -f deploy/examples/canary/ --ccm-version 2.11

  # For a code scanning service, and for a test report
  kubectl clbmigrate check -f deploy/examples/canary/ -o sarif
  kubectl clbmigrate check -f deploy/examples/canary/ -o junit

  # From stdin
  cat deploy/examples/canary/service.yaml |
    kubectl clbmigrate check -f -")]
pub struct CheckArgs {
    /// What to look at.
    #[command(flatten)]
    pub input: InputArgs,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ReportFormat,

    /// Exit with 3 where there is a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: FailOn,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Why a weight of 101 is an outage, and where that is known from
  kubectl clbmigrate explain CLB001

  # The same in Chinese, whatever the locale
  kubectl clbmigrate explain CLB001 --lang zh

  # All rules
  kubectl clbmigrate explain")]
pub struct ExplainArgs {
    /// The rules, for example CLB001; without any, all are listed
    #[arg(value_name = RULE)]
    pub rules: Vec<String>,
}
