//! Credentials from a web server: mode `CredentialsURI`, `ALIBABA_CLOUD_CREDENTIALS_URI`.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use super::{Credentials, sts::TemporaryCredentials};
use crate::{
    Error, ErrorKind, deadline::time_left, endpoint::check_plain_http, environment::Environment,
    net::HttpClient, rpc::parse,
};

/// How the server fared. The CLI wants `Success` (aliyun-cli: `config/profile.go`); a server that
/// gives no code at all is taken too.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Outcome {
    #[serde(default)]
    code: Option<String>,
}

/// The time limit of a request.
const WITHIN: Duration = Duration::from_secs(20);

/// Asks the server. The query of the address may be secret and is in no message.
pub(super) async fn credentials(
    http: &dyn HttpClient,
    environment: &dyn Environment,
    address: &SecretString,
    deadline: Instant,
) -> Result<Credentials, Error> {
    let wrong = |why: &str| {
        Error::new(ErrorKind::Config, format!("the credentials URI {why}"))
            .hint("give http://HOST:PORT/PATH or https://…, which answers with AccessKeyId, AccessKeySecret, SecurityToken and Expiration")
    };
    let uri: Uri = address.expose_secret().parse().map_err(|_| wrong("is no address"))?;
    let host = uri.host().ok_or_else(|| wrong("has no host"))?.to_owned();
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("is neither http nor https"));
    }
    check_plain_http(&uri, "the credentials URI", environment)?;
    let place = format!("credentials of {host}{}", uri.path());
    let request = Request::get(uri).body(Bytes::new()).map_err(|_| wrong("is no address"))?;
    let failed = |why: &str| {
        Error::new(ErrorKind::Credentials, format!("{place}: {why}"))
            .hint("see what that server says")
    };
    let within = time_left(deadline, WITHIN)?;
    let answer = http.send(request, within).await.map_err(|error| error.with_place(&place))?;
    if !answer.is_success() {
        return Err(failed(&format!("HTTP {}", answer.status)));
    }
    let malformed =
        |error: Error| Error { kind: ErrorKind::Credentials, ..error }.with_place(&place);
    let outcome = parse::<Outcome>(&answer.body).map_err(malformed)?;
    if outcome.code.is_some_and(|code| code != "Success") {
        return Err(failed("its code is not Success"));
    }
    Ok(parse::<TemporaryCredentials>(&answer.body).map_err(malformed)?.into())
}
