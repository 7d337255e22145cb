//! A role's keys from STS (API of 2015-04-01).

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Keys, Role};
use crate::{
    Error, ErrorKind,
    endpoint::Endpoint,
    rpc::{Api, Call, Caller, Signer, parse},
    surroundings::Surroundings,
};

const ASSUME: Api = Api::sts("AssumeRole");
const ASSUME_WITH_OIDC: Api = Api::sts("AssumeRoleWithOIDC");

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Given,
}

/// Keys as STS, the instance's metadata and credentials URIs give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Given {
    access_key_id: String,
    access_key_secret: String,
    #[serde(default)]
    security_token: Option<String>,
    #[serde(default)]
    expiration: Option<Timestamp>,
}

impl From<Given> for Keys {
    fn from(given: Given) -> Self {
        let mut keys = Self::new(given.access_key_id, given.access_key_secret);
        let token = given.security_token.filter(|token| !token.is_empty());
        keys.token = token.map(SecretString::from);
        keys.expires = given.expiration;
        keys
    }
}

/// A role's keys for whoever has `keys`.
pub(super) async fn assume(
    caller: &Caller,
    endpoint: &Endpoint,
    role: &Role,
    signer: Signer<'_>,
    deadline: Instant,
) -> Result<Keys, Error> {
    let mut parameters = parameters(role);
    if let Some(id) = &role.external_id {
        parameters.push(("ExternalId".to_owned(), id.clone()));
    }
    let call = Call { api: ASSUME, endpoint, parameters, signer };
    given(&caller.call(&call, deadline).await.map_err(|error| explained(error, role))?, ASSUME)
}

/// A role's keys for a token that another provider has signed.
pub(super) async fn assume_with_oidc(
    caller: &Caller,
    endpoint: &Endpoint,
    (provider, token_file): (&str, &str),
    role: &Role,
    deadline: Instant,
) -> Result<Keys, Error> {
    let mut parameters = parameters(role);
    let token = token(caller.surroundings.as_ref(), token_file)?;
    parameters.push(("OIDCProviderArn".to_owned(), provider.to_owned()));
    parameters.push(("OIDCToken".to_owned(), token.expose_secret().to_owned()));
    let signer = Signer::Nobody { hidden: &token };
    let call = Call { api: ASSUME_WITH_OIDC, endpoint, parameters, signer };
    let answer = caller.call(&call, deadline).await.map_err(|error| explained(error, role))?;
    given(&answer, ASSUME_WITH_OIDC)
}

fn parameters(role: &Role) -> Vec<(String, String)> {
    vec![
        ("RoleArn".to_owned(), role.arn.clone()),
        ("RoleSessionName".to_owned(), role.session.clone()),
        ("DurationSeconds".to_owned(), role.seconds.to_string()),
    ]
}

fn token(surroundings: &dyn Surroundings, file: &str) -> Result<SecretString, Error> {
    let wrong = |why: String| {
        Error::new(ErrorKind::Credentials, format!("the OIDC token {file} cannot be used: {why}"))
            .hint("in a pod of ACK, see whether its service account has RRSA")
    };
    let content = surroundings.read(file.as_ref()).map_err(|error| wrong(error.to_string()))?;
    let text = String::from_utf8(content).map_err(|_| wrong("it is not text".to_owned()))?;
    match text.trim() {
        "" => Err(wrong("it is empty".to_owned())),
        token => Ok(token.into()),
    }
}

fn given(answer: &[u8], api: Api) -> Result<Keys, Error> {
    parse::<Assumed>(answer)
        .map(|assumed| assumed.credentials.into())
        .map_err(|error| error.of(api.name))
}

fn explained(error: Error, role: &Role) -> Error {
    match error.kind {
        ErrorKind::Forbidden => error.hint(format!(
            "see whether the trust policy of {} names who asks, and whether that one may sts:AssumeRole",
            role.arn
        )),
        ErrorKind::NotFound => error.hint(format!("see whether {} exists", role.arn)),
        _ => error,
    }
}
