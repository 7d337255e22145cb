//! Single requests, with a time limit and repetition of reads.

use std::{
    io::{self, Read},
    time::Duration,
};

use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body_util::BodyExt;
use kube::{client::Body, core::Status};
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::{
    connect::{Connection, REQUEST_TIMEOUT},
    error::{self, Error, ErrorKind},
};
use crate::parse::decompressed;

/// How often a request is sent again while the server answers 429 or 5xx and does not say when to come
/// back.
const REPEATS: u32 = 3;

/// How long to wait before the second try; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(200);

/// How often, and for how long, a request is sent again that the server did not carry out.
pub(super) struct Patience {
    end: Instant,
    repeats: u32,
    pause: Duration,
}

impl Patience {
    /// With the time limit of a single request, which may be none.
    pub fn new(limit: Option<Duration>) -> Self {
        let end = Instant::now() + limit.unwrap_or(REQUEST_TIMEOUT);
        Self { end, repeats: REPEATS, pause: FIRST_PAUSE }
    }

    /// How long to wait before the request is sent again; `None` where it is not. A server that says
    /// how long (`Retry-After`) is asked again as long as there is time, another one a few times.
    pub fn pause_after(&mut self, error: &Error) -> Option<Duration> {
        if !matches!(error.kind, ErrorKind::Throttled | ErrorKind::ServerError) {
            return None;
        }
        let pause = match error.retry_after {
            Some(pause) => pause.max(self.pause),
            None => {
                self.repeats = self.repeats.checked_sub(1)?;
                self.pause
            }
        };
        self.pause *= 2;
        (Instant::now() + pause < self.end).then_some(pause)
    }
}

/// A response of the API server.
pub(super) struct ApiResponse {
    /// The body, which may be gzip'd.
    body: Vec<u8>,
    /// The header `Date`: the API server's clock.
    pub date: Option<String>,
    /// The texts of the headers `Warning`, by the API server or admission webhooks.
    pub warnings: Vec<String>,
}

impl ApiResponse {
    /// A reader of the decompressed body.
    pub fn open(&self) -> io::Result<impl Read> {
        decompressed(self.body.as_slice())
    }

    /// The decompressed body as text. Of a broken body, the part before the error.
    fn text(&self) -> String {
        let mut text = Vec::new();
        let _ = self.open().and_then(|mut body| body.read_to_end(&mut text));
        String::from_utf8_lossy(&text).into_owned()
    }

    /// The decompressed body.
    pub fn into_bytes(self, connection: &Connection) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let read = self.open().and_then(|mut body| body.read_to_end(&mut bytes));
        read.map(|_| bytes).map_err(|error| {
            let message = format!("the answer of {} breaks off: {error}", connection.server);
            connection.in_context(Error::new(ErrorKind::Malformed, message))
        })
    }

    /// Parses the body.
    pub fn parse<T: DeserializeOwned>(&self, connection: &Connection) -> Result<T, Error> {
        serde_json::from_str(&self.text()).map_err(|error| {
            let server = &connection.server;
            connection.in_context(Error::new(
                ErrorKind::Malformed,
                format!("{server} does not answer as an API server does: {error}"),
            ))
        })
    }
}

impl Connection {
    /// Sends a GET, and again while the server answers 429 or 5xx: a few times, or as long as the
    /// server says when to come back and one request may take.
    pub(super) async fn get(&self, path: &str) -> Result<ApiResponse, Error> {
        self.sign_in().await?;
        let mut patience = Patience::new(self.request_limit());
        loop {
            let error = match self.send(Method::GET, path, None).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            match patience.pause_after(&error) {
                Some(pause) => sleep(pause).await,
                None => return Err(error),
            }
        }
    }

    /// Sends a GET; `None` for 404.
    pub(super) async fn get_optional(&self, path: &str) -> Result<Option<ApiResponse>, Error> {
        match self.get(path).await {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Sends a JSON body once. Whether it may be sent again is for the caller to know.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<ApiResponse, Error> {
        self.within_timeout(self.exchange(method, path, body)).await
    }

    /// The result of `work`, or the error for a request that was not answered in time. The user signs in
    /// before, which may take longer.
    pub(super) async fn within_timeout<T, E: From<Error>>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        self.sign_in().await?;
        match self.request_limit() {
            None => work.await,
            Some(timeout) => {
                let answer = tokio::time::timeout(timeout, work).await;
                answer.unwrap_or_else(|_| Err(self.in_context(error::timeout(&self.server)).into()))
            }
        }
    }

    async fn exchange(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<ApiResponse, Error> {
        self.answer(self.begin(method, path, body).await?).await
    }

    /// Sends a request, and returns as soon as the head of its answer is there.
    pub(super) async fn begin(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, String)>,
    ) -> Result<Response<Body>, Error> {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header(header::ACCEPT, "application/json");
        if let Some((kind, _)) = &body {
            request = request.header(header::CONTENT_TYPE, *kind);
        }
        let body = body.map(|(_, text)| text.into_bytes()).unwrap_or_default();
        let request = request.body(Body::from(body));
        let mut request = request.map_err(|error| self.invalid_request(path, &error))?;
        self.ask_for_gzip(&mut request);
        self.client.send(request).await.map_err(|error| self.translate(&error))
    }

    /// Has an answer come compressed, where that is wanted.
    pub(super) fn ask_for_gzip(&self, request: &mut Request<Body>) {
        if self.takes_gzip {
            let gzip = HeaderValue::from_static("gzip");
            request.headers_mut().insert(header::ACCEPT_ENCODING, gzip);
        }
    }

    /// The whole answer, or the error that it is.
    pub(super) async fn answer(&self, response: Response<Body>) -> Result<ApiResponse, Error> {
        let (head, body) = response.into_parts();
        let status = head.status;
        let date = head.headers.get(header::DATE);
        let date = date.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let warnings = warnings(&head.headers);
        let body = body.collect().await.map_err(|error| self.translate(&error))?.to_bytes().into();
        let answer = ApiResponse { body, date, warnings };
        if status.is_success() {
            return Ok(answer);
        }
        let text = answer.text();
        // A proxy in between answers with anything, but not with a Status.
        let refusal = serde_json::from_str(&text).unwrap_or_else(|_| Status {
            code: status.as_u16(),
            message: text.lines().next().unwrap_or_default().chars().take(200).collect(),
            ..Status::failure("", status.canonical_reason().unwrap_or_default())
        });
        let mut error = self.refused(&Status { code: status.as_u16(), ..refusal });
        error.retry_after = retry_after(&head.headers);
        Err(error)
    }

    fn invalid_request(&self, path: &str, error: &http::Error) -> Error {
        self.in_context(Error::new(
            ErrorKind::Other,
            format!("no request can be made of {path}: {error}"),
        ))
    }

    fn refused(&self, status: &Status) -> Error {
        let mut error = Error::from_status(status, self.user.as_deref());
        if let (ErrorKind::Unauthorized, Some(end)) = (error.kind, &self.certificate_ends) {
            error = error.hint(format!("its client certificate ends at {end}"));
        }
        self.in_context(error)
    }

    /// An error of `kube`, with this connection's context.
    pub(super) fn translate(&self, error: &kube::Error) -> Error {
        match error {
            kube::Error::Api(status) => self.refused(status),
            other => {
                // One that the client of watches has told already.
                let told = match other {
                    kube::Error::Service(source) => source.downcast_ref::<Error>().cloned(),
                    _ => None,
                };
                let told = told
                    .unwrap_or_else(|| Error::from_kube(other, &self.server, self.user.as_deref()));
                self.in_context(told)
            }
        }
    }

    /// The error with this connection's context.
    pub(super) fn in_context(&self, error: Error) -> Error {
        error.with_context(self.context.as_deref())
    }
}

/// What the header `Retry-After` says: seconds, as API servers write it, or a time, as proxies may.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let time = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    let date = headers.get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
    let now = date.map_or_else(jiff::Timestamp::now, |date| date.timestamp());
    Some(Duration::try_from(time.duration_since(now)).unwrap_or_default())
}

/// The texts of all headers `Warning: 299 - "…"` (RFC 7234, as API servers write it).
fn warnings(headers: &HeaderMap) -> Vec<String> {
    let all = headers.get_all(header::WARNING).into_iter();
    all.filter_map(|value| quoted(value.to_str().ok()?)).collect()
}

/// The quoted text of a header `Warning`.
fn quoted(warning: &str) -> Option<String> {
    let (_, rest) = warning.split_once('"')?;
    let (mut text, mut is_escaped) = (String::new(), false);
    for letter in rest.chars() {
        match letter {
            '\\' if !is_escaped => is_escaped = true,
            '"' if !is_escaped => return Some(text),
            _ => {
                text.push(letter);
                is_escaped = false;
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, header};
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case(r#"299 - "CLB402: too small""#, Some("CLB402: too small"))]
    #[case(r#"299 - "weight \"x\" and \\""#, Some(r#"weight "x" and \"#))]
    #[case(r#"299 - "without an end"#, None)]
    #[case("299 -", None)]
    fn the_text_of_a_warning_is_read(#[case] header: &str, #[case] text: Option<&str>) {
        assert_eq!(quoted(header).as_deref(), text);
    }

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, text)| (name.clone(), HeaderValue::from_static(text))).collect()
    }

    #[rstest]
    #[case("7", Some(7))]
    #[case(" 0 ", Some(0))]
    #[case("Sat, 21 Nov 2026 01:02:33 GMT", Some(30))]
    #[case("Sat, 21 Nov 2026 01:00:00 GMT", Some(0))]
    #[case("soon", None)]
    #[case("-1", None)]
    fn how_long_a_server_wants_to_be_left_alone_is_read(
        #[case] text: &'static str,
        #[case] seconds: Option<u64>,
    ) {
        let date = (header::DATE, "Sat, 21 Nov 2026 01:02:03 GMT");
        let headers = headers(&[date, (header::RETRY_AFTER, text)]);
        assert_eq!(retry_after(&headers), seconds.map(Duration::from_secs));
    }

    fn trouble(kind: ErrorKind, retry_after: Option<u64>) -> Error {
        let retry_after = retry_after.map(Duration::from_secs);
        Error { retry_after, ..Error::new(kind, "trouble") }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_says_when_to_come_back_is_asked_as_long_as_there_is_time() {
        let mut patience = Patience::new(Some(Duration::from_secs(10)));
        let mut asked = 0;
        while let Some(pause) = patience.pause_after(&trouble(ErrorKind::Throttled, Some(1))) {
            assert!(pause >= Duration::from_secs(1));
            sleep(pause).await;
            asked += 1;
        }
        assert_eq!(asked, 5, "1, 1, 1, 1.6 and 3.2 s");
    }

    #[rstest]
    #[case::it_does_not_say_when(trouble(ErrorKind::Throttled, None), 3)]
    #[case::it_failed(trouble(ErrorKind::ServerError, None), 3)]
    #[case::it_wants_more_time_than_there_is(trouble(ErrorKind::Throttled, Some(60)), 0)]
    #[case::it_refused(trouble(ErrorKind::Forbidden, Some(1)), 0)]
    #[tokio::test(start_paused = true)]
    async fn nobody_is_asked_for_ever(#[case] error: Error, #[case] asked: usize) {
        for limit in [Some(Duration::from_secs(10)), None] {
            let mut patience = Patience::new(limit);
            let pauses = std::iter::from_fn(|| patience.pause_after(&error));
            assert_eq!(pauses.count(), asked);
        }
    }
}
