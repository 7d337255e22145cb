//! A record of each request that is sent to an API server, for a log.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{Method, Request, Response, StatusCode};
use kube::client::Body;
use tokio::time::Instant;
use tower_service::Service;

/// A request that was sent, and the head of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestRecord {
    /// The method, such as `GET`.
    pub method: Method,
    /// The whole URL, without user and password.
    pub url: String,
    /// What came of it.
    pub outcome: RequestOutcome,
    /// Milliseconds from the request to the head of the answer.
    pub milliseconds: u128,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestOutcome {
    /// The server answered with this status.
    Answered(StatusCode),
    /// No answer came: why.
    Failed(String),
    /// Whoever sent it did not wait for the answer.
    GivenUp,
}

/// What is called with the record of each request, when the head of its answer is there.
#[derive(Clone)]
pub struct RequestObserver(Arc<dyn Fn(&RequestRecord) + Send + Sync>);

impl RequestObserver {
    /// An observer that calls this function. It is called on the thread that runs the requests.
    pub fn new(observe: impl Fn(&RequestRecord) + Send + Sync + 'static) -> Self {
        Self(Arc::new(observe))
    }
}

impl fmt::Debug for RequestObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestObserver")
    }
}

/// A service whose requests an observer sees.
#[derive(Clone)]
pub(super) struct Observed<S> {
    pub inner: S,
    /// The API server's URL, without user and password.
    pub server: Arc<str>,
    pub observer: Option<RequestObserver>,
}

/// A request under way. Dropped before its answer comes, it is recorded as given up.
struct Pending {
    record: RequestRecord,
    observer: RequestObserver,
    begun: Instant,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.record.milliseconds = self.begun.elapsed().as_millis();
        (self.observer.0)(&self.record);
    }
}

impl<S, B> Service<Request<Body>> for Observed<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: fmt::Display,
    B: 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let pending = self.observer.clone().map(|observer| Pending {
            record: RequestRecord {
                method: request.method().clone(),
                url: format!("{}{}", self.server, request.uri()),
                outcome: RequestOutcome::GivenUp,
                milliseconds: 0,
            },
            observer,
            begun: Instant::now(),
        });
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = answer.await;
            if let Some(mut pending) = pending {
                pending.record.outcome = match &answer {
                    Ok(response) => RequestOutcome::Answered(response.status()),
                    Err(error) => RequestOutcome::Failed(error.to_string()),
                };
            }
            answer
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use futures::FutureExt;

    use super::*;

    /// Answers with a status, an error, or never.
    #[derive(Clone)]
    struct Double(Option<Result<u16, &'static str>>);

    impl Service<Request<Body>> for Double {
        type Response = Response<()>;
        type Error = &'static str;
        type Future = Pin<Box<dyn Future<Output = Result<Response<()>, &'static str>> + Send>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let answer = self.0;
            Box::pin(async move {
                let status = match answer {
                    Some(status) => status?,
                    None => std::future::pending().await,
                };
                Ok(Response::builder().status(status).body(()).expect("a response"))
            })
        }
    }

    fn records(answer: Option<Result<u16, &'static str>>) -> Vec<RequestRecord> {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&seen);
        let observer = RequestObserver::new(move |record| {
            into.lock().expect("a lock").push(record.clone());
        });
        let server = Arc::from("https://10.0.0.1:6443");
        let mut service = Observed { inner: Double(answer), server, observer: Some(observer) };
        let request = Request::get("/api/v1/nodes?limit=1").body(Body::empty()).expect("a request");
        let _ = service.call(request).now_or_never();
        let seen = seen.lock().expect("a lock");
        seen.clone()
    }

    #[rstest::rstest]
    #[case::answered(Some(Ok(403)), RequestOutcome::Answered(StatusCode::FORBIDDEN))]
    #[case::failed(Some(Err("refused")), RequestOutcome::Failed("refused".to_owned()))]
    #[case::not_waited_for(None, RequestOutcome::GivenUp)]
    fn every_request_is_recorded_once(
        #[case] answer: Option<Result<u16, &'static str>>,
        #[case] outcome: RequestOutcome,
    ) {
        let seen = records(answer);
        let [record] = seen.as_slice() else { panic!("{seen:?}") };
        assert_eq!(record.outcome, outcome);
        assert_eq!(record.method, Method::GET);
        assert_eq!(record.url, "https://10.0.0.1:6443/api/v1/nodes?limit=1");
    }
}
