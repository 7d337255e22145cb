//! A small HTTP server that answers as a test says, and remembers what it was asked.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    io,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) raw_query: String,
    pub(crate) query: BTreeMap<String, String>,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) form: BTreeMap<String, String>,
}

impl Seen {
    /// The API that is called.
    pub(crate) fn action(&self) -> &str {
        self.headers
            .get("x-acs-action")
            .or_else(|| self.query.get("Action"))
            .map(String::as_str)
            .unwrap_or_default()
    }

    /// A parameter; empty where there is none.
    pub(crate) fn parameter(&self, name: &str) -> &str {
        self.query.get(name).map(String::as_str).unwrap_or_default()
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) enum Reply {
    /// A status and JSON.
    Json(u16, Value),
    /// A status and text.
    Text(u16, &'static str),
    /// The same with another clock than the machine's.
    At(&'static str, u16, Value),
    /// Nothing: the connection ends.
    Cut,
    /// Nothing: the connection stays.
    Silence,
}

impl Reply {
    pub(crate) fn ok(json: Value) -> Self {
        Self::Json(200, json)
    }

    /// A refusal as the API words it.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        let host = "slb.example.com";
        Self::Json(
            status,
            json!({"RequestId": "R-1", "HostId": host, "Code": code, "Message": message}),
        )
    }
}

type Handler = dyn Fn(&Seen) -> Reply + Send + Sync;

/// The server; it ends with the test's runtime.
pub(crate) struct Server {
    /// `127.0.0.1:PORT`.
    pub(crate) authority: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    /// Plain HTTP.
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(handler, |stream| Box::pin(async move { Ok(stream) })).await
    }

    /// One answer after the other; the last one for ever.
    pub(crate) async fn script(replies: Vec<Reply>) -> Self {
        let next = Mutex::new(0);
        Self::start(move |_| {
            let mut next = next.lock().expect("a number");
            let reply = replies[(*next).min(replies.len() - 1)].clone();
            *next += 1;
            reply
        })
        .await
    }

    /// Over connections that `accept` makes of TCP's.
    pub(crate) async fn start_with<S, A>(
        handler: impl Fn(&Seen) -> Reply + Send + Sync + 'static,
        accept: A,
    ) -> Self
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
        A: Fn(tokio::net::TcpStream) -> futures::future::BoxFuture<'static, io::Result<S>>
            + Send
            + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let handler: Arc<Handler> = Arc::new(handler);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (handler, log, accepted) =
                    (Arc::clone(&handler), Arc::clone(&log), accept(stream));
                tokio::spawn(async move {
                    let Ok(stream) = accepted.await else { return };
                    let service = service_fn(|request| answer(&handler, &log, request));
                    // A connection that is cut on purpose ends with an error.
                    let _ =
                        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { authority, seen }
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn http(&self) -> String {
        format!("http://{}", self.authority)
    }

    /// All requests until now.
    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("a log").clone()
    }

    /// The actions called until now.
    pub(crate) fn actions(&self) -> Vec<String> {
        self.seen().iter().map(|seen| seen.action().to_owned()).collect()
    }
}

async fn answer(
    handler: &Arc<Handler>,
    log: &Mutex<Vec<Seen>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, io::Error> {
    let seen = read(request).await?;
    log.lock().expect("a log").push(seen.clone());
    let respond = |status: u16, body: String| {
        Response::builder().status(status).body(Full::from(body)).map_err(io::Error::other)
    };
    match handler(&seen) {
        Reply::Json(status, json) => respond(status, json.to_string()),
        Reply::Text(status, text) => respond(status, text.to_owned()),
        Reply::At(date, status, json) => respond(status, json.to_string()).map(|mut response| {
            response.headers_mut().insert(header::DATE, date.parse().expect("a header"));
            response
        }),
        Reply::Cut => Err(io::Error::other("cut on purpose")),
        Reply::Silence => {
            let never: Infallible = futures::future::pending().await;
            match never {}
        }
    }
}

async fn read(request: Request<Incoming>) -> io::Result<Seen> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let headers = head.headers.iter();
    let headers = headers
        .map(|(name, value)| (name.as_str().to_owned(), value.to_str().expect("text").to_owned()));
    Ok(Seen {
        method: head.method.to_string(),
        path: head.uri.path().to_owned(),
        query: pairs(&raw_query),
        raw_query,
        headers: headers.collect(),
        form: pairs(std::str::from_utf8(&body).expect("text")),
    })
}

/// `name=value&…`, decoded.
fn pairs(text: &str) -> BTreeMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decoded(name), decoded(value))).collect()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        rest = after;
        if first == b'%' {
            let digits = std::str::from_utf8(&after[..2]).expect("digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("a byte"));
            rest = &after[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).expect("UTF-8")
}
