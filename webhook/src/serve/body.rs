//! Reading a request's body, not more of it than anybody may send.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};
use tokio::sync::{Semaphore, SemaphorePermit};

/// What a body may have without asking. Reviews have a few thousand bytes.
pub(super) const SMALL: usize = 64 * 1024;

/// A whole body, and its share of the memory for large ones.
pub(super) struct Whole<'s> {
    pub bytes: Bytes,
    _room: Option<SemaphorePermit<'s>>,
}

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// It is larger than allowed.
    TooLarge,
    /// The client has gone, or sent nonsense.
    Broken,
}

/// Reads it all. Bodies that are large, or might be, wait for `room`.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    room: &Semaphore,
) -> Result<Whole<'_>, Unread> {
    let declared = match body.size_hint().exact() {
        Some(length) => Some(usize::try_from(length).map_err(|_| Unread::TooLarge)?),
        None => None,
    };
    if declared.is_some_and(|length| length > limit) {
        drain(body, limit).await;
        return Err(Unread::TooLarge);
    }
    let is_small = declared.is_some_and(|length| length <= SMALL);
    let room = if is_small { None } else { room.acquire().await.ok() };

    let Some(first) = next(&mut body).await? else {
        return Ok(Whole { bytes: Bytes::new(), _room: room });
    };
    // The usual case: all of it has come with the head, and nothing is copied.
    if declared == Some(first.len()) {
        return Ok(Whole { bytes: first, _room: room });
    }
    let expected = declared.unwrap_or(SMALL).max(first.len());
    let mut whole = BytesMut::with_capacity(expected.min(limit));
    whole.extend_from_slice(&first);
    while declared.is_none_or(|length| whole.len() < length) {
        let Some(more) = next(&mut body).await? else { break };
        if whole.len() + more.len() > limit {
            drain(body, limit).await;
            return Err(Unread::TooLarge);
        }
        whole.extend_from_slice(&more);
    }
    Ok(Whole { bytes: whole.freeze(), _room: room })
}

/// Throws a body away, if it has not more than so many bytes left. A client that is still sending
/// would else see a broken connection where the answer was.
pub(super) async fn drain(mut body: Incoming, limit: usize) {
    let mut left = limit;
    while let Ok(Some(data)) = next(&mut body).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

async fn next(body: &mut Incoming) -> Result<Option<Bytes>, Unread> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Unread::Broken)?;
        if let Ok(data) = frame.into_data() {
            return Ok(Some(data));
        }
    }
    Ok(None)
}
