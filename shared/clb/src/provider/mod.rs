//! Credentials: where they are looked for, what they are, how they are had and renewed.

mod config_file;
mod find;
mod keeper;
mod metadata;
mod obtain;
mod process;
mod profile;
mod shared_file;
mod sts;
mod uri;
mod variables;

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

pub(crate) use find::{Found, find, nothing};
pub(crate) use keeper::Keeper;
pub(crate) use obtain::Issuer;

/// What signs a call.
#[derive(Clone)]
pub(crate) struct Keys {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    /// With temporary keys.
    pub(crate) token: Option<SecretString>,
    /// When temporary keys end, where that is known.
    pub(crate) expires: Option<Timestamp>,
}

impl Keys {
    pub(crate) fn new(id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self { id: id.into(), secret: secret.into(), token: None, expires: None }
    }

    /// Whether the keys can still be used `margin` after `now`.
    pub(crate) fn last(&self, now: Timestamp, margin: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(now) > margin)
    }
}

/// Neither secret nor token are shown.
impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Keys")
            .field("id", &self.id)
            .field("token", &self.token.is_some())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// How keys are had.
#[derive(Debug, Clone)]
pub(crate) enum Means {
    /// They are written down.
    Written(Keys),
    /// STS gives a role's to whoever has other keys: `AssumeRole`.
    Role {
        /// How those others are had.
        from: Box<Means>,
        role: Role,
    },
    /// STS gives a role's for a token of another identity provider: `AssumeRoleWithOIDC`.
    Oidc { provider: String, token_file: String, role: Role },
    /// The metadata of the ECS instance gives its role's.
    Instance {
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
pub(crate) enum Life {
    /// Until somebody takes the keys away.
    Unlimited,
    /// Until then.
    Until(Timestamp),
    /// Keys of STS that do not say when they end.
    Unknown,
}

impl Means {
    /// Whether asking again may bring other keys.
    pub(crate) fn is_renewable(&self) -> bool {
        !matches!(self, Self::Written(_))
    }

    /// What the means themselves last; a role is renewed as long as the keys it is had with last.
    pub(crate) fn life(&self) -> Life {
        match self {
            Self::Written(keys) => match (&keys.token, keys.expires) {
                (None, _) => Life::Unlimited,
                (Some(_), Some(end)) => Life::Until(end),
                (Some(_), None) => Life::Unknown,
            },
            Self::Role { from, .. } => from.life(),
            _ => Life::Unlimited,
        }
    }

    /// Whether the instance's metadata give the keys, in the end.
    pub(crate) fn is_of_instance(&self) -> bool {
        match self {
            Self::Instance { .. } => true,
            Self::Role { from, .. } => from.is_of_instance(),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let mut keys = Keys::new("LTAIexample", "secret-1");
        keys.token = Some("token-1".into());
        let means = Means::Written(keys);
        let text = format!("{means:?}");
        assert!(text.contains("LTAIexample"), "{text}");
        assert!(!text.contains("secret-1") && !text.contains("token-1"), "{text}");
    }
}
