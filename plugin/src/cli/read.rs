//! Arguments of the commands that only read.

#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Arg, Args, ValueHint};
use clbmigrate_cluster::files::Source;

use super::{AccessArgs, FailOn, Format, RULE, ReadArgs, ReportFormat, SERVICE, StatusTarget};

/// The context of a command that looks at all clusters that are named.
fn one_of_all(context: Arg) -> Arg {
    context.conflicts_with("contexts")
}

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(
    mut_arg("context", one_of_all),
    after_help = "\
Examples:
  # The routes of two Services, with all who share them
  kubectl clbmigrate status svc/web svc/api -n shop

  # One CLB, by its id or address, without a kubeconfig: who holds what share
  kubectl clbmigrate status lb-bp1example --clb-profile prod

  # The same, with clusters that know who is theirs
  kubectl clbmigrate status lb-bp1example --contexts old,new

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
    kubectl clbmigrate status -f -"
)]
pub struct StatusArgs {
    /// Only the routes of these Services: svc/NAME, service/NAME or NAME. Or everything about CLBs: their
    /// ids or addresses; clusters are looked at then only where one is named
    #[arg(value_name = SERVICE, conflicts_with = "selector")]
    pub targets: Vec<StatusTarget>,

    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: Format,

    /// Go on and show every change, until Ctrl-C
    #[arg(short, long, conflicts_with = "files")]
    pub watch: bool,

    /// No titles of columns
    #[arg(long)]
    pub no_headers: bool,

    /// What to look at.
    #[command(flatten)]
    pub input: ReadArgs,
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

    /// What to look at.
    #[command(flatten)]
    pub input: ReadArgs,
}

/// Arguments of `check`.
#[derive(Debug, Args)]
#[command(
    mut_arg("context", one_of_all),
    after_help = "\
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
    kubectl clbmigrate check -f -"
)]
pub struct CheckArgs {
    /// Output format
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ReportFormat,

    /// Exit with 3 where there is a finding of this severity or worse
    #[arg(long, value_name = "SEVERITY", default_value = "error")]
    pub fail_on: FailOn,

    /// What to look at.
    #[command(flatten)]
    pub input: ReadArgs,
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

    /// No titles of columns
    #[arg(long)]
    pub no_headers: bool,

    /// What all commands take. Here it says nothing.
    #[command(flatten)]
    pub access: AccessArgs,
}
