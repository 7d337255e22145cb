//! Single requests to the API server, and its time: the clocks of the webhook's replicas may differ.

use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::{Method, Request, StatusCode, header};
use jiff::fmt::rfc2822;
use kube::{Client, client::Body};
use serde::{Deserialize, Serialize};

use crate::api_path::{ApiPath, InvalidName};

/// Seconds since 1970, by the clock of the API server.
pub type Seconds = i64;

/// Why the API server could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiCallError {
    /// The request failed.
    #[error("the API server cannot be asked: {0}")]
    Client(#[from] kube::Error),
    /// The API server refuses.
    #[error("the API server answers {status} to {path}: {message}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// The path that was asked.
        path: String,
        /// The API server's reason.
        message: String,
    },
    /// A name in the path is none that there can be.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// What it answered makes no sense.
    #[error("{what} cannot be read: {why}")]
    Malformed {
        /// What was asked for.
        what: String,
        /// Why it cannot be read.
        why: String,
    },
}

/// An answer of the API server.
pub(crate) struct ApiAnswer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The path that was asked.
    path: String,
    date: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl ApiAnswer {
    /// The API server's time.
    ///
    /// # Errors
    /// When the answer does not tell it.
    pub fn now(&self) -> Result<Seconds, ApiCallError> {
        let date = self.date.as_deref().unwrap_or_default();
        let parsed = rfc2822::parse(date).map_err(|error| ApiCallError::Malformed {
            what: format!("the date of the answer to {}", self.path),
            why: error.to_string(),
        })?;
        Ok(parsed.timestamp().as_second())
    }

    /// The error of an answer that is a refusal.
    pub fn refused(self) -> ApiCallError {
        #[derive(Deserialize)]
        struct Status {
            message: String,
        }
        let message = serde_json::from_slice::<Status>(&self.body).map(|status| status.message);
        let message = message
            .unwrap_or_else(|_| String::from_utf8_lossy(&self.body).chars().take(200).collect());
        ApiCallError::Status { status: self.status.as_u16(), path: self.path, message }
    }
}

/// Sends a request with this JSON.
///
/// # Errors
/// When there is no answer.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    path: &ApiPath,
    body: Vec<u8>,
) -> Result<ApiAnswer, ApiCallError> {
    let request = Request::builder()
        .method(method)
        .uri(path.to_string())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(body))
        .map_err(kube::Error::HttpError)?;
    let response = client.send(request).await?;
    let date = response.headers().get(header::DATE);
    let date = date.and_then(|date| date.to_str().ok()).map(str::to_owned);
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok(ApiAnswer { status, path: path.to_string(), date, body })
}

/// What is at a path, and the API server's time.
///
/// # Errors
/// When the API server cannot be asked, or refuses.
pub(crate) async fn get(client: &Client, path: &ApiPath) -> Result<(Seconds, Bytes), ApiCallError> {
    let answer = send(client, Method::GET, path, Vec::new()).await?;
    match answer.status {
        StatusCode::OK => Ok((answer.now()?, answer.body)),
        _ => Err(answer.refused()),
    }
}

/// An answer's body as a `T`. `what` names it in the error.
///
/// # Errors
/// When it is none.
pub(crate) fn parsed<'b, T: Deserialize<'b>>(
    what: &str,
    body: &'b [u8],
) -> Result<T, ApiCallError> {
    serde_json::from_slice(body).map_err(|error| malformed(what, &error))
}

/// A value as JSON.
///
/// # Errors
/// When it cannot be written as JSON.
pub(crate) fn json_text(value: &impl Serialize) -> Result<String, ApiCallError> {
    serde_json::to_string(value).map_err(|error| malformed("what is to be written", &error))
}

/// The error of JSON that cannot be read or written.
pub(crate) fn malformed(what: &str, error: &serde_json::Error) -> ApiCallError {
    ApiCallError::Malformed { what: what.to_owned(), why: error.to_string() }
}
