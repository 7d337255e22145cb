//! HTTP, as far as these APIs need it.

mod connector;
mod hyper_client;
mod tls;

use std::{fmt, time::Duration};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{
    HeaderMap, HeaderValue, Request,
    header::{self, InvalidHeaderValue},
};
use jiff::{Timestamp, fmt::rfc2822::DateTimeParser};

use crate::Error;

pub(crate) use hyper_client::HyperClient;

/// A complete response of any status.
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    pub(crate) body: Bytes,
    /// The header `Date`, which is the server's clock; `None` where it is missing or malformed.
    pub(crate) date: Option<Timestamp>,
}

impl HttpResponse {
    pub(crate) fn new(status: u16, headers: &HeaderMap, body: Bytes) -> Self {
        let date = headers
            .get(header::DATE)
            .and_then(|date| DateTimeParser::new().parse_timestamp(date.as_bytes()).ok());
        Self { status, body, date }
    }

    pub(crate) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }
}

/// Shows no body, for it may hold keys.
impl fmt::Debug for HttpResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpResponse")
            .field("status", &self.status)
            .field("date", &self.date)
            .finish_non_exhaustive()
    }
}

/// A header's value that no debug output shows.
pub(crate) fn sensitive(value: &str) -> Result<HeaderValue, InvalidHeaderValue> {
    let mut value = HeaderValue::from_str(value)?;
    value.set_sensitive(true);
    Ok(value)
}

/// Sends requests. Tests of the credentials replace it by scripted responses.
pub(crate) trait HttpClient: Send + Sync {
    /// Sends a request and waits for the whole response, at most `within`.
    fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Error>>;
}
