//! What the server asks of whoever judges.

use bytes::Bytes;
use hyper::StatusCode;

use crate::Hook;

/// Answers the reviews that API servers post.
pub trait Answer: Send + Sync + 'static {
    /// Answers one review, whose whole body this is. Dropped when the API server waits no longer.
    fn answer(&self, hook: Hook, body: Bytes) -> impl Future<Output = Reply> + Send;
}

/// An answer. With status 200 the body is JSON, else it is text for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 for a review that was understood, whatever the verdict.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// A review's answer.
    pub fn review(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into() }
    }

    /// A refusal to look at the request at all, with the reason for it.
    pub fn error(status: StatusCode, why: impl Into<Bytes>) -> Self {
        Self { status, body: why.into() }
    }
}
