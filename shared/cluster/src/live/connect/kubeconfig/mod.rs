//! What a kubeconfig holds (client-go 0.36: clientcmd/api/v1/types.go). An empty text means that
//! nothing is set.

mod files;
mod read;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer};

pub(super) use self::{files::Files, read::read};

/// A kubeconfig, of one file or merged of several.
#[derive(Clone, Default)]
pub(super) struct Kubeconfig {
    /// The name of the context that counts where no flag names one.
    pub current_context: String,
    /// The clusters by name.
    pub clusters: Vec<Named<Cluster>>,
    /// The users by name.
    pub users: Vec<Named<User>>,
    /// The contexts by name.
    pub contexts: Vec<Named<Context>>,
}

/// An entry of a kubeconfig.
#[derive(Clone, Default)]
pub(super) struct Named<T> {
    pub name: String,
    pub value: T,
}

impl<T> Named<T> {
    /// The entry of that name.
    pub fn find<'n>(entries: &'n [Self], name: &str) -> Option<&'n T> {
        entries.iter().find(|entry| entry.name == name).map(|entry| &entry.value)
    }
}

/// How a cluster is reached.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct Cluster {
    #[serde(deserialize_with = "or_default")]
    pub server: String,
    #[serde(deserialize_with = "or_default")]
    pub tls_server_name: String,
    #[serde(deserialize_with = "or_default")]
    pub insecure_skip_tls_verify: bool,
    /// The path of the certificates that vouch for the server.
    #[serde(deserialize_with = "or_default")]
    pub certificate_authority: String,
    /// The same as PEM text.
    #[serde(deserialize_with = "read::data")]
    pub certificate_authority_data: Vec<u8>,
    #[serde(deserialize_with = "or_default")]
    pub proxy_url: String,
    #[serde(deserialize_with = "or_default")]
    pub disable_compression: bool,
    #[serde(deserialize_with = "or_default")]
    pub extensions: Vec<Extension>,
}

/// What others add.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Extension {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    pub extension: serde_json::Value,
}

/// Who the user is. It holds secrets, so nothing prints it.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub(super) struct User {
    /// The path of the client certificate, and those that vouch for it.
    #[serde(deserialize_with = "or_default")]
    pub client_certificate: String,
    /// The same as PEM text.
    #[serde(deserialize_with = "read::data")]
    pub client_certificate_data: Vec<u8>,
    /// The path of the certificate's key.
    #[serde(deserialize_with = "or_default")]
    pub client_key: String,
    /// The same as PEM text.
    #[serde(deserialize_with = "read::data")]
    pub client_key_data: Vec<u8>,
    #[serde(deserialize_with = "or_default")]
    pub token: String,
    /// The path of a file with a token.
    #[serde(rename = "tokenFile", deserialize_with = "or_default")]
    pub token_file: String,
    #[serde(rename = "as", deserialize_with = "or_default")]
    pub impersonate: String,
    #[serde(deserialize_with = "or_default")]
    pub as_uid: String,
    #[serde(deserialize_with = "or_default")]
    pub as_groups: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub as_user_extra: std::collections::BTreeMap<String, Vec<String>>,
    #[serde(deserialize_with = "or_default")]
    pub username: String,
    #[serde(deserialize_with = "or_default")]
    pub password: String,
    pub auth_provider: Option<AuthProvider>,
    pub exec: Option<Exec>,
}

/// A way to log in that is part of kubectl, of which `oidc` is the only one left.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct AuthProvider {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub config: std::collections::BTreeMap<String, String>,
}

/// A program that prints credentials.
#[derive(Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Exec {
    #[serde(deserialize_with = "or_default")]
    pub command: String,
    #[serde(deserialize_with = "or_default")]
    pub args: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub env: Vec<Variable>,
    #[serde(deserialize_with = "or_default")]
    pub api_version: String,
    #[serde(deserialize_with = "or_default")]
    pub install_hint: String,
    #[serde(deserialize_with = "or_default")]
    pub provide_cluster_info: bool,
    #[serde(deserialize_with = "or_default")]
    pub interactive_mode: String,
}

/// A variable of a program's environment.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Variable {
    #[serde(deserialize_with = "or_default")]
    pub name: String,
    #[serde(deserialize_with = "or_default")]
    pub value: String,
}

/// A cluster, who the user is there, and where to look.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Context {
    #[serde(deserialize_with = "or_default")]
    pub cluster: String,
    #[serde(deserialize_with = "or_default")]
    pub user: String,
    #[serde(deserialize_with = "or_default")]
    pub namespace: String,
}

/// A value that may be `null`.
fn or_default<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: Default + Deserialize<'de>,
    D: Deserializer<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
