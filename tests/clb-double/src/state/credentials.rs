//! The access keys and roles that may call.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// An access key of an account or of a user in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Account {
    /// The id of the key.
    pub access_key_id: String,
    /// The secret that signs.
    pub access_key_secret: String,
    /// The id of the account.
    #[serde(default = "default_account")]
    pub account_id: String,
    /// The ARN of the RAM user that has the key; absent: it is the account's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arn: Option<String>,
    /// The actions that the key's policy allows, such as `slb:Describe*`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allows: Option<Vec<String>>,
    /// How many backends a call with this key may carry; absent: what the quotas say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backends_per_call: Option<usize>,
}

/// Credentials that expire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StsToken {
    /// The id of the key, `STS.…`.
    pub access_key_id: String,
    /// The secret that signs.
    pub access_key_secret: String,
    /// The token that every call with the key must carry.
    pub security_token: String,
    /// When the key and the token expire.
    pub expiration: Timestamp,
    /// The role that was assumed, with its session.
    pub arn: String,
    /// The id of the account.
    #[serde(default = "default_account")]
    pub account_id: String,
    /// The actions that the role's policy allows; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allows: Option<Vec<String>>,
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
    /// The actions that its policy allows, such as `slb:Describe*`; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allows: Option<Vec<String>>,
    /// Seconds that its credentials last, whatever the caller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_seconds: Option<u32>,
}

pub(crate) fn default_account() -> String {
    "1000000000000001".to_owned()
}
