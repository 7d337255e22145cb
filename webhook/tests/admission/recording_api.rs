//! An API server on paper that records what it is asked.

use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use clbmigrate_webhook::admission::LiveApiReader;
use http_body_util::Full;
use hyper::{Request, Response};
use kube::client::Body;
use serde_json::{Value, json};

/// How long each answer takes, on the clock of the test.
pub const LATENCY: Duration = Duration::from_millis(20);

/// Answers to requests, by path and query.
type Answers = dyn Fn(&str) -> (u16, Value) + Send + Sync;

/// The API server.
#[derive(Clone)]
pub struct RecordingApi {
    answers: Arc<Answers>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl RecordingApi {
    /// One that answers each path with its query so: a status and a body.
    pub fn new(answers: impl Fn(&str) -> (u16, Value) + Send + Sync + 'static) -> Self {
        Self { answers: Arc::new(answers), requests: Arc::default() }
    }

    /// One that answers each request with a list of these objects.
    pub fn listing(items: &[Value]) -> Self {
        let list = json!({"metadata": {"resourceVersion": "1"}, "items": items});
        Self::new(move |_| (200, list.clone()))
    }

    /// A reader that asks it.
    pub fn reader(&self) -> LiveApiReader {
        LiveApiReader::new(kube::Client::new(self.clone(), "default"))
    }

    /// The paths that were asked for so far, each with its query in plain text.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl tower_service::Service<Request<Body>> for RecordingApi {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let query = request.uri().query().unwrap_or_default().as_bytes();
        let query: Vec<String> =
            form_urlencoded::parse(query).map(|(name, value)| format!("{name}={value}")).collect();
        let asked = format!("{}?{}", request.uri().path(), query.join("&"));
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).push(asked.clone());
        let (status, body) = (self.answers)(&asked);
        Box::pin(async move {
            tokio::time::sleep(LATENCY).await;
            let body = Full::new(Bytes::from(body.to_string()));
            Ok(Response::builder().status(status).body(body).expect("a response"))
        })
    }
}
