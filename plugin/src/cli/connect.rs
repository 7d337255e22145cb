use std::path::PathBuf;

use clap::{Args, ValueHint};
use clbmigrate_cluster::live::ConnectionOptions;

use super::DurationArg;
use crate::request_log;

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

    /// The API server's address and port
    #[arg(short, long, value_name = "URL", value_hint = ValueHint::Url)]
    pub server: Option<String>,

    /// The name to check the API server's certificate for, by default its host
    #[arg(long, value_name = "NAME")]
    pub tls_server_name: Option<String>,

    /// The certificates that vouch for the API server's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub certificate_authority: Option<PathBuf>,

    /// Do not check the API server's certificate
    #[arg(long)]
    pub insecure_skip_tls_verify: bool,

    /// The user's client certificate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub client_certificate: Option<PathBuf>,

    /// The private key of the client certificate
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub client_key: Option<PathBuf>,

    /// Bearer token
    #[arg(long, value_name = "TOKEN")]
    pub token: Option<String>,

    /// User of basic authentication
    #[arg(long, value_name = "NAME")]
    pub username: Option<String>,

    /// Password of basic authentication
    #[arg(long, value_name = "TEXT")]
    pub password: Option<String>,

    /// User to impersonate
    #[arg(long = "as", value_name = "USER")]
    pub impersonate: Option<String>,

    /// UID to impersonate
    #[arg(long, value_name = "UID")]
    pub as_uid: Option<String>,

    /// Group to impersonate; may be given several times
    #[arg(long = "as-group", value_name = "GROUP")]
    pub groups: Vec<String>,

    /// What else is known of the impersonated user; may be given several times
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_and_value)]
    pub as_user_extra: Vec<(String, String)>,

    /// How long a request may take, for example 10s or 1m; 0 for no limit
    #[arg(long, value_name = "TIME", default_value = "30s")]
    pub request_timeout: DurationArg,

    /// Ask for answers that are not compressed
    #[arg(long)]
    pub disable_compression: bool,
}

/// Flags that say where a cluster is and who the user is there, by their ids in clap. They mean
/// nothing where files are looked at.
pub const FLAGS_OF_CLUSTERS: [&str; 16] = [
    "kubeconfig",
    "cluster",
    "user",
    "server",
    "tls_server_name",
    "certificate_authority",
    "insecure_skip_tls_verify",
    "client_certificate",
    "client_key",
    "token",
    "username",
    "password",
    "impersonate",
    "as_uid",
    "groups",
    "as_user_extra",
];

impl ConnectArgs {
    /// How to reach the cluster of a context.
    pub fn access(&self, context: Option<&str>) -> ConnectionOptions {
        let timeout = self.request_timeout.0;
        ConnectionOptions {
            kubeconfig: self.kubeconfig.clone(),
            context: context.map(str::to_owned),
            cluster: self.cluster.clone(),
            user: self.user.clone(),
            server: self.server.clone(),
            tls_server_name: self.tls_server_name.clone(),
            certificate_authority: self.certificate_authority.clone(),
            client_certificate: self.client_certificate.clone(),
            client_key: self.client_key.clone(),
            username: self.username.clone(),
            password: self.password.clone(),
            impersonate: self.impersonate.clone(),
            impersonate_uid: self.as_uid.clone(),
            groups: self.groups.clone(),
            user_extra: self.as_user_extra.clone(),
            token: self.token.clone(),
            request_timeout: (!timeout.is_zero()).then_some(timeout),
            insecure: self.insecure_skip_tls_verify,
            disable_compression: self.disable_compression,
            on_request: request_log::observer(),
        }
    }

    /// A flag that is given and that makes sense with one context only, and what it does.
    pub fn flag_of_one_cluster(&self) -> Option<(&'static str, &'static str)> {
        let is_for = "is for the API server of one cluster";
        let whereabouts = "says where one context's cluster is";
        let who = "says who one context's user is";
        let flags = [
            ("--token", is_for, self.token.is_some()),
            ("--client-certificate", is_for, self.client_certificate.is_some()),
            ("--client-key", is_for, self.client_key.is_some()),
            ("--username", is_for, self.username.is_some()),
            ("--password", is_for, self.password.is_some()),
            ("--cluster", whereabouts, self.cluster.is_some()),
            ("--server", whereabouts, self.server.is_some()),
            ("--tls-server-name", whereabouts, self.tls_server_name.is_some()),
            ("--certificate-authority", whereabouts, self.certificate_authority.is_some()),
            ("--user", who, self.user.is_some()),
            ("--as-group", who, !self.groups.is_empty()),
            ("--as-uid", who, self.as_uid.is_some()),
            ("--as-user-extra", who, !self.as_user_extra.is_empty()),
            ("--as", who, self.impersonate.is_some()),
        ];
        flags.into_iter().find(|(_, _, is_given)| *is_given).map(|(flag, why, _)| (flag, why))
    }
}

/// Reads `KEY=VALUE`.
fn key_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("it is not of the form KEY=VALUE".to_owned()),
    }
}
