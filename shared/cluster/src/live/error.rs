//! Errors of API servers, with hints on what to do.

use std::{error::Error as StdError, io, time::Duration};

use clbmigrate_errors::{TlsFailure, describe_connection_error, find_source, message_with_sources};
use kube::{client::AuthError, config::KubeconfigError};
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
        match error {
            kube::Error::Api(status) => Self::from_status(status, user),
            kube::Error::Auth(error) => from_auth(error, user),
            kube::Error::InferKubeconfig(error) => from_kubeconfig(error),
            kube::Error::InferConfig(error) => {
                Self::new(ErrorKind::Kubeconfig, format!("no usable kubeconfig: {error}"))
            }
            kube::Error::SerdeError(error) => Self::new(
                ErrorKind::Malformed,
                format!("{server} does not answer as an API server does: {error}"),
            ),
            kube::Error::ProxyProtocolUnsupported { proxy_url } => Self::new(
                ErrorKind::Kubeconfig,
                format!(
                    "proxy {} of the kubeconfig is neither http, https nor socks5",
                    without_password(proxy_url)
                ),
            ),
            other => from_transport(other, server),
        }
    }
}

/// A URL without user and password.
pub(super) fn without_password(address: &http::Uri) -> String {
    let text = address.to_string();
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

/// The error for a kubeconfig that cannot be used.
pub(super) fn from_kubeconfig(error: &KubeconfigError) -> Error {
    let message = match error {
        KubeconfigError::ReadConfig(error, path) => {
            format!("kubeconfig {} cannot be read: {error}", path.display())
        }
        KubeconfigError::CurrentContextNotSet => {
            return Error::new(ErrorKind::Kubeconfig, "the kubeconfig has no current context")
                .hint("name one with --context, or run kubectl config use-context NAME")
                .hint("or look at files: kubectl clbmigrate status -f FILE");
        }
        KubeconfigError::LoadClusterOfContext(name) => {
            format!("the kubeconfig has no cluster named {name:?}")
        }
        other => {
            // A parser quotes the lines around the mistake, and a token may stand there.
            let text = message_with_sources(other);
            let text = text.lines().next().unwrap_or_default().replace("error: ", "");
            format!("the kubeconfig cannot be used: {text}")
        }
    };
    Error::new(ErrorKind::Kubeconfig, message)
}

fn from_auth(error: &AuthError, user: Option<&str>) -> Error {
    let who = user.map(|user| format!(" of user {user}")).unwrap_or_default();
    let (message, hint) = match error {
        AuthError::AuthExecStart(error) => (
            format!(
                "the credential plugin{who} (exec in the kubeconfig) cannot be started: {error}"
            ),
            "install it, or see whether it is on PATH",
        ),
        AuthError::AuthExecRun { cmd, out } => {
            // Its standard output may hold a token; what it complains of is on the other.
            let text = String::from_utf8_lossy(&out.stderr);
            let text = text.trim().lines().last().unwrap_or_default();
            let text = if text.is_empty() { String::new() } else { format!(": {text}") };
            let program = cmd.split_whitespace().next().unwrap_or("exec").trim_matches('"');
            (
                format!("the credential plugin {program}{who} failed with {}{text}", out.status),
                "run it by hand; most ask for a new login",
            )
        }
        AuthError::AuthExecParse(_) | AuthError::ExecPluginFailed => (
            format!(
                "the credential plugin{who} did not print credentials (an ExecCredential with a status)"
            ),
            "run it by hand and look at what it prints",
        ),
        other => (
            format!("the credentials{who} cannot be used: {}", message_with_sources(other)),
            "see the user's entry in the kubeconfig",
        ),
    };
    Error::new(ErrorKind::Credentials, message).hint(hint)
}

fn from_transport(error: &kube::Error, server: &str) -> Error {
    let source: &(dyn StdError + 'static) = error;
    if let Some(error) = find_source::<rustls::Error>(source) {
        return from_tls(error, server);
    }
    if let Some(error) = find_source::<AuthError>(source) {
        return from_auth(error, None);
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

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://10.0.0.1:6443/", "https://10.0.0.1:6443/")]
    #[case("https://ann:secret@10.0.0.1:6443/path@x", "https://10.0.0.1:6443/path@x")]
    #[case("socks4://ann:s@cret@proxy", "socks4://proxy/")]
    fn no_password_of_an_address_is_shown(#[case] address: &str, #[case] shown: &str) {
        let address: http::Uri = address.parse().expect("an address");
        assert_eq!(without_password(&address), shown);
    }
}
