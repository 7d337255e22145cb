//! HTTP: the API at `/`, and what tests ask of the double beside it.

mod control;
mod openapi;
mod serve;

use hyper::body::Bytes;
use serde::Serialize;

pub(crate) use control::ApiAndControl;
pub(crate) use serve::{HttpService, serve};

/// What a client is told.
#[derive(Debug)]
pub(crate) enum Reply {
    /// A status, a content type and a body.
    Answer {
        /// HTTP status.
        status: u16,
        /// Such as `application/json`.
        content_type: &'static str,
        /// As it is sent.
        body: Bytes,
    },
    /// The connection is cut.
    CutConnection,
}

impl Reply {
    pub(crate) fn json(status: u16, value: &impl Serialize) -> Self {
        match serde_json::to_vec(value) {
            Ok(body) => {
                Self::Answer { status, content_type: "application/json", body: body.into() }
            }
            Err(error) => Self::text(500, format!("cannot write the answer as JSON: {error}")),
        }
    }

    pub(crate) fn text(status: u16, text: impl Into<String>) -> Self {
        let content_type = "text/plain; charset=utf-8";
        Self::Answer { status, content_type, body: text.into().into() }
    }
}
