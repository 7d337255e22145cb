//! Errors of the client, with hints on what to do.

mod response;
mod transport;

use thiserror::Error as ThisError;

pub(crate) use response::{FailedCall, from_response};
pub(crate) use transport::{from_transport, timed_out};

/// A failed call, or a failed search for credentials. Message and hints hold no secrets.
#[derive(Debug, Clone, ThisError)]
#[error("{}{message}{}", self.prefix(), self.suffix())]
pub struct Error {
    /// What kind of failure it is.
    pub kind: ErrorKind,
    /// The action that was called, such as `DescribeVServerGroups`; `None` before the first call.
    pub action: Option<&'static str>,
    /// Status, code and request id of the answer; `None` where none came.
    pub response: Option<Box<ErrorResponse>>,
    /// What happened, in one sentence without action, code and request id.
    pub message: String,
    /// What to do about it, one line each.
    pub hints: Vec<String>,
}

/// Status, code and request id of an answer that is an error. Alibaba Cloud's support asks for
/// them.
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
    /// A configuration file is malformed, or lacks what was named; nothing was sent.
    Config,
    /// No place has any credentials; nothing was sent to the CLB API.
    NoCredentials,
    /// The place that was to give credentials failed; nothing was sent to the CLB API.
    Credentials,
    /// The deadline had passed before the call; nothing was sent.
    Deadline,
    /// Too many calls; not carried out.
    Throttled,
    /// Another change of the same CLB is under way; not carried out.
    Busy,
    /// The signature does not match: the secret is wrong.
    Signature,
    /// The access key or token is unknown, disabled or malformed.
    Unauthorized,
    /// The STS token has expired.
    Expired,
    /// This machine's clock is too far from the cloud's.
    ClockSkew,
    /// RAM does not allow the call.
    Forbidden,
    /// What was named does not exist in this region and account.
    NotFound,
    /// A quota is used up.
    Quota,
    /// Any other refusal; not carried out.
    Refused,
    /// The server failed, or a gateway on the way (5xx, `InternalError`, …); perhaps carried out.
    ServerError,
    /// No connection could be made, or nobody gave the credentials in time; nothing was sent to the
    /// CLB API.
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
    /// An error without action, response and hints.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, action: None, response: None, message: message.into(), hints: Vec::new() }
    }

    /// This error with one more hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// This error as one of the action.
    #[must_use]
    pub(crate) fn with_action(mut self, action: &'static str) -> Self {
        self.action = Some(action);
        self
    }

    /// This error with a place before its message: where the credentials are from.
    #[must_use]
    pub(crate) fn with_place(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// This error as one of the search for credentials, which came before the call: nothing is lost
    /// with its answer.
    #[must_use]
    pub(crate) fn before_call(mut self) -> Self {
        if self.is_lost_answer() {
            self.kind = ErrorKind::Unreachable;
        }
        self
    }

    /// The API's error code; `None` without an answer or where the answer had none.
    pub fn code(&self) -> Option<&str> {
        self.response
            .as_ref()
            .map(|response| response.code.as_str())
            .filter(|code| !code.is_empty())
    }

    /// The API's id of the request; `None` without an answer or where the answer had none.
    pub fn request_id(&self) -> Option<&str> {
        self.response
            .as_ref()
            .map(|response| response.request_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// Whether the call may or may not have been carried out. Read before you write again.
    pub fn is_lost_answer(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::ServerError
                | ErrorKind::ConnectionLost
                | ErrorKind::Timeout
                | ErrorKind::Malformed
        )
    }

    /// Whether the server refused the call for the moment and did not carry it out: it throttles,
    /// or the CLB is busy.
    pub fn is_throttled(&self) -> bool {
        matches!(self.kind, ErrorKind::Throttled | ErrorKind::Busy)
    }

    /// Whether the same call may succeed a little later.
    pub fn is_transient(&self) -> bool {
        self.is_throttled() || matches!(self.kind, ErrorKind::Unreachable) || self.is_lost_answer()
    }

    /// Whether the call may succeed with fresh credentials.
    pub(crate) fn is_about_credentials(&self) -> bool {
        matches!(self.kind, ErrorKind::Expired | ErrorKind::Unauthorized)
    }

    fn prefix(&self) -> String {
        self.action.map(|action| format!("{action}: ")).unwrap_or_default()
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
