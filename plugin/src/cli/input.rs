//! Which objects a command looks at, and how it gets at them.

#![allow(clippy::doc_markdown, reason = "these comments are the help texts")]

use clap::{Args, ValueHint};
use clbmigrate_cluster::files::Source;

use super::{ClbArgs, ConnectArgs, connect::FLAGS_OF_CLUSTERS};
use crate::{request::Request, selector::Selector};

/// What all commands take that look at clusters.
#[derive(Debug, Clone, Args)]
pub struct AccessArgs {
    /// Only this namespace, by default the context's; also the namespace of objects in files that
    /// name none
    #[arg(short, long, help_heading = "Input")]
    pub namespace: Option<String>,

    /// The kubeconfig's context; with -f or --contexts, only the cluster of that NAME
    #[arg(long, value_name = "NAME", help_heading = "Input")]
    pub context: Option<String>,

    /// How to reach the cluster.
    #[command(flatten)]
    pub connect: ConnectArgs,

    /// How to reach the CLB API.
    #[command(flatten)]
    pub clb: ClbArgs,

    /// What the clusters are.
    #[command(flatten)]
    pub clusters: ClusterArgs,
}

/// What is to be known of a cluster where it does not say so itself.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Clusters")]
pub struct ClusterArgs {
    /// The cluster's id where the files do not say (ConfigMap kube-system/ack-cluster-profile)
    #[arg(long, value_name = "[CTX=]ID")]
    pub cluster_id: Vec<String>,

    /// What the cluster's Service names end in, where ids cannot differ
    #[arg(long, value_name = "[CTX=]SUFFIX", allow_hyphen_values = true)]
    pub cluster_suffix: Vec<String>,

    /// What CCM takes as backends where a Service does not say: eni (pods) or ecs (nodes)
    #[arg(long, value_name = "[CTX=]eni|ecs")]
    pub backend_type: Vec<String>,

    /// CCM's release where its image does not say, for example 2.11; else the newest counts
    #[arg(long, value_name = "[CTX=]VERSION")]
    pub ccm_version: Vec<String>,
}

/// What the commands look at that only read.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub struct ReadArgs {
    /// Files instead of a cluster: file, directory (with all below it) or - for stdin: manifests,
    /// kubectl's dumps, the CLB API's answers as the aliyun CLI prints them. NAME= puts it into the
    /// cluster of that context
    #[arg(
        short = 'f',
        long = "filename",
        value_name = "[NAME=]PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with_all = FLAGS_OF_CLUSTERS,
        conflicts_with_all = FLAGS_OF_CLB
    )]
    pub files: Vec<Source>,

    /// Manifests or the CLB API's answers, laid over the state of the cluster
    #[arg(
        long,
        value_name = "[NAME=]PATH",
        value_hint = ValueHint::AnyPath,
        conflicts_with = "files"
    )]
    pub overlay: Vec<Source>,

    /// All namespaces, which is the default for files
    #[arg(short = 'A', long, conflicts_with = "namespace")]
    pub all_namespaces: bool,

    /// Several contexts of the kubeconfig, looked at together
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',', conflicts_with = "files")]
    pub contexts: Vec<String>,

    /// Only Services with these labels, for example app=web,tier in (a,b),!test
    #[arg(short = 'l', long, value_name = "LABELS")]
    pub selector: Option<Selector>,

    /// How to get at it.
    #[command(flatten)]
    pub access: AccessArgs,
}

/// The flags, by their ids in clap, that say how to get at the CLB API: files need none.
const FLAGS_OF_CLB: [&str; 5] = ["clb_profile", "clb_region", "clb_endpoint", "clb_ca", "no_clb"];

impl AccessArgs {
    /// What a command looks at that takes these flags alone.
    pub fn request(&self) -> Request {
        Request {
            files: Vec::new(),
            overlay: Vec::new(),
            namespace: self.namespace.clone().filter(|name| !name.is_empty()),
            all_namespaces: false,
            // As for kubectl, an empty name is none: scripts write --context "$CONTEXT".
            context: self.context.clone().filter(|name| !name.is_empty()),
            contexts: Vec::new(),
            selector: None,
            names: Vec::new(),
            connect: self.connect.clone(),
            clb: self.clb.clone(),
            clusters: self.clusters.clone(),
        }
    }
}

impl ReadArgs {
    /// What the command looks at.
    pub fn request(&self) -> Request {
        Request {
            files: self.files.clone(),
            overlay: self.overlay.clone(),
            all_namespaces: self.all_namespaces,
            contexts: self.contexts.clone(),
            selector: self.selector.clone(),
            ..self.access.request()
        }
    }
}
