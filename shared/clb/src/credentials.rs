//! Credentials: an access key with its secret and, of temporary ones, an STS token.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

/// An access key: what signs calls.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub(crate) id: String,
    pub(crate) secret: SecretString,
    /// The STS token that belongs to temporary credentials.
    pub(crate) token: Option<SecretString>,
    /// When temporary credentials expire; `None` where that is unknown or never.
    pub(crate) expires: Option<Timestamp>,
}

impl Credentials {
    /// Credentials without token and expiry.
    pub(crate) fn new(id: impl Into<String>, secret: impl Into<SecretString>) -> Self {
        Self { id: id.into(), secret: secret.into(), token: None, expires: None }
    }

    /// Whether they can still be used `margin` after `now`. Without a known expiry they can.
    pub(crate) fn are_valid(&self, now: Timestamp, margin: SignedDuration) -> bool {
        self.expires.is_none_or(|end| end.duration_since(now) > margin)
    }
}

/// Shows neither secret nor token.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("id", &self.id)
            .field("token", &self.token.is_some())
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_secret() {
        let mut credentials = Credentials::new("LTAIexample", "secret-1");
        credentials.token = Some("token-1".into());
        let text = format!("{credentials:?}");
        assert!(text.contains("LTAIexample"), "{text}");
        assert!(!text.contains("secret-1") && !text.contains("token-1"), "{text}");
    }
}
