//! Reads a request's body, up to its limit.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

/// The largest body, in bytes, that is read without a permit. Reviews have a few thousand bytes.
pub(super) const SMALL: usize = 64 * 1024;

/// A whole body, and its permit to occupy memory if it is a large one.
pub(super) struct RequestBody<'s> {
    pub bytes: Bytes,
    _permit: Option<SemaphorePermit<'s>>,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is larger than allowed.
    TooLarge,
    /// The client has closed the connection, or sent an invalid body.
    Broken,
}

/// Reads a whole body. Bodies that are large, or might be, wait for a permit of `large_bodies`.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    large_bodies: &Semaphore,
) -> Result<RequestBody<'_>, BodyError> {
    let declared = match body.size_hint().exact() {
        Some(length) => Some(usize::try_from(length).map_err(|_| BodyError::TooLarge)?),
        None => None,
    };
    if declared.is_some_and(|length| length > limit) {
        drain(body, limit).await;
        return Err(BodyError::TooLarge);
    }
    let is_small = declared.is_some_and(|length| length <= SMALL);
    let permit = if is_small { None } else { large_bodies.acquire().await.ok() };

    let Some(first) = next_chunk(&mut body).await? else {
        return Ok(RequestBody { bytes: Bytes::new(), _permit: permit });
    };
    // The usual case: the whole body has come with the head, and nothing is copied.
    if declared == Some(first.len()) {
        return Ok(RequestBody { bytes: first, _permit: permit });
    }
    let expected = declared.unwrap_or(SMALL).max(first.len());
    let mut whole = BytesMut::with_capacity(expected.min(limit));
    whole.extend_from_slice(&first);
    while declared.is_none_or(|length| whole.len() < length) {
        let Some(more) = next_chunk(&mut body).await? else { break };
        if whole.len() + more.len() > limit {
            drain(body, limit).await;
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&more);
    }
    Ok(RequestBody { bytes: whole.freeze(), _permit: permit })
}

/// Reads a body and throws it away, up to `limit` bytes. A client that is still sending would else see
/// a broken connection in place of the answer.
pub(super) async fn drain(mut body: Incoming, limit: usize) {
    let mut left = limit;
    while let Ok(Some(data)) = next_chunk(&mut body).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

async fn next_chunk(body: &mut Incoming) -> Result<Option<Bytes>, BodyError> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
