//! Taking connections and requests.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;

use http::header::{CONTENT_TYPE, HeaderValue};
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::request::Request;

use super::Reply;

/// More than any call needs.
const LARGEST_BODY: usize = 4 << 20;

/// Answers requests.
pub(crate) trait HttpService: Send + Sync + 'static {
    fn answer(&self, request: Request) -> impl Future<Output = Reply> + Send;
}

/// Why the client gets nothing.
#[derive(Debug)]
struct ConnectionCut;

impl fmt::Display for ConnectionCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a fault cut the connection")
    }
}

impl std::error::Error for ConnectionCut {}

/// Serves clients for as long as it is polled.
pub(crate) async fn serve<S: HttpService>(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    service: Arc<S>,
) -> Infallible {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                // A client that gave up before it was accepted is no reason to stop.
                let Ok((stream, _)) = accepted else { continue };
                let (tls, service) = (tls.clone(), Arc::clone(&service));
                connections.spawn(async move {
                    // An answer is one small write: nothing is to be gathered.
                    let _ = stream.set_nodelay(true);
                    match tls {
                        None => connection(stream, service).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                connection(stream, service).await;
                            }
                        }
                    }
                });
            }
        }
    }
}

/// One client. What goes wrong here is the client's to notice.
async fn connection<S: HttpService>(stream: impl AsyncRead + AsyncWrite + Unpin, service: Arc<S>) {
    let service = service_fn(|request| answer(Arc::clone(&service), request));
    // A service that fails makes hyper close the connection without a byte: that is the cut.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

async fn answer<S: HttpService>(
    service: Arc<S>,
    request: http::Request<Incoming>,
) -> Result<Response<Full<Bytes>>, ConnectionCut> {
    let (head, body) = request.into_parts();
    let reply = match Limited::new(body, LARGEST_BODY).collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            service.answer(Request::new(head.method, &head.uri, head.headers, body)).await
        }
        Err(error) => Reply::text(400, format!("the body cannot be read: {error}")),
    };
    let Reply::Answer { status, content_type, body } = reply else {
        return Err(ConnectionCut);
    };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() =
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    Ok(response)
}
