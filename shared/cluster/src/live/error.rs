//! Errors of API servers, with hints on what to do.

use std::{error::Error as StdError, io, time::Duration};

use clbmigrate_errors::{TlsFailure, describe_connection_error, find_source};
use thiserror::Error as ThisError;

/// A failed request or connection.
#[derive(Debug, Clone, ThisError)]
#[error("{}{message}", self.prefix())]
pub struct Error {
    /// The context's name; `None` where it is unknown.
    pub context: Option<String>,
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// What happened, in one sentence without the context.
    pub message: String,
    /// What to do about it, one line each.
    pub hints: Vec<String>,
    /// How long the server wants to be left alone (`Retry-After`); `None` where it does not say.
    pub retry_after: Option<Duration>,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The kubeconfig is missing, broken, or does not have what was named.
    Kubeconfig,
    /// The credentials cannot be got or used, for example from an exec plugin.
    Credentials,
    /// The API server cannot be reached, or went away.
    Unreachable,
    /// The API server did not answer in time.
    Timeout,
    /// A certificate is not accepted, the server's or the user's.
    Certificate,
    /// 401.
    Unauthorized,
    /// 403 by RBAC or another authorizer.
    Forbidden,
    /// 404.
    NotFound,
    /// 410: a listing or a watch is too old to be continued.
    Expired,
    /// 409, or a JSON Patch whose `test` failed (422).
    Precondition,
    /// The object would be larger than the API server takes: its annotations (422), or the request
    /// (413).
    TooLarge,
    /// An admission webhook, policy or quota denied the request.
    Denied,
    /// An admission webhook could not be called.
    Webhook,
    /// 429: the server is overloaded, and has not carried the request out.
    Throttled,
    /// 5xx: the server failed.
    ServerError,
    /// Any other answer.
    Other,
    /// The answer is not what the API promises.
    Malformed,
}

impl Error {
    /// An error without context and hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { context: None, kind, message: message.into(), hints: Vec::new(), retry_after: None }
    }

    /// This error with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// This error with its context.
    #[must_use]
    pub fn with_context(mut self, context: Option<&str>) -> Self {
        self.context = context.map(str::to_owned);
        self
    }

    /// Whether the request may or may not have been carried out.
    pub fn is_lost_answer(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::ServerError)
    }

    /// Whether the answer is that the user may not read something, or that it is not there.
    pub fn is_refusal(&self) -> bool {
        matches!(self.kind, ErrorKind::Forbidden | ErrorKind::NotFound)
    }

    /// Whether the same request may succeed a little later.
    pub fn is_transient(&self) -> bool {
        self.is_lost_answer() || self.kind == ErrorKind::Throttled
    }

    fn prefix(&self) -> String {
        self.context.as_ref().map(|context| format!("{context}: ")).unwrap_or_default()
    }

    /// The error for an error of `kube`. `server` is the API server's URL, `user` the name of the
    /// kubeconfig's user.
    pub(super) fn from_kube(error: &kube::Error, server: &str, user: Option<&str>) -> Self {
        // What this program itself says of certificates and credentials, on the way to a request.
        if let Some(own) = find_source::<Self>(error) {
            return own.clone();
        }
        match error {
            kube::Error::Api(status) => Self::from_status(status, user),
            kube::Error::SerdeError(error) => Self::new(
                ErrorKind::Malformed,
                format!("{server} does not answer as an API server does: {error}"),
            ),
            other => from_transport(other, server),
        }
    }
}

fn from_transport(error: &kube::Error, server: &str) -> Error {
    let source: &(dyn StdError + 'static) = error;
    if let Some(error) = find_source::<rustls::Error>(source) {
        return from_tls(error, server);
    }
    let io = find_source::<io::Error>(source).map(io::Error::kind);
    if io == Some(io::ErrorKind::TimedOut) {
        return timeout(server);
    }
    let why = describe_connection_error(source);
    Error::new(ErrorKind::Unreachable, format!("the API server {server} cannot be reached: {why}"))
        .hint("see whether VPN, proxy and the cluster itself are up: kubectl cluster-info")
}

/// The error for an answer that did not come in time.
pub(super) fn timeout(server: &str) -> Error {
    Error::new(ErrorKind::Timeout, format!("the API server {server} did not answer in time"))
        .hint("--request-timeout sets how long to wait, for example 60s")
}

fn from_tls(error: &rustls::Error, server: &str) -> Error {
    let failure = TlsFailure::from(error);
    let hint = match failure {
        TlsFailure::Expired => "have it renewed, or see whether this machine's clock is right",
        TlsFailure::NotYetValid => "see whether this machine's clock is right",
        TlsFailure::UnknownIssuer => "see certificate-authority of the cluster in the kubeconfig",
        TlsFailure::WrongName => "see server and tls-server-name of the cluster in the kubeconfig",
        TlsFailure::Other(_) => "see server and certificates in the kubeconfig",
    };
    let message = failure.describe(server, "that the kubeconfig does not name");
    Error::new(ErrorKind::Certificate, message).hint(hint)
}
