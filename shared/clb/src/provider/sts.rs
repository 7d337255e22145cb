//! Credentials of roles from STS (API of 2015-04-01).

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Credentials, Role};
use crate::{
    Error, ErrorKind,
    endpoint::Endpoint,
    environment::Environment,
    rpc::{Action, Authentication, Call, RpcClient, parse},
};

const ASSUME: Action = Action::sts("AssumeRole");
const ASSUME_WITH_OIDC: Action = Action::sts("AssumeRoleWithOIDC");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AssumeRoleResponse {
    credentials: TemporaryCredentials,
}

/// Credentials as STS, the instance metadata and credentials URIs write them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TemporaryCredentials {
    access_key_id: String,
    access_key_secret: String,
    #[serde(default)]
    security_token: Option<String>,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

impl From<TemporaryCredentials> for Credentials {
    fn from(given: TemporaryCredentials) -> Self {
        let mut credentials = Self::new(given.access_key_id, given.access_key_secret);
        let token = given.security_token.filter(|token| !token.is_empty());
        credentials.token = token.map(SecretString::from);
        credentials.expires = given.expiration;
        credentials
    }
}

/// Assumes a role, with the call signed as `authentication` says.
pub(super) async fn assume(
    rpc: &RpcClient,
    endpoint: &Endpoint,
    role: &Role,
    authentication: Authentication<'_>,
    deadline: Instant,
) -> Result<Credentials, Error> {
    let mut parameters = parameters(role);
    if let Some(id) = &role.external_id {
        parameters.push(("ExternalId".to_owned(), id.clone()));
    }
    let call = Call { action: ASSUME, endpoint, parameters, authentication };
    parse_credentials(
        &rpc.call(&call, deadline).await.map_err(|error| with_role_hints(error, role))?,
        ASSUME,
    )
}

/// Assumes a role with the token of an identity provider, which stands in `token_file`.
pub(super) async fn assume_with_oidc(
    rpc: &RpcClient,
    endpoint: &Endpoint,
    (provider, token_file): (&str, &str),
    role: &Role,
    deadline: Instant,
) -> Result<Credentials, Error> {
    let mut parameters = parameters(role);
    let token = token(rpc.environment.as_ref(), token_file)?;
    parameters.push(("OIDCProviderArn".to_owned(), provider.to_owned()));
    parameters.push(("OIDCToken".to_owned(), token.expose_secret().to_owned()));
    let authentication = Authentication::Anonymous { hidden: &token };
    let call = Call { action: ASSUME_WITH_OIDC, endpoint, parameters, authentication };
    let answer = rpc.call(&call, deadline).await.map_err(|error| with_role_hints(error, role))?;
    parse_credentials(&answer, ASSUME_WITH_OIDC)
}

fn parameters(role: &Role) -> Vec<(String, String)> {
    vec![
        ("RoleArn".to_owned(), role.arn.clone()),
        ("RoleSessionName".to_owned(), role.session.clone()),
        ("DurationSeconds".to_owned(), role.seconds.to_string()),
    ]
}

fn token(environment: &dyn Environment, file: &str) -> Result<SecretString, Error> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Credentials, format!("the OIDC token {file} cannot be used: {why}"))
            .hint("in a pod of ACK, see whether its service account has RRSA")
    };
    let content = environment.read(file.as_ref()).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(content).map_err(|_| wrong("it is not text".to_owned()))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        token => Ok(token.into()),
    }
}

fn parse_credentials(answer: &[u8], action: Action) -> Result<Credentials, Error> {
    parse::<AssumeRoleResponse>(answer)
        .map(|assumed| assumed.credentials.into())
        .map_err(|error| error.with_action(action.name))
}

fn with_role_hints(error: Error, role: &Role) -> Error {
    match error.kind {
        ErrorKind::Forbidden => error.hint(format!(
            "see whether the trust policy of {} names who asks, and whether that one may sts:AssumeRole",
            role.arn
        )),
        ErrorKind::NotFound => error.hint(format!("see whether {} exists", role.arn)),
        _ => error,
    }
}
