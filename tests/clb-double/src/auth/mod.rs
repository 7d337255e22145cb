//! Authentication of calls: signatures, security tokens, timestamps and nonces.

mod acs3;
mod encode;
mod hmac_sha1;
mod nonce;
mod policy;

use std::str::FromStr as _;

use jiff::{SignedDuration, Timestamp};

pub(crate) use nonce::Nonces;
pub(crate) use policy::authorize;

use crate::api_error::ApiError;
use crate::request::Request;
use crate::state::State;

/// How far a caller's clock may be off.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(15);

/// Who has called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    pub(crate) access_key_id: String,
    pub(crate) account_id: String,
    pub(crate) arn: String,
    pub(crate) kind: CallerKind,
    /// The actions that its policy allows; none: all.
    pub(crate) allows: Option<Vec<String>>,
}

/// What a caller is to RAM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CallerKind {
    Account,
    User,
    Role,
}

impl Caller {
    /// Somebody without a key.
    pub(crate) fn anonymous() -> Self {
        Self {
            access_key_id: String::new(),
            account_id: String::new(),
            arn: String::new(),
            kind: CallerKind::Account,
            allows: None,
        }
    }
}

/// What a request says of its sender, and the way to prove it.
struct ClaimedIdentity {
    access_key_id: String,
    security_token: Option<String>,
    time: String,
    nonce: String,
    signature: Signature,
}

enum Signature {
    HmacSha1(hmac_sha1::SignedRequest),
    Acs3(acs3::SignedRequest),
}

/// The access key that a request names, true or not.
pub(crate) fn claimed_access_key(request: &Request) -> Option<String> {
    acs3::claimed_access_key(request)
        .or_else(|| request.params().optional("AccessKeyId").map(str::to_owned))
}

/// Whether a request carries any signature.
pub(crate) fn is_signed(request: &Request) -> bool {
    acs3::is_signed(request) || request.params().optional("Signature").is_some()
}

/// Finds out who has called, in the order in which the cloud's gateway looks.
pub(crate) fn authenticate(
    request: &Request,
    state: &State,
    nonces: &Nonces,
    now: Timestamp,
) -> Result<Caller, ApiError> {
    let claim =
        if acs3::is_signed(request) { acs3::claim(request)? } else { hmac_sha1::claim(request)? };
    let (caller, secret) = find_caller(&claim, state, now)?;
    check_timestamp(&claim.time, now)?;
    let good = match &claim.signature {
        Signature::HmacSha1(signed) => signed.verify(secret),
        Signature::Acs3(signed) => signed.verify(secret),
    };
    if let Err(string_to_sign) = good {
        let message = format!(
            "Specified signature is not matched with our calculation. server string to sign \
             is:{string_to_sign}"
        );
        return Err(ApiError::new(400, "SignatureDoesNotMatch", message));
    }
    if !nonces.is_new(&claim.access_key_id, &claim.nonce, now, TOLERANCE) {
        let message = "Specified signature nonce was used already.";
        return Err(ApiError::new(400, "SignatureNonceUsed", message));
    }
    Ok(caller)
}

/// The owner of a key, with its secret.
fn find_caller<'a>(
    claim: &ClaimedIdentity,
    state: &'a State,
    now: Timestamp,
) -> Result<(Caller, &'a str), ApiError> {
    let id = &claim.access_key_id;
    if let Some(account) = state.accounts.iter().find(|account| account.access_key_id == *id) {
        if claim.security_token.is_some() {
            return Err(bad_token("MismatchWithAccessKey"));
        }
        let root = format!("acs:ram::{}:root", account.account_id);
        let caller = Caller {
            access_key_id: id.clone(),
            account_id: account.account_id.clone(),
            kind: account.arn.as_ref().map_or(CallerKind::Account, |_| CallerKind::User),
            arn: account.arn.clone().unwrap_or(root),
            allows: account.allows.clone(),
        };
        return Ok((caller, &account.access_key_secret));
    }
    let token = state.sts_tokens.iter().find(|token| token.access_key_id == *id);
    let token = token.ok_or_else(|| {
        let message = "Specified access key is not found.";
        ApiError::new(404, "InvalidAccessKeyId.NotFound", message)
    })?;
    match &claim.security_token {
        None => Err(bad_token("MissingParameter")),
        Some(claimed) if *claimed != token.security_token || token.expiration <= now => {
            Err(bad_token("Expired"))
        }
        Some(_) => {
            let caller = Caller {
                access_key_id: id.clone(),
                account_id: token.account_id.clone(),
                arn: token.arn.clone(),
                kind: CallerKind::Role,
                allows: token.allows.clone(),
            };
            Ok((caller, &token.access_key_secret))
        }
    }
}

fn bad_token(what: &str) -> ApiError {
    let message = match what {
        "MissingParameter" => "The SecurityToken of this access key is missing.",
        "MismatchWithAccessKey" => "Specified SecurityToken mismatch with the AccessKey.",
        _ => "Specified SecurityToken is expired.",
    };
    ApiError::new(400, format!("InvalidSecurityToken.{what}"), message)
}

fn check_timestamp(time: &str, now: Timestamp) -> Result<(), ApiError> {
    let time = Timestamp::from_str(time).map_err(|_| {
        let message =
            format!("Specified time stamp {time:?} is not of the form 2026-11-21T20:00:00Z.");
        ApiError::new(400, "InvalidTimeStamp.Format", message)
    })?;
    if now.duration_since(time).abs() > TOLERANCE {
        let message = "Specified time stamp or date value is expired.";
        return Err(ApiError::new(400, "InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

fn incomplete(what: impl Into<String>) -> ApiError {
    ApiError::new(400, "IncompleteSignature", what)
}
