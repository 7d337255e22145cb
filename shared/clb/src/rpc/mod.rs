//! Calls of RPC-style APIs: parameters in the query, a signature in the headers, JSON in the
//! answer.

mod parse;
mod retry;

use std::{collections::BTreeMap, fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Request, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Error, ErrorKind,
    credentials::Credentials,
    deadline::time_left,
    encode::{hex, query},
    endpoint::Endpoint,
    environment::Environment,
    error::{ErrorResponse, FailedCall, from_response},
    net::{HttpClient, HttpResponse, sensitive},
    sign::{Signable, sha256},
};

pub(crate) use parse::{explain_json, parse, read};

/// The header with the STS token of temporary credentials.
const SECURITY_TOKEN: &str = "x-acs-security-token";
const USER_AGENT_VALUE: &str = concat!("clbmigrate/", env!("CARGO_PKG_VERSION"));

/// An action of an API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Action {
    pub(crate) name: &'static str,
    /// `slb` or `sts`, as in RAM policies.
    product: &'static str,
    version: &'static str,
    /// Whether it changes the CLB: then it is not repeated after a lost answer.
    writes: bool,
}

impl Action {
    /// An action that reads from the CLB API.
    pub(crate) const fn read(name: &'static str) -> Self {
        Self { name, product: "slb", version: "2014-05-15", writes: false }
    }

    /// An action that changes a CLB.
    pub(crate) const fn write(name: &'static str) -> Self {
        Self { writes: true, ..Self::read(name) }
    }

    /// An action of STS. It may be repeated.
    pub(crate) const fn sts(name: &'static str) -> Self {
        Self { name, product: "sts", version: "2015-04-01", writes: false }
    }
}

/// How a call proves who makes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Authentication<'a> {
    /// By a signature with these credentials; `source` says in errors where they are from.
    Signature { credentials: &'a Credentials, source: &'a str },
    /// By a secret among the parameters, which are sent as a form. `hidden` is masked in errors.
    Anonymous { hidden: &'a SecretString },
}

/// A call of an action.
pub(crate) struct Call<'a> {
    pub(crate) action: Action,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) authentication: Authentication<'a>,
}

/// Shows the parameters' names only, for an OIDC token may be among them.
impl fmt::Debug for Call<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.parameters.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Call")
            .field("action", &self.action)
            .field("endpoint", &self.endpoint)
            .field("parameters", &names)
            .field("authentication", &self.authentication)
            .finish()
    }
}

/// Signs calls, sends them and repeats them where that is safe.
pub(crate) struct RpcClient {
    pub(crate) http: Arc<dyn HttpClient>,
    pub(crate) environment: Arc<dyn Environment>,
    /// The time limit of one attempt.
    pub(crate) timeout: Duration,
}

/// The body of an error answer. Its message may repeat what was sent.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ErrorBody {
    code: String,
    message: String,
    request_id: String,
}

impl RpcClient {
    /// Makes a call and returns the body of the answer. Until `deadline` it is repeated while the
    /// server throttles it, and a read also after a lost answer.
    ///
    /// # Errors
    /// The error of the last attempt.
    pub(crate) async fn call(&self, call: &Call<'_>, deadline: Instant) -> Result<Bytes, Error> {
        retry::with_retries(call.action.writes, deadline, || self.attempt(call, deadline)).await
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Bytes, Error> {
        let within = time_left(deadline, self.timeout)
            .map_err(|error| error.with_action(call.action.name))?;
        let now = self.environment.now();
        let request = request(call, now)?;
        let answer = self.http.send(request, within).await;
        let answer = answer.map_err(|error| error.with_action(call.action.name))?;
        if answer.is_success() { Ok(answer.body) } else { Err(refused(call, &answer, now)) }
    }
}

fn refused(call: &Call<'_>, answer: &HttpResponse, now: Timestamp) -> Error {
    // What is no JSON comes from a gateway or proxy on the way; its status says enough.
    let body: ErrorBody = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (source, secrets) = match call.authentication {
        Authentication::Signature { credentials, source } => {
            (source, vec![Some(&credentials.secret), credentials.token.as_ref()])
        }
        Authentication::Anonymous { hidden } => ("OIDC token", vec![Some(hidden)]),
    };
    let response =
        ErrorResponse { status: answer.status, code: body.code, request_id: body.request_id };
    from_response(&FailedCall {
        action: call.action.name,
        response,
        message: &masked(&body.message, secrets.into_iter().flatten()),
        clocks: answer.date.map(|date| (date, now)),
        source,
        ram_action: &format!("{}:{}", call.action.product, call.action.name),
        host: call.endpoint.host(),
    })
}

/// The text with every secret in it replaced by `***`.
fn masked<'s>(text: &str, secrets: impl Iterator<Item = &'s SecretString>) -> String {
    secrets.fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        secret => text.replace(secret, "***"),
    })
}

fn request(call: &Call<'_>, now: Timestamp) -> Result<Request<Bytes>, Error> {
    let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nonce = nonce()?;
    let built = match call.authentication {
        Authentication::Signature { credentials, .. } => signed(call, credentials, date, nonce),
        Authentication::Anonymous { .. } => unsigned(call, date, nonce),
    };
    built.map_err(|_| {
        let message = "the access key or a parameter has characters that no request can carry";
        Error::new(ErrorKind::Usage, message).with_action(call.action.name)
    })
}

fn signed(
    call: &Call<'_>,
    credentials: &Credentials,
    date: String,
    nonce: String,
) -> Result<Request<Bytes>, http::Error> {
    let query = query(&call.parameters);
    let mut headers = BTreeMap::from([
        ("host", call.endpoint.host().to_owned()),
        ("x-acs-action", call.action.name.to_owned()),
        ("x-acs-content-sha256", sha256(b"")),
        ("x-acs-date", date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", call.action.version.to_owned()),
    ]);
    if let Some(token) = &credentials.token {
        headers.insert(SECURITY_TOKEN, token.expose_secret().to_owned());
    }
    let signable = Signable { method: "POST", query: &query, headers: &headers, body: b"" };
    let mut request = Request::post(call.endpoint.at(&format!("/?{query}")))
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, USER_AGENT_VALUE)
        .header(header::AUTHORIZATION, sensitive(&signable.authorization(credentials))?);
    for (name, value) in headers {
        let value = match name {
            SECURITY_TOKEN => sensitive(&value)?,
            _ => HeaderValue::from_str(&value)?,
        };
        request = request.header(name, value);
    }
    request.body(Bytes::new())
}

fn unsigned(call: &Call<'_>, date: String, nonce: String) -> Result<Request<Bytes>, http::Error> {
    let common = [
        ("Action", call.action.name.to_owned()),
        ("Format", "JSON".to_owned()),
        ("SignatureNonce", nonce),
        ("Timestamp", date),
        ("Version", call.action.version.to_owned()),
    ];
    let common: Vec<_> = common.map(|(name, value)| (name.to_owned(), value)).into();
    Request::post(call.endpoint.at(&format!("/?{}", query(&common))))
        .header(header::HOST, call.endpoint.host())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, USER_AGENT_VALUE)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(query(&call.parameters).into())
}

/// A random number of 128 bits, in hexadecimal.
fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("this machine gives no random numbers: {error}"))
    })?;
    Ok(hex(&bytes))
}
