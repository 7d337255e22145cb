//! Credentials: where they are looked for, what they are, how they are had and renewed.

mod cache;
mod config_file;
mod discovery;
mod metadata;
mod process;
mod profile;
mod resolver;
mod shared_file;
mod sts;
mod uri;
mod variables;

use jiff::Timestamp;

use crate::credentials::Credentials;

pub(crate) use cache::CredentialsCache;
pub(crate) use discovery::{DiscoveredConfig, discover, not_found};
pub(crate) use resolver::CredentialsResolver;

/// How keys are had.
#[derive(Debug, Clone)]
pub(crate) enum Provider {
    /// They are written down.
    Static(Credentials),
    /// STS gives a role's to whoever has other keys: `AssumeRole`.
    AssumeRole {
        /// How those others are had.
        from: Box<Provider>,
        role: Role,
    },
    /// STS gives a role's for a token of another identity provider: `AssumeRoleWithOIDC`.
    AssumeRoleWithOidc { provider: String, token_file: String, role: Role },
    /// The metadata of the ECS instance gives its role's.
    InstanceRole {
        /// The role; else the instance's only one.
        role: Option<String>,
        /// Whether metadata may be asked without a token (`IMDSv1`).
        v1: bool,
    },
    /// A web server gives them.
    Uri(String),
    /// A program prints them.
    Process(String),
}

/// The role that STS is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Role {
    pub(crate) arn: String,
    /// The session's name, which the account's audit log shows.
    pub(crate) session: String,
    pub(crate) external_id: Option<String>,
    /// How long its keys are good for, in seconds.
    pub(crate) seconds: u32,
    pub(crate) sts: Sts,
}

/// Which STS is asked where no endpoint is given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sts {
    pub(crate) region: Option<String>,
    /// Whether over the host that only VPCs reach.
    pub(crate) vpc: bool,
}

/// How long one can go on with some means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lifetime {
    /// Until somebody takes the keys away.
    Unlimited,
    /// Until then.
    Until(Timestamp),
    /// Keys of STS that do not say when they end.
    Unknown,
}

impl Provider {
    /// Whether asking again may bring other keys.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Static(_))
    }

    /// What the means themselves last; a role is renewed as long as the keys it is had with last.
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

    /// Whether the instance's metadata give the keys, in the end.
    pub(crate) fn is_of_instance(&self) -> bool {
        match self {
            Self::InstanceRole { .. } => true,
            Self::AssumeRole { from, .. } => from.is_of_instance(),
            _ => false,
        }
    }
}
