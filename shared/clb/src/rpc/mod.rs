//! Calls of an RPC-style API: all parameters in the query, signed, answered in JSON.

mod parse;
mod retry;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Request, header};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    Error, ErrorKind,
    credentials::Keys,
    encode::{hex, query},
    endpoint::Endpoint,
    error::{Refusal, Reply, from_refusal},
    net::{Answer, Http},
    sign::{Signable, sha256},
    surroundings::Surroundings,
};

pub(crate) use parse::{explain_json, parse, read};

const AGENT: &str = concat!("clbmigrate/", env!("CARGO_PKG_VERSION"));

/// One action of an API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Api {
    pub(crate) name: &'static str,
    /// `slb` or `sts`, as RAM has it.
    product: &'static str,
    version: &'static str,
    /// Whether it changes the CLB, and so must not be repeated blindly.
    writes: bool,
}

impl Api {
    /// A read of the CLB API.
    pub(crate) const fn read(name: &'static str) -> Self {
        Self { name, product: "slb", version: "2014-05-15", writes: false }
    }

    /// A write of the CLB API.
    pub(crate) const fn write(name: &'static str) -> Self {
        Self { writes: true, ..Self::read(name) }
    }

    /// An action of STS; asked twice it does no harm.
    pub(crate) const fn sts(name: &'static str) -> Self {
        Self { name, product: "sts", version: "2015-04-01", writes: false }
    }
}

/// Who signs a call.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Signer<'a> {
    /// Whoever has these keys; `source` says where they are from.
    Keys { keys: &'a Keys, source: &'a str },
    /// Nobody: the parameters, sent as a form, have a proof in them that must stay hidden.
    Nobody { hidden: &'a SecretString },
}

/// A call to be made.
#[derive(Debug)]
pub(crate) struct Call<'a> {
    pub(crate) api: Api,
    pub(crate) endpoint: &'a Endpoint,
    pub(crate) parameters: Vec<(String, String)>,
    pub(crate) signer: Signer<'a>,
}

/// Makes calls.
pub(crate) struct Caller {
    pub(crate) http: Arc<dyn Http>,
    pub(crate) surroundings: Arc<dyn Surroundings>,
    /// How long one call may take.
    pub(crate) timeout: Duration,
}

/// What every refusal looks like.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refused {
    code: String,
    message: String,
    request_id: String,
}

impl Caller {
    /// Makes a call and gives the answer's JSON. It is repeated while the server puts it off, and
    /// unless it writes also when the answer is lost, until `deadline`.
    pub(crate) async fn call(&self, call: &Call<'_>, deadline: Instant) -> Result<Bytes, Error> {
        retry::patiently(call.api.writes, deadline, || self.attempt(call, deadline)).await
    }

    async fn attempt(&self, call: &Call<'_>, deadline: Instant) -> Result<Bytes, Error> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let message = "the time is over; the call was not made";
            return Err(Error::new(ErrorKind::Deadline, message).of(call.api.name));
        }
        let now = self.surroundings.now();
        let request = request(call, now)?;
        let answer = self.http.send(request, self.timeout.min(left)).await;
        let answer = answer.map_err(|error| error.of(call.api.name))?;
        if answer.is_success() { Ok(answer.body) } else { Err(refused(call, &answer, now)) }
    }
}

fn refused(call: &Call<'_>, answer: &Answer, now: Timestamp) -> Error {
    // What is no JSON comes from a gateway or proxy on the way; its status says enough.
    let said: Refused = serde_json::from_slice(&answer.body).unwrap_or_default();
    let (source, secrets) = match call.signer {
        Signer::Keys { keys, source } => (source, vec![Some(&keys.secret), keys.token.as_ref()]),
        Signer::Nobody { hidden } => ("OIDC token", vec![Some(hidden)]),
    };
    let reply = Reply { status: answer.status, code: said.code, request_id: said.request_id };
    from_refusal(&Refusal {
        api: call.api.name,
        reply,
        message: &masked(&said.message, secrets.into_iter().flatten()),
        clocks: answer.date.map(|date| (date, now)),
        source,
        action: &format!("{}:{}", call.api.product, call.api.name),
        host: call.endpoint.host(),
    })
}

/// A server's text without the secrets that it may repeat.
fn masked<'s>(text: &str, secrets: impl Iterator<Item = &'s SecretString>) -> String {
    secrets.fold(text.to_owned(), |text, secret| match secret.expose_secret() {
        "" => text,
        secret => text.replace(secret, "***"),
    })
}

fn request(call: &Call<'_>, now: Timestamp) -> Result<Request<Bytes>, Error> {
    let date = now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let nonce = nonce()?;
    let built = match call.signer {
        Signer::Keys { keys, .. } => signed(call, keys, date, nonce),
        Signer::Nobody { .. } => unsigned(call, date, nonce),
    };
    built.map_err(|_| {
        let message = "the access key or a parameter has characters that no request can carry";
        Error::new(ErrorKind::Usage, message).of(call.api.name)
    })
}

fn signed(
    call: &Call<'_>,
    keys: &Keys,
    date: String,
    nonce: String,
) -> Result<Request<Bytes>, http::Error> {
    let query = query(&call.parameters);
    let mut headers = BTreeMap::from([
        ("host", call.endpoint.host().to_owned()),
        ("x-acs-action", call.api.name.to_owned()),
        ("x-acs-content-sha256", sha256(b"")),
        ("x-acs-date", date),
        ("x-acs-signature-nonce", nonce),
        ("x-acs-version", call.api.version.to_owned()),
    ]);
    if let Some(token) = &keys.token {
        headers.insert("x-acs-security-token", token.expose_secret().to_owned());
    }
    let signable = Signable { method: "POST", query: &query, headers: &headers, body: b"" };
    let mut request = Request::post(call.endpoint.at(&format!("/?{query}")))
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, AGENT)
        .header(header::AUTHORIZATION, signable.authorization(keys));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Bytes::new())
}

fn unsigned(call: &Call<'_>, date: String, nonce: String) -> Result<Request<Bytes>, http::Error> {
    let common = [
        ("Action", call.api.name.to_owned()),
        ("Format", "JSON".to_owned()),
        ("SignatureNonce", nonce),
        ("Timestamp", date),
        ("Version", call.api.version.to_owned()),
    ];
    let common: Vec<_> = common.map(|(name, value)| (name.to_owned(), value)).into();
    Request::post(call.endpoint.at(&format!("/?{}", query(&common))))
        .header(header::HOST, call.endpoint.host())
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, AGENT)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(query(&call.parameters).into())
}

/// A number that was never used before.
fn nonce() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        Error::new(ErrorKind::Usage, format!("this machine gives no random numbers: {error}"))
    })?;
    Ok(hex(&bytes))
}
