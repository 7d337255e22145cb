//! The interface between the server and whoever answers reviews.

use bytes::Bytes;
use hyper::StatusCode;

use crate::Webhook;

/// Answers the reviews that API servers post.
pub trait ReviewHandler: Send + Sync + 'static {
    /// Answers one review, whose whole body this is. The future is dropped once the API server no
    /// longer waits for the answer.
    fn handle(&self, webhook: Webhook, body: Bytes) -> impl Future<Output = Reply> + Send;
}

/// The HTTP answer to a review. With status 200 the body is JSON, else it is text for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// 200 for a review that was understood, allowed or denied.
    pub status: StatusCode,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// A reply of status 200 with a review's JSON.
    pub fn review(body: impl Into<Bytes>) -> Self {
        Self { status: StatusCode::OK, body: body.into() }
    }

    /// A reply that says why the request was not answered by a review.
    pub fn error(status: StatusCode, why: impl Into<Bytes>) -> Self {
        Self { status, body: why.into() }
    }
}
