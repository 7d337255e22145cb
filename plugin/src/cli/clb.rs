use std::path::PathBuf;

use clap::{Args, ValueHint};
use clbmigrate_clb::Options;

/// How to reach the CLB API. Without these flags it is asked where the environment or the `aliyun`
/// command line's configuration gives credentials.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "CLB API")]
pub struct ClbArgs {
    /// The profile of the aliyun command line to ask the CLB API with; else its current one, else
    /// the environment's credentials
    #[arg(long, value_name = "NAME")]
    pub clb_profile: Option<String>,

    /// The CLB's region, for example cn-hangzhou; else that of the nodes, else the profile's or the
    /// environment's
    #[arg(long, value_name = "REGION")]
    pub clb_region: Option<String>,

    /// The CLB API's address: HOST[:PORT]; with http:// in front only on this machine
    #[arg(long, value_name = "HOST")]
    pub clb_endpoint: Option<String>,

    /// A file of certificates (PEM) to trust besides the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub clb_ca: Option<PathBuf>,

    /// Do not ask the CLB API, whatever credentials there are
    #[arg(
        long,
        conflicts_with_all = ["clb_profile", "clb_region", "clb_endpoint", "clb_ca"]
    )]
    pub no_clb: bool,
}

impl ClbArgs {
    /// Whether anything is said of it.
    pub fn is_asked_for(&self) -> bool {
        self.clb_profile.is_some() || self.clb_region.is_some() || self.clb_endpoint.is_some()
    }

    /// The same for the client. `region` is that of the nodes, if it is known: a CLB is where its
    /// backends are.
    pub fn options(&self, region: Option<String>) -> Options {
        Options {
            profile: self.clb_profile.clone(),
            region: self.clb_region.clone().or(region),
            endpoint: self.clb_endpoint.clone(),
            ca: self.clb_ca.clone(),
            try_instance_metadata: self.is_asked_for(),
            ..Options::default()
        }
    }
}
