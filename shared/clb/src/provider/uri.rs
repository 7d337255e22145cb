//! Credentials from a web server: mode `CredentialsURI`, `ALIBABA_CLOUD_CREDENTIALS_URI`.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};

use super::{Credentials, sts::TemporaryCredentials};
use crate::{Error, ErrorKind, net::HttpClient, rpc::parse};

/// Asks the server. The query of the address may be secret and is in no message.
pub(super) async fn credentials(
    http: &dyn HttpClient,
    address: &str,
    within: Duration,
) -> Result<Credentials, Error> {
    let wrong = |why: &str| {
        Error::new(ErrorKind::Config, format!("the credentials URI {why}"))
            .hint("give http://HOST:PORT/PATH or https://…, which answers with AccessKeyId, AccessKeySecret, SecurityToken and Expiration")
    };
    let uri: Uri = address.parse().map_err(|_| wrong("is no address"))?;
    let host = uri.host().ok_or_else(|| wrong("has no host"))?.to_owned();
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err(wrong("is neither http nor https"));
    }
    let place = format!("credentials of {host}{}", uri.path());
    let request = Request::get(uri).body(Bytes::new()).map_err(|_| wrong("is no address"))?;
    let answer = http.send(request, within).await.map_err(|error| error.with_place(&place))?;
    if !answer.is_success() {
        let message = format!("{place}: HTTP {}", answer.status);
        return Err(Error::new(ErrorKind::Credentials, message).hint("see what that server says"));
    }
    let parsed = parse::<TemporaryCredentials>(&answer.body)
        .map_err(|error| Error { kind: ErrorKind::Credentials, ..error }.with_place(&place))?;
    Ok(parsed.into())
}
