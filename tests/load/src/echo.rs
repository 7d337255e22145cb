//! The server to which the webhook is compared: the same TLS and HTTP, and nothing else.

use std::convert::Infallible;
use std::sync::Arc;

use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// What a body is answered with.
type Answer = Arc<dyn Fn(Bytes) -> Bytes + Send + Sync>;

/// Answers every request with what `answer` makes of its body, for as long as this is polled.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    answer: impl Fn(Bytes) -> Bytes + Send + Sync + 'static,
) -> Infallible {
    let acceptor = TlsAcceptor::from(tls);
    let answer: Answer = Arc::new(answer);
    loop {
        // A client that gave up before it was accepted is no reason to stop.
        if let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&answer)));
        }
    }
}

/// The answer to an admission review, of this many bytes but at least about 100. Its uid belongs to no
/// review.
pub fn fixed_answer(bytes: usize) -> Bytes {
    let review = |uid: &str| {
        let response = json!({"uid": uid, "allowed": true});
        let (version, kind) = ("admission.k8s.io/v1", "AdmissionReview");
        json!({"apiVersion": version, "kind": kind, "response": response}).to_string()
    };
    let padding = bytes.saturating_sub(review("").len());
    Bytes::from(review(&"x".repeat(padding)))
}

/// One client. What goes wrong here is the client's to notice.
async fn connection(stream: TcpStream, acceptor: TlsAcceptor, answer: Answer) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let Ok(stream) = acceptor.accept(stream).await else { return };
    let service = service_fn(|request: Request<Incoming>| {
        let answer = Arc::clone(&answer);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            let mut response = Response::new(Full::new(answer(body)));
            let json = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, json);
            Ok::<_, hyper::Error>(response)
        }
    });
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

#[cfg(test)]
mod tests {
    use super::fixed_answer;

    #[test]
    fn a_fixed_answer_is_a_review_of_the_size_that_was_asked_for() {
        for bytes in [120, 400] {
            assert_eq!(fixed_answer(bytes).len(), bytes);
        }
        let answer = fixed_answer(400);
        let review: serde_json::Value = serde_json::from_slice(&answer).expect("JSON");
        assert_eq!(review["kind"], "AdmissionReview");
        assert!(fixed_answer(1).len() <= 100);
    }
}
