//! A small API server. It answers with the request it got, and a test decides what it streams and when.
//!
//! The proxy's tests do not run on the testbed, because they need what a real API server never does: it
//! shows each request as it arrived and each piece of an upload, and answers with what is no JSON.

use std::{
    convert::Infallible,
    net::{self, Ipv4Addr},
    pin::Pin,
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    task::{Context, Poll},
    thread::{self, JoinHandle},
};

use clbmigrate_fault_proxy::{FaultProxy, Upstream};
use http::{Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Either, Full};
use hyper::{
    body::{Body, Bytes, Frame, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::{
    ServerConfig,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    server::WebPkiClientVerifier,
};
use serde_json::json;
use tokio::{
    net::{TcpListener, TcpStream},
    runtime,
    sync::{mpsc::UnboundedReceiver, mpsc::UnboundedSender, mpsc::unbounded_channel, oneshot},
};
use tokio_rustls::TlsAcceptor;

use crate::certificates::{Authority, provider, roots};

pub struct ApiServer {
    pub upstream: Upstream,
    /// What `/upload` got, piece by piece as it came.
    pub uploaded: Receiver<Bytes>,
    state: Arc<State>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

struct State {
    /// Method, path and query of every request.
    seen: Mutex<Vec<String>>,
    /// What the next `/watch` sends.
    feed: Mutex<Option<UnboundedReceiver<Bytes>>>,
    uploads: Mutex<Sender<Bytes>>,
}

impl ApiServer {
    pub fn start() -> Self {
        let authority = Authority::new();
        let own = authority.sign("127.0.0.1", ExtendedKeyUsagePurpose::ServerAuth);
        let proxy = authority.sign("proxy", ExtendedKeyUsagePurpose::ClientAuth);
        let verifier = WebPkiClientVerifier::builder_with_provider(
            Arc::new(roots(&authority.pem())),
            provider(),
        );
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("protocol versions")
            .with_client_cert_verifier(
                verifier.allow_unauthenticated().build().expect("a verifier"),
            )
            .with_single_cert(
                vec![CertificateDer::from_pem_slice(own.certificate.as_bytes()).expect("PEM")],
                PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("PEM"),
            )
            .expect("a TLS server");

        let listener = net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
        listener.set_nonblocking(true).expect("a listener that does not block");
        let address = listener.local_addr().expect("an address");
        let (uploads, uploaded) = mpsc::channel();
        let state = Arc::new(State {
            seen: Mutex::default(),
            feed: Mutex::default(),
            uploads: Mutex::new(uploads),
        });
        let (stop, stopped) = oneshot::channel();
        let shared = Arc::clone(&state);
        let thread = thread::spawn(move || {
            let runtime =
                runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(config)), shared));
            let _ = runtime.block_on(stopped);
        });
        Self {
            upstream: Upstream {
                url: format!("https://{address}"),
                ca_pem: authority.pem(),
                client_cert_pem: Some(proxy.certificate),
                client_key_pem: Some(proxy.key),
            },
            uploaded,
            state,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    pub fn proxy(&self) -> FaultProxy {
        FaultProxy::start(&self.upstream).expect("a proxy")
    }

    /// Every request so far as `METHOD path?query`.
    pub fn seen(&self) -> Vec<String> {
        self.state.seen.lock().expect("the requests seen").clone()
    }

    /// What is sent here goes out on the next `/watch`, which ends when this is dropped.
    pub fn watch_events(&self) -> UnboundedSender<Bytes> {
        let (sender, receiver) = unbounded_channel();
        *self.state.feed.lock().expect("the feed") = Some(receiver);
        sender
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(listener: net::TcpListener, acceptor: TlsAcceptor, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(connection(stream, acceptor.clone(), Arc::clone(&state)));
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, state: Arc<State>) {
    let Ok(stream) = acceptor.accept(stream).await else {
        return;
    };
    let certificate = stream.get_ref().1.peer_certificates().is_some();
    let service = service_fn(|request| answer(Arc::clone(&state), certificate, request));
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

type AnswerBody = Either<Full<Bytes>, WatchBody>;

async fn answer(
    state: Arc<State>,
    certificate: bool,
    mut request: Request<Incoming>,
) -> Result<Response<AnswerBody>, Infallible> {
    let target = request.uri().to_string();
    let seen = format!("{} {target}", request.method());
    state.seen.lock().expect("the requests seen").push(seen);
    let text = |text: &str| Response::new(Either::Left(Full::from(text.to_owned())));
    Ok(match request.uri().path() {
        "/watch" => {
            let feed = state.feed.lock().expect("the feed").take().expect("a feed for the watch");
            Response::new(Either::Right(WatchBody(feed)))
        }
        "/upload" => {
            while let Some(Ok(frame)) = request.body_mut().frame().await {
                if let Ok(data) = frame.into_data() {
                    let _ = state.uploads.lock().expect("the uploads").send(data);
                }
            }
            text("uploaded")
        }
        "/text" => text("not JSON"),
        "/missing" => {
            let mut answer = text("{\"reason\":\"NotFound\"}");
            *answer.status_mut() = StatusCode::NOT_FOUND;
            answer
        }
        _ => {
            let (head, body) = request.into_parts();
            let body = body.collect().await.expect("a whole request").to_bytes();
            let header = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
            let body = json!({
                "method": head.method.as_str(),
                "target": target,
                "body": String::from_utf8_lossy(&body),
                "authorization": header(header::AUTHORIZATION),
                "acceptEncoding": header(header::ACCEPT_ENCODING),
                "contentType": header(header::CONTENT_TYPE),
                "host": header(header::HOST),
                "certificate": certificate,
                "items": [{"metadata": {"name": "web"}}],
            });
            let mut answer = text(&body.to_string());
            answer.headers_mut().insert("x-served-by", "api-server".parse().expect("a header"));
            answer
        }
    })
}

struct WatchBody(UnboundedReceiver<Bytes>);

impl Body for WatchBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}
