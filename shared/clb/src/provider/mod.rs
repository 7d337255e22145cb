//! Providers of credentials: how they are found, asked, cached and renewed.

mod cache;
mod command;
mod config_file;
mod discovery;
mod metadata;
mod mode;
mod process;
mod profile;
mod resolver;
mod shared_file;
mod sts;
mod switches;
mod uri;
mod variables;

use jiff::Timestamp;
use secrecy::SecretString;

use crate::{credentials::Credentials, endpoint::Endpoint};

pub(crate) use cache::CredentialsCache;
pub(crate) use discovery::{DiscoveredConfig, discover, not_found};
pub(crate) use resolver::CredentialsResolver;

/// A source of credentials.
#[derive(Debug, Clone)]
pub(crate) enum Provider {
    /// Credentials that a file or the environment holds.
    Static(Credentials),
    /// Credentials of a role from STS, for other credentials: `AssumeRole`.
    AssumeRole {
        /// The provider of those others.
        from: Box<Provider>,
        role: Role,
    },
    /// Credentials of a role from STS, for a token of an identity provider: `AssumeRoleWithOIDC`.
    AssumeRoleWithOidc { provider: String, token_file: String, role: Role },
    /// Credentials of the ECS instance's role, from its metadata.
    InstanceRole {
        /// The role's name; `None` for the instance's only one.
        role: Option<String>,
        /// Whether the metadata may be asked without a token (`IMDSv1`).
        v1: bool,
    },
    /// Credentials from a web server, by its URL. The URL may hold a secret.
    Uri(SecretString),
    /// Credentials that a program prints, by its command line. Its arguments may be secret.
    Process(SecretString),
}

/// A role to be assumed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    /// The session's name, which the account's audit log shows.
    pub(crate) session: String,
    pub(crate) external_id: Option<String>,
    /// How long its credentials are to be valid, in seconds.
    pub(crate) seconds: u32,
    pub(crate) sts: Sts,
}

/// Which STS is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sts {
    /// The endpoint that the profile or the environment names; `None` for the region's own.
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) region: Option<String>,
    /// Whether the host inside VPCs is asked.
    pub(crate) vpc: bool,
}

/// How long a provider can give credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Without an end.
    Unlimited,
    /// Until this time.
    Until(Timestamp),
    /// Static credentials with an STS token whose expiry is unknown.
    Unknown,
}

impl Provider {
    /// Whether asking the provider again may bring other credentials.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Static(_))
    }

    /// How long the provider can give credentials; for a role, as long as the provider of the
    /// credentials that assume it.
    pub(crate) fn lifetime(&self) -> Lifetime {
        match self {
            Self::Static(credentials) => match (&credentials.token, credentials.expires) {
                (None, _) => Lifetime::Unlimited,
                (Some(_), Some(end)) => Lifetime::Until(end),
                (Some(_), None) => Lifetime::Unknown,
            },
            Self::AssumeRole { from, .. } => from.lifetime(),
            _ => Lifetime::Unlimited,
        }
    }

    /// Whether the credentials are, directly or through roles, those of the instance's role.
    pub(crate) fn uses_instance_role(&self) -> bool {
        match self {
            Self::InstanceRole { .. } => true,
            Self::AssumeRole { from, .. } => from.uses_instance_role(),
            _ => false,
        }
    }
}
