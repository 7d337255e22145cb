//! Who may call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An access key of an account or of a user in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// Names the key.
    pub access_key_id: String,
    /// Signs with it.
    pub access_key_secret: String,
    /// The account that pays.
    #[serde(default = "default_account")]
    pub account_id: String,
    /// Who holds the key; absent: the account itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// How many backends a call with this key may carry; absent: what the quotas say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends_per_call: Option<usize>,
}

/// Credentials that expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StsToken {
    /// Names the key, as `STS.…`.
    pub access_key_id: String,
    /// Signs with it.
    pub access_key_secret: String,
    /// Must come with every call.
    pub security_token: String,
    /// From then on it is worth nothing.
    pub expiration: Timestamp,
    /// The role that was assumed, with its session.
    pub arn: String,
    /// The account that pays.
    #[serde(default = "default_account")]
    pub account_id: String,
}

/// A role, and who may assume it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Role {
    /// Such as `acs:ram::1000000000000001:role/clb`.
    pub arn: String,
    /// Access keys that may assume it; absent: every one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusts: Option<Vec<String>>,
    /// The identity provider whose tokens may assume it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oidc_provider_arn: Option<String>,
    /// The tokens of that provider which are good.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oidc_tokens: Vec<String>,
    /// Seconds that its credentials last, whatever the caller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u32>,
}

pub(crate) fn default_account() -> String {
    "1000000000000001".to_owned()
}
