//! Faults: what can go wrong with a request.

use std::{fmt, time::Duration};

use http::StatusCode;
use serde_json::{Value, json};

/// What happens to a request that matches a rule.
pub enum Fault {
    /// The API server carries it out and answers in full; the client's connection is closed without
    /// a byte of that answer.
    CutAfterAnswer,
    /// The client's connection is closed without a byte; the request does not reach the API server.
    CutBefore,
    /// The proxy answers; the request does not reach the API server.
    Answer {
        /// The status, such as 403.
        status: StatusCode,
        /// The body, sent as JSON. Like an API server, the proxy also sends a number in
        /// `details.retryAfterSeconds` as the header `Retry-After`.
        body: Value,
    },
    /// The proxy forwards the request after this time.
    Delay(Duration),
    /// The request is neither forwarded nor answered.
    Hang,
    /// The proxy reads the API server's whole answer and changes it. An answer that is not JSON becomes
    /// a 502. Not for watches, whose answers do not end.
    Rewrite(Box<dyn Fn(Value) -> Value + Send + Sync>),
    /// The proxy forwards the request when the test calls [`Rule::release`](crate::Rule::release).
    Hold,
}

impl Fault {
    /// [`Fault::Answer`] with a `Status` object of Kubernetes, such as 403, `Forbidden`.
    pub fn status(status: StatusCode, reason: &str, message: &str) -> Self {
        Self::Answer { status, body: failure(status, reason, message) }
    }

    /// [`Fault::Answer`] with 429 and the seconds after which the client may try again.
    pub fn too_many_requests(retry_after: u64) -> Self {
        let status = StatusCode::TOO_MANY_REQUESTS;
        let mut body = failure(status, "TooManyRequests", "too many requests, by the proxy");
        if let Some(body) = body.as_object_mut() {
            body.insert("details".to_owned(), json!({"retryAfterSeconds": retry_after}));
        }
        Self::Answer { status, body }
    }

    /// [`Fault::Rewrite`] with this change.
    pub fn rewrite(change: impl Fn(Value) -> Value + Send + Sync + 'static) -> Self {
        Self::Rewrite(Box::new(change))
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CutAfterAnswer => f.write_str("CutAfterAnswer"),
            Self::CutBefore => f.write_str("CutBefore"),
            Self::Answer { status, .. } => write!(f, "Answer({})", status.as_u16()),
            Self::Delay(time) => write!(f, "Delay({time:?})"),
            Self::Hang => f.write_str("Hang"),
            Self::Rewrite(_) => f.write_str("Rewrite"),
            Self::Hold => f.write_str("Hold"),
        }
    }
}

/// Kubernetes' `Status` of a failure.
pub(crate) fn failure(status: StatusCode, reason: &str, message: &str) -> Value {
    json!({
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": status.as_u16(),
    })
}
