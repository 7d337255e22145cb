//! STS: who is calling, and credentials that expire.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::auth::CallerKind;
use crate::state::{Role, State, StsToken};

use super::{Answer, ApiError, CallContext, no_randomness};

#[expect(clippy::unnecessary_wraps, reason = "it is a handler like others")]
pub(super) fn identity(_: &State, context: &CallContext<'_>) -> Answer {
    let caller = context.caller;
    let kind = match caller.kind {
        CallerKind::Account => "Account",
        CallerKind::User => "RAMUser",
        CallerKind::Role => "AssumedRoleUser",
    };
    Ok(json!({
        "IdentityType": kind,
        "AccountId": caller.account_id,
        "UserId": caller.account_id,
        "PrincipalId": caller.access_key_id,
        "Arn": caller.arn,
    }))
}

pub(super) fn assume_role(state: &mut State, context: &CallContext<'_>) -> Answer {
    let role = role(state, context)?;
    let key = &context.caller.access_key_id;
    if role.trusts.as_ref().is_some_and(|trusted| !trusted.contains(key)) {
        let message = "You are not authorized to do this action. You should be authorized by RAM.";
        return Err(ApiError::new(403, "NoPermission", message));
    }
    let role = role.clone();
    issue_for_session(state, context, &role)
}

pub(super) fn assume_role_with_oidc(state: &mut State, context: &CallContext<'_>) -> Answer {
    let role = role(state, context)?;
    let provider = context.required("OIDCProviderArn")?;
    let token = context.required("OIDCToken")?;
    if role.oidc_provider_arn.as_deref() != Some(provider) {
        let message = "This OIDC provider may not assume the role.";
        return Err(ApiError::new(403, "AuthenticationFail.NoPermission", message));
    }
    if !role.oidc_tokens.iter().any(|known| known == token) {
        let message = "This OIDC token is invalid.";
        return Err(ApiError::new(400, "AuthenticationFail.OIDCToken.Invalid", message));
    }
    let role = role.clone();
    issue_for_session(state, context, &role)
}

/// Makes credentials of a role that last so many seconds, and remembers them.
pub(crate) fn issue_token(
    state: &mut State,
    now: Timestamp,
    role_arn: &str,
    session: &str,
    seconds: u32,
) -> Result<StsToken, ApiError> {
    let account_id = role_arn.split(':').nth(3).unwrap_or_default().to_owned();
    let name = role_arn.rsplit('/').next().unwrap_or_default();
    let expiration = now
        .checked_add(SignedDuration::from_secs(i64::from(seconds)))
        .map_err(|error| ApiError::invalid(format!("DurationSeconds: {error}")))?;
    let role = state.roles.iter().find(|role| role.arn == role_arn);
    let allows = role.and_then(|role| role.allows.clone());
    let token = StsToken {
        access_key_id: format!("STS.{}", crate::random::hex(12).map_err(no_randomness)?),
        access_key_secret: crate::random::hex(22).map_err(no_randomness)?,
        security_token: crate::random::hex(64).map_err(no_randomness)?,
        expiration,
        arn: format!("acs:ram::{account_id}:assumed-role/{name}/{session}"),
        account_id,
        allows,
    };
    state.sts_tokens.push(token.clone());
    Ok(token)
}

fn issue_for_session(state: &mut State, context: &CallContext<'_>, role: &Role) -> Answer {
    let session = context.required("RoleSessionName")?;
    let wanted = context.params.number("DurationSeconds", 900..=43200)?.unwrap_or(3600);
    let seconds = role.session_seconds.unwrap_or(wanted);
    let token = issue_token(state, context.now, &role.arn, session, seconds)?;
    Ok(json!({
        "AssumedRoleUser": {
            "Arn": token.arn,
            "AssumedRoleId": format!("{}:{session}", token.account_id),
        },
        "Credentials": {
            "AccessKeyId": token.access_key_id,
            "AccessKeySecret": token.access_key_secret,
            "SecurityToken": token.security_token,
            "Expiration": crate::time::seconds(token.expiration),
        },
    }))
}

fn role<'a>(state: &'a State, context: &CallContext<'_>) -> Result<&'a Role, ApiError> {
    let arn = context.required("RoleArn")?;
    state.roles.iter().find(|role| role.arn == arn).ok_or_else(|| {
        ApiError::new(404, "EntityNotExist.Role", "The specified Role does not exist.")
    })
}
