//! Reads a request's body, up to its limit.

use std::time::Instant;

use bytes::{Bytes, BytesMut};
use futures::FutureExt as _;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Incoming};

use super::body_memory::{BodyMemory, BodyShare};

/// The largest body, in bytes, that [`BodyMemory`] does not count: there are no more of them than
/// connections. Reviews have a few thousand bytes.
const SMALL: usize = 64 * 1024;

/// A whole body, and what it occupies of the memory for large ones.
pub(super) struct RequestBody<'m> {
    pub bytes: Bytes,
    _share: Option<BodyShare<'m>>,
}

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// The body is larger than allowed.
    TooLarge,
    /// The client has closed the connection, or sent an invalid body.
    Broken,
    /// There are more large bodies than memory for them.
    NoMemory,
}

/// Reads the whole body of a request that began at `start`. Memory is taken as bytes arrive, so that
/// a length that is only announced costs nothing.
pub(super) async fn read(
    mut body: Incoming,
    limit: usize,
    memory: &BodyMemory,
    start: Instant,
) -> Result<RequestBody<'_>, BodyError> {
    let declared = match body.size_hint().exact() {
        Some(length) => Some(usize::try_from(length).map_err(|_| BodyError::TooLarge)?),
        None => None,
    };
    if declared.is_some_and(|length| length > limit) {
        drain(body, limit).await;
        return Err(BodyError::TooLarge);
    }
    let Some(first) = next_chunk(&mut body).await? else {
        return Ok(RequestBody { bytes: Bytes::new(), _share: None });
    };
    // The usual case: the whole body has come with the head, and nothing is copied.
    if declared == Some(first.len()) {
        return Ok(RequestBody { bytes: first, _share: None });
    }
    let mut share = None;
    let mut whole = BytesMut::with_capacity(declared.unwrap_or(SMALL).min(SMALL));
    let mut next = Some(first);
    while let Some(chunk) = next {
        if whole.len() + chunk.len() > limit {
            drain(body, limit).await;
            return Err(BodyError::TooLarge);
        }
        if whole.len() + chunk.len() > SMALL {
            let counted = if share.is_none() { whole.len() } else { 0 };
            let share = share.get_or_insert_with(|| memory.begin(start));
            if !share.grow(counted + chunk.len()) {
                return Err(BodyError::NoMemory);
            }
        }
        whole.extend_from_slice(&chunk);
        if declared.is_some_and(|length| whole.len() >= length) {
            break;
        }
        next = match &share {
            None => next_chunk(&mut body).await?,
            Some(share) => tokio::select! {
                biased;
                chunk = next_chunk(&mut body) => chunk?,
                () = share.given_up.notified() => return Err(BodyError::NoMemory),
            },
        };
    }
    if share.as_mut().is_some_and(|share: &mut BodyShare<'_>| !share.complete()) {
        return Err(BodyError::NoMemory);
    }
    Ok(RequestBody { bytes: whole.freeze(), _share: share })
}

/// Throws away what has arrived of a body, without waiting for more.
pub(super) fn discard_arrived(mut body: Incoming) {
    while let Some(Ok(Some(_))) = next_chunk(&mut body).now_or_never() {}
}

/// Reads a body and throws it away, up to `limit` bytes. A client that is still sending would else see
/// a broken connection in place of the answer.
async fn drain(mut body: Incoming, limit: usize) {
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
