//! Serving clients: from a request to its answer.

use std::{
    convert::Infallible,
    fmt,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use anyhow::Context;
use http::{
    Response, StatusCode,
    header::{self, HeaderValue},
};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::{
    Fault, Request, Rule,
    fault::failure,
    log::{Log, LogIndex},
    upstream::UpstreamClient,
};

/// What all connections share with the test.
pub(crate) struct ProxyState {
    pub(crate) rules: Mutex<Vec<Rule>>,
    pub(crate) log: Log,
    pub(crate) upstream: UpstreamClient,
}

/// The API server's own body as it comes, or one that the proxy made.
type Body = Either<Incoming, Full<Bytes>>;

/// Why the client gets nothing.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault cut the connection")
    }
}

impl std::error::Error for Cut {}

/// Serves clients for as long as it is polled.
pub(crate) async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<ProxyState>,
) -> Infallible {
    loop {
        // A client that gave up before it was accepted is no reason to stop.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&shared)));
        }
    }
}

/// One client. What goes wrong here is the client's to notice.
async fn connection(stream: TcpStream, acceptor: TlsAcceptor, shared: Arc<ProxyState>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let service = service_fn(|request| answer(Arc::clone(&shared), request));
    // A service that fails makes hyper close the connection without a byte: that is the cut.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer(
    shared: Arc<ProxyState>,
    request: http::Request<Incoming>,
) -> Result<Response<Body>, Cut> {
    let arrived = Request::from_http(&request);
    let entry = shared.log.add(arrived.clone());
    let rule = {
        let rules = shared.rules.lock().unwrap_or_else(PoisonError::into_inner);
        rules.iter().find(|rule| rule.applies_to(&arrived)).cloned()
    };
    let answer = match rule {
        None => shared.forward(entry, request).await,
        Some(rule) => shared.apply_fault(&rule, entry, request).await?,
    };
    shared.log.set_status(entry, answer.status());
    Ok(answer)
}

impl ProxyState {
    /// What a request with a fault is answered.
    async fn apply_fault(
        &self,
        rule: &Rule,
        entry: LogIndex,
        mut request: http::Request<Incoming>,
    ) -> Result<Response<Body>, Cut> {
        match rule.fault() {
            Fault::CutBefore => Err(Cut),
            Fault::CutAfterAnswer => {
                let answer = self.forward(entry, request).await;
                // Only a complete answer shows that the API server has carried the request out.
                let _ = answer.into_body().collect().await;
                Err(Cut)
            }
            Fault::Answer { status, body } => Ok(json_answer(*status, body)),
            Fault::Delay(time) => {
                tokio::time::sleep(*time).await;
                Ok(self.forward(entry, request).await)
            }
            Fault::Hang => pending().await,
            Fault::Rewrite(change) => {
                request.headers_mut().remove(header::ACCEPT_ENCODING);
                let answer = self.forward(entry, request).await;
                Ok(rewritten(answer, change).await.unwrap_or_else(|error| bad_gateway(&error)))
            }
            Fault::Hold => {
                rule.until_released().await;
                Ok(self.forward(entry, request).await)
            }
        }
    }

    /// The API server's answer, or a 502 that says why there is none.
    async fn forward(&self, entry: LogIndex, request: http::Request<Incoming>) -> Response<Body> {
        match self.upstream.forward(request).await {
            Ok(answer) => {
                self.log.set_upstream_status(entry, answer.status());
                answer.map(Either::Left)
            }
            Err(error) => bad_gateway(&error),
        }
    }
}

async fn rewritten(
    answer: Response<Body>,
    change: &(dyn Fn(Value) -> Value + Send + Sync),
) -> anyhow::Result<Response<Body>> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map_err(anyhow::Error::from_boxed)?.to_bytes();
    let value = serde_json::from_slice(&body).context("an answer to rewrite is not JSON")?;
    head.headers.remove(header::CONTENT_LENGTH);
    Ok(Response::from_parts(head, json_body(&change(value))))
}

fn bad_gateway(error: &anyhow::Error) -> Response<Body> {
    let status = StatusCode::BAD_GATEWAY;
    json_answer(status, &failure(status, "ServiceUnavailable", &format!("proxy: {error:#}")))
}

fn json_answer(status: StatusCode, body: &Value) -> Response<Body> {
    let mut answer = Response::new(json_body(body));
    *answer.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    answer.headers_mut().insert(header::CONTENT_TYPE, json);
    if let Some(seconds) = body.pointer("/details/retryAfterSeconds").and_then(Value::as_u64) {
        answer.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    answer
}

fn json_body(value: &Value) -> Body {
    Either::Right(Full::from(value.to_string()))
}
