use clap::{Arg, Args, ValueHint};
use clbmigrate_cluster::files::Source;

use super::{
    AccessArgs, ChangeFormat, DryRun, DurationArg, SERVICE, ServerWeight, VgroupPort, reason,
};
use crate::{error::Error, request::Request};

/// kubectl's `--as` under another name: that of `attach` names the new Service.
fn as_user(flag: Arg) -> Arg {
    flag.long("as-user").help("User to impersonate; here --as is a Service's name")
}

/// What all commands share that write.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writing")]
pub struct WriteArgs {
    /// Write nothing: client only computes, server has the API server judge the change as well; alone it
    /// means client
    #[arg(
        long,
        value_name = "none|client|server",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "client",
        hide_possible_values = true
    )]
    pub dry_run: Option<DryRun>,

    /// Wait until CCM has carried the change out
    #[arg(long, conflicts_with = "dry_run")]
    pub wait: bool,

    /// How long each side may take, for example 90s or 5m, and as long again to be taken back; 0 for no limit
    #[arg(long, value_name = "TIME", default_value = "5m")]
    pub timeout: DurationArg,

    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,

    /// Write in spite of what the preview finds wrong
    #[arg(long)]
    pub force: bool,

    /// Why, for the record; 256 characters at the most
    #[arg(long, value_name = "TEXT", value_parser = reason)]
    pub reason: Option<String>,

    /// Output format; patch prints the change for a Git commit and writes nothing
    #[arg(short, long, value_name = "FORMAT", default_value = "table")]
    pub output: ChangeFormat,

    /// The CLB API's answers from files, laid over the state of the cluster
    #[arg(long, value_name = "[NAME=]PATH", value_hint = ValueHint::AnyPath)]
    pub overlay: Vec<Source>,
}

impl WriteArgs {
    /// How the write is tried; `None` where it is a write.
    pub fn dry_run(&self) -> Option<DryRun> {
        self.dry_run.filter(|of| *of != DryRun::None)
    }

    /// What a command looks at that changes something in these clusters; without any, in that of the
    /// one context.
    ///
    /// # Errors
    /// A usage error where the flags contradict each other.
    pub fn request(&self, access: &AccessArgs, contexts: &[String]) -> Result<Request, Error> {
        if self.wait && self.output == ChangeFormat::Patch {
            let why = "-o patch writes nothing, so there is nothing to --wait for";
            return Err(Error::usage(why));
        }
        let (overlay, contexts) = (self.overlay.clone(), contexts.to_vec());
        Ok(Request { overlay, contexts, ..access.request() })
    }
}

/// Arguments of `set`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Terminal, ask, write, and wait until CCM has done it
  kubectl clbmigrate set svc/web 40 -n shop --wait

  # The way back to safety is never refused
  kubectl clbmigrate set svc/web 0 -n shop --yes

  # What the API server would say; nothing is written
  kubectl clbmigrate set svc/web 40 -n shop --dry-run=server

  # Only if the weight is 20 still
  kubectl clbmigrate set svc/web 40 -n shop --current-weight 20 --yes

  # For the repository that GitOps reads
  kubectl clbmigrate set svc/web 40 -n shop -o patch

  # Old machines behind the same groups, by the CLB API
  kubectl clbmigrate set svc/web --external i-bp1a=30,i-bp1b=30 -n shop")]
pub struct SetArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = SERVICE)]
    pub target: String,

    /// The weight, 0 to 100: the total of this Service's backends in each of its groups
    #[arg(value_name = "WEIGHT", allow_hyphen_values = true, required_unless_present = "external")]
    pub weight: Option<String>,

    /// Write only if the weight is this still; none for no weight annotation
    #[arg(long, value_name = "WEIGHT|none", conflicts_with = "external")]
    pub current_weight: Option<String>,

    /// Instead of the Service's weight, those of servers outside of clusters in its groups, by the
    /// CLB API: 0 to 100 each
    #[arg(long, value_name = "ID=WEIGHT,...", value_delimiter = ',', conflicts_with = "weight")]
    pub external: Vec<ServerWeight>,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  # Back to the weight before the last change
  kubectl clbmigrate undo svc/web -n shop --wait

  # What that would do
  kubectl clbmigrate undo svc/web -n shop --dry-run=client

  # A shift, on all sides: whoever lost gets back first
  kubectl clbmigrate undo svc/web -n shop --contexts old,new")]
pub struct UndoArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = SERVICE)]
    pub target: String,

    /// Of a shift: take CCM's word where the CLB cannot be asked
    #[arg(long, help_heading = "Writing")]
    pub unverified: bool,

    /// All contexts of the kubeconfig that the change touched
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', conflicts_with = "context")]
    pub contexts: Vec<String>,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// Arguments of `attach`.
#[derive(Debug, Args)]
#[command(
    mut_arg("impersonate", as_user),
    after_help = "\
Examples:
  # Join the group of port 80, at weight 0: traffic moves later, with shift.
  # The type ClusterIP or NodePort becomes LoadBalancer in the same write
  kubectl clbmigrate attach svc/web -n shop --clb lb-bp1example \\
    --vgroup rsp-bp1example:80 --wait

  # It has a CLB of its own, or shall stay as it is: a new one like it joins
  kubectl clbmigrate attach svc/web -n shop --as web-shared \\
    --clb lb-bp1example --vgroup rsp-bp1example:80 --wait

  # Two ports, two groups; print it for the repository that GitOps reads
  kubectl clbmigrate attach svc/web -n shop --clb lb-bp1example \\
    --vgroup rsp-bp1example:80 --vgroup rsp-bp1example2:443 -o patch

kubectl's --as USER is --as-user USER here."
)]
pub struct AttachArgs {
    /// The Service: svc/NAME, service/NAME or NAME
    #[arg(value_name = SERVICE)]
    pub target: String,

    /// The CLB's id
    #[arg(long, value_name = "ID")]
    pub clb: String,

    /// A vServer group's id and the Service port that it is for; once a port
    #[arg(long, value_name = "GROUP:PORT", required = true)]
    pub vgroup: Vec<VgroupPort>,

    /// Join a new Service of this name, with the selector and the ports of the named one, which stays
    /// as it is
    #[arg(long = "as", value_name = "NAME")]
    pub new_name: Option<String>,

    /// How to write.
    #[command(flatten)]
    pub write: WriteArgs,

    /// What to look at.
    #[command(flatten)]
    pub access: AccessArgs,
}
