//! An API server on paper, for tests.

use std::{
    future::{Future, ready},
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use futures::{Stream, StreamExt, TryStreamExt, channel::mpsc, stream};
use http::{Method, Request, Response, header};
use http_body_util::{BodyExt, StreamBody, combinators::UnsyncBoxBody};
use hyper::body::{Bytes, Frame};
use kube::client::Body;
use serde_json::{Value, json};

use super::connect::Connection;

/// A request.
pub struct Call {
    /// The method.
    pub method: Method,
    /// The path, without its query.
    pub path: String,
    /// The query; empty without one.
    pub query: String,
    /// The body; `null` without one.
    pub body: Value,
}

/// What comes of a request.
pub enum Reply {
    /// A status and a body.
    Answer(u16, Value),
    /// 429, with `Retry-After` in seconds where it says so.
    Throttled(Option<u64>),
    /// A body that is no JSON, with 200.
    Garbled,
    /// 200 and a body in pieces. With an error at the end, it breaks off there.
    Pieces(Vec<Vec<u8>>, Option<io::ErrorKind>),
    /// 200 and a piece of a body, after which nothing comes.
    Stall(Vec<u8>),
    /// The connection is closed.
    Cut,
    /// Nothing ever comes.
    Hang,
    /// 200, and then a body piece by piece, until its sender is dropped.
    Stream(mpsc::UnboundedReceiver<Piece>),
}

/// A piece of a body, or the end of the connection in the middle of it.
pub type Piece = Result<String, io::ErrorKind>;

impl Reply {
    /// A failure with a `Status` of Kubernetes.
    pub fn status(code: u16, message: &str) -> Self {
        Self::Answer(code, json!({"kind": "Status", "code": code, "message": message}))
    }
}

/// The body of an answer.
type Pieces = UnsyncBoxBody<Bytes, io::Error>;

fn in_pieces(pieces: impl Stream<Item = io::Result<Vec<u8>>> + Send + 'static) -> Pieces {
    StreamBody::new(pieces.map_ok(|piece| Frame::data(piece.into()))).boxed_unsync()
}

type Handler = Arc<dyn Fn(&Call) -> Reply + Send + Sync>;

#[derive(Clone)]
struct FakeApiServer(Handler);

impl tower_service::Service<Request<Body>> for FakeApiServer {
    type Response = Response<Pieces>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let handler = Arc::clone(&self.0);
        Box::pin(async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a body").to_bytes();
            let call = Call {
                method: head.method,
                path: head.uri.path().to_owned(),
                query: head.uri.query().unwrap_or_default().to_owned(),
                body: serde_json::from_slice(&body).unwrap_or_default(),
            };
            let mut response = Response::builder();
            let (code, text) = match handler(&call) {
                Reply::Answer(code, body) => (code, body.to_string()),
                Reply::Throttled(seconds) => {
                    if let Some(seconds) = seconds {
                        response = response.header(header::RETRY_AFTER, seconds);
                    }
                    (429, json!({"kind": "Status", "message": "too many requests"}).to_string())
                }
                Reply::Garbled => (200, "<html>".to_owned()),
                Reply::Hang => std::future::pending().await,
                Reply::Cut => return Err(io::ErrorKind::ConnectionReset.into()),
                Reply::Stall(piece) => {
                    let piece = stream::once(ready(Ok(piece))).chain(stream::pending());
                    return Ok(response.body(in_pieces(piece)).expect("a response"));
                }
                Reply::Stream(pieces) => {
                    let pieces = pieces.map(|piece| Ok(piece?.into_bytes()));
                    return Ok(response.body(in_pieces(pieces)).expect("a response"));
                }
                Reply::Pieces(pieces, end) => {
                    let pieces = pieces.into_iter().map(Ok);
                    let pieces = pieces.chain(end.map(|kind| Err(kind.into())));
                    return Ok(response.body(in_pieces(stream::iter(pieces))).expect("a response"));
                }
            };
            let text = stream::once(ready(Ok(text.into_bytes())));
            Ok(response.status(code).body(in_pieces(text)).expect("a response"))
        })
    }
}

/// A connection with an API server that answers so. A request may take 30 s.
pub fn connection(handler: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Connection {
    Connection::on_paper(kube::Client::new(FakeApiServer(Arc::new(handler)), "default"))
}
