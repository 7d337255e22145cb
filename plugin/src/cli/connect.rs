use std::path::PathBuf;

use clap::{Args, ValueHint};
use clbmigrate_cluster::live::ConnectionOptions;

use super::DurationArg;

/// kubectl's connection flags.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Connection")]
pub struct ConnectArgs {
    /// The kubeconfig file; else those of KUBECONFIG, else .kube/config in the home folder
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Option<PathBuf>,

    /// The cluster of the kubeconfig to use
    #[arg(long, value_name = "NAME")]
    pub cluster: Option<String>,

    /// The user of the kubeconfig to use
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,

    /// Group to impersonate; may be given several times
    #[arg(long = "as-group", value_name = "GROUP", requires = "impersonate")]
    pub groups: Vec<String>,

    /// Bearer token
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,

    /// How long a request may take, for example 10s or 1m; 0 for no limit
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub request_timeout: DurationArg,

    /// Do not check the API server's certificate
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,
}

impl ConnectArgs {
    /// How to reach the cluster of a context.
    pub fn access(&self, context: Option<&str>) -> ConnectionOptions {
        let timeout = self.request_timeout.0;
        ConnectionOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: context.map(str::to_owned),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            impersonate: self.impersonate.clone(),
            groups: self.groups.clone(),
            token: self.token.clone(),
            request_timeout: (!timeout.is_zero()).then_some(timeout),
            insecure: self.insecure_skip_tls_verify,
        }
    }

    /// A flag that is given and that makes sense with one context only, and what it does.
    pub fn flag_of_one_cluster(&self) -> Option<(&'static str, &'static str)> {
        let who = "says who one context's user is";
        if self.token.is_some() {
            Some(("--token", "is for the API server of one cluster"))
        } else if self.cluster.is_some() {
            Some(("--cluster", "says where one context's cluster is"))
        } else if self.user.is_some() {
            Some(("--user", who))
        } else if !self.groups.is_empty() {
            Some(("--as-group", who))
        } else {
            self.impersonate.as_ref().map(|_| ("--as", who))
        }
    }
}
