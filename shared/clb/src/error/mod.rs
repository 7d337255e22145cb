//! What can go wrong between here and the CLB, told so that somebody can act on it.

mod response;
mod transport;

use thiserror::Error as ThisError;

pub(crate) use response::{FailedCall, from_response, shortened};
pub(crate) use transport::{from_transport, late};

/// A call, or the search for credentials, that failed. Nothing secret is ever in it.
#[derive(Debug, Clone, ThisError)]
#[error("{}{message}{}", self.prefix(), self.suffix())]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The API that was called, such as `DescribeVServerGroups`.
    pub api: Option<&'static str>,
    /// What the server said, where it answered.
    pub response: Option<Box<ErrorResponse>>,
    /// What happened, in words.
    pub message: String,
    /// What to do about it, one line each.
    pub hints: Vec<String>,
}

/// The parts of a refusal that a ticket to the cloud's support needs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: u16,
    /// The API's error code, such as `Throttling.User`; empty where the answer had none.
    pub code: String,
    /// The API's id of the request; empty where the answer had none.
    pub request_id: String,
}

/// What kind of failure it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// An option or parameter cannot be used; nothing was sent.
    Usage,
    /// A file of credentials is malformed, or does not have what was named.
    Config,
    /// Nobody has given any credentials.
    NoCredentials,
    /// What should give credentials did not.
    Credentials,
    /// The deadline had passed before the call; nothing was sent.
    Deadline,
    /// Too many calls; not carried out.
    Throttled,
    /// Another change of the same CLB is under way; not carried out.
    Busy,
    /// The secret does not fit the access key.
    Signature,
    /// The access key or token is unknown, disabled or malformed.
    Unauthorized,
    /// The STS token has expired.
    Expired,
    /// This machine's clock is too far from the cloud's.
    ClockSkew,
    /// RAM does not allow it.
    Forbidden,
    /// What was named does not exist there.
    NotFound,
    /// A quota is used up.
    Quota,
    /// Any other refusal; not carried out.
    Refused,
    /// The server has trouble of its own; perhaps carried out.
    ServerError,
    /// No connection came about; nothing was sent.
    Unreachable,
    /// The server's certificate is not accepted; nothing was sent.
    Certificate,
    /// The connection broke before the answer; perhaps carried out.
    ConnectionLost,
    /// No answer came in time; perhaps carried out.
    Timeout,
    /// The answer is not what the API promises; perhaps carried out.
    Malformed,
}

impl Error {
    /// An error without API and hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, api: None, response: None, message: message.into(), hints: Vec::new() }
    }

    /// This error with a hint more.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// This error as one of an API.
    #[must_use]
    pub(crate) fn of(mut self, api: &'static str) -> Self {
        self.api = Some(api);
        self
    }

    /// This error with the place that led to it before its message.
    #[must_use]
    pub(crate) fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// The API's error code, where it gave one.
    pub fn code(&self) -> Option<&str> {
        self.response
            .as_ref()
            .map(|response| response.code.as_str())
            .filter(|code| !code.is_empty())
    }

    /// The API's id of the request, where it gave one.
    pub fn request_id(&self) -> Option<&str> {
        self.response
            .as_ref()
            .map(|response| response.request_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Whether nobody can say if the call was carried out: read before you write again.
    pub fn is_lost_answer(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ServerError
                | ErrorKind::ConnectionLost
                | ErrorKind::Timeout
                | ErrorKind::Malformed
        )
    }

    /// Whether the server has refused the call for now, without carrying it out.
    pub fn is_throttled(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Busy)
    }

    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        self.is_throttled() || matches!(self.kind, ErrorKind::Unreachable) || self.is_lost_answer()
    }

    /// Whether fresh credentials may help.
    pub(crate) fn is_about_credentials(&self) -> bool {
        matches!(self.kind, ErrorKind::Expired | ErrorKind::Unauthorized)
    }

    fn prefix(&self) -> String {
        self.api.map(|api| format!("{api}: ")).unwrap_or_default()
    }

    fn suffix(&self) -> String {
        match (self.code(), self.request_id()) {
            (Some(code), Some(id)) => format!(" ({code}, request {id})"),
            (Some(code), None) => format!(" ({code})"),
            (None, Some(id)) => format!(" (request {id})"),
            (None, None) => String::new(),
        }
    }
}
