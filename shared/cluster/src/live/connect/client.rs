//! A client that sends requests as kubectl does: through a proxy, with a checked server, as a user.

use std::{
    error::Error as StdError,
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD as BASE64};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, header::AUTHORIZATION};
use hyper::{
    body::Incoming,
    rt::{Read, Write},
};
use hyper_rustls::{FixedServerNameResolver, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{
        Client as HyperClient,
        connect::{
            Connection as Connected, HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
    },
    rt::TokioExecutor,
};
use kube::{Client, Config, client::Body, client::ConfigExt};
use rustls::{
    ClientConfig,
    client::ResolvesClientCert,
    pki_types::ServerName,
    sign::{CertifiedKey, SingleCertAndKey},
};
use tower_service::Service;

use super::{
    Error, ErrorKind, RequestObserver,
    credentials::{Credentials, Current},
    observe::Observed,
    proxy::{Proxy, ProxyKind},
    server, verify,
};

type BoxError = Box<dyn StdError + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<Response<Incoming>, BoxError>> + Send>>;
/// What sends a request.
type Send_ = Arc<dyn Fn(Request<Body>) -> Answer + Send + Sync>;

/// What a client is made of.
pub(super) struct Parts {
    pub server: Uri,
    pub tls_server_name: Option<String>,
    /// The certificates that vouch for the server; `None` means those of the system.
    pub authority: Option<Vec<Vec<u8>>>,
    pub is_insecure: bool,
    pub proxy: Option<Proxy>,
    /// The client certificate of the kubeconfig.
    pub certificate: Option<Arc<dyn ResolvesClientCert>>,
    pub credentials: Arc<Credentials>,
    /// Headers of every request.
    pub headers: HeaderMap,
    pub connect_timeout: Duration,
}

impl Parts {
    /// Makes the client. No request is sent yet.
    ///
    /// # Errors
    /// Certificates, name or proxy cannot be used.
    pub fn client(
        self,
        namespace: &str,
        observer: Option<RequestObserver>,
    ) -> Result<Client, Error> {
        let shown = Arc::from(server::in_words(&self.server));
        let first = (0, self.sender(None)?);
        let inner = Requests { parts: Arc::new(self), sender: Arc::new(Mutex::new(first)) };
        Ok(Client::new(Observed { inner, server: shown, observer }, namespace))
    }

    /// A sender, with the client certificate that a credential plugin gave.
    fn sender(&self, granted: Option<Arc<CertifiedKey>>) -> Result<Send_, Error> {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let tls = self.tls(granted)?;
        let Some(proxy) = &self.proxy else { return self.with_connector(http, tls) };
        let user = proxy.user.as_ref();
        let basic = user.and_then(|(user, password)| {
            HeaderValue::try_from(format!("Basic {}", BASE64.encode(format!("{user}:{password}"))))
                .ok()
        });
        match proxy.kind {
            ProxyKind::Http => {
                let tunnel = Tunnel::new(proxy.uri.clone(), http);
                self.with_connector(authorized(tunnel, basic), tls)
            }
            ProxyKind::Https => {
                let through = self.https(http, tls.clone())?;
                let tunnel = Tunnel::new(proxy.uri.clone(), through);
                self.with_connector(authorized(tunnel, basic), tls)
            }
            ProxyKind::Socks5 => {
                let mut socks = SocksV5::new(proxy.uri.clone(), http);
                if let Some((user, password)) = user {
                    socks = socks.with_auth(user.clone(), password.clone());
                }
                self.with_connector(socks, tls)
            }
        }
    }

    fn tls(&self, granted: Option<Arc<CertifiedKey>>) -> Result<ClientConfig, Error> {
        let mut tls = match &self.authority {
            Some(certificates) if !self.is_insecure => verify::with_authority(certificates)?,
            _ => self.without_authority()?,
        };
        if let Some(granted) = granted {
            let granted = CertifiedKey::new(granted.cert.clone(), Arc::clone(&granted.key));
            tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(granted));
        } else if let Some(certificate) = &self.certificate {
            tls.client_auth_cert_resolver = Arc::clone(certificate);
        }
        Ok(tls)
    }

    /// TLS with servers that the system's trust store vouches for, or with any.
    fn without_authority(&self) -> Result<ClientConfig, Error> {
        let mut config = Config::new(self.server.clone());
        config.accept_invalid_certs = self.is_insecure;
        config.rustls_client_config().map_err(|error| {
            let why = clbmigrate_errors::message_with_sources(&error);
            Error::new(ErrorKind::Certificate, format!("the API server cannot be checked: {why}"))
        })
    }

    fn https<C>(&self, connector: C, tls: ClientConfig) -> Result<HttpsConnector<C>, Error> {
        let mut builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        if let Some(name) = &self.tls_server_name {
            let name = ServerName::try_from(name.clone()).map_err(|_| {
                let message = format!("tls-server-name {name:?} is no name of a host");
                Error::new(ErrorKind::Kubeconfig, message)
            })?;
            builder = builder.with_server_name_resolver(FixedServerNameResolver::new(name));
        }
        Ok(builder.enable_http1().wrap_connector(connector))
    }

    fn with_connector<C>(&self, connector: C, tls: ClientConfig) -> Result<Send_, Error>
    where
        C: Service<Uri> + Clone + Send + Sync + 'static,
        C::Response: Connected + Read + Write + Send + Unpin + 'static,
        C::Future: Send + 'static,
        C::Error: Into<BoxError>,
    {
        let inner = self.https(connector, tls)?;
        let limited = Limited { inner, limit: self.connect_timeout };
        let client: HyperClient<_, Body> =
            HyperClient::builder(TokioExecutor::new()).build(limited);
        Ok(Arc::new(move |request| {
            let answer = client.request(request);
            Box::pin(async move { Ok(answer.await?) })
        }))
    }
}

fn authorized<C>(tunnel: Tunnel<C>, header: Option<HeaderValue>) -> Tunnel<C> {
    match header {
        Some(header) => tunnel.with_auth(header),
        None => tunnel,
    }
}

/// A connector that gives up after a time: connection, proxy and TLS together.
#[derive(Clone)]
struct Limited<C> {
    inner: C,
    limit: Duration,
}

impl<C> Service<Uri> for Limited<C>
where
    C: Service<Uri>,
    C::Response: 'static,
    C::Future: Send + 'static,
    C::Error: Into<BoxError>,
{
    type Response = C::Response;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<C::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = tokio::time::timeout(self.limit, self.inner.call(server));
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected.map_err(Into::into),
                Err(_) => Err(io::Error::from(io::ErrorKind::TimedOut).into()),
            }
        })
    }
}

/// Sends requests below the server's URL, with what tells who the user is.
#[derive(Clone)]
struct Requests {
    parts: Arc<Parts>,
    /// A sender, and which certificate of a credential plugin it has.
    sender: Arc<Mutex<(u64, Send_)>>,
}

impl Requests {
    /// The sender for the current credentials: a new client certificate needs new connections.
    fn sender(&self, current: &Current) -> Result<Send_, Error> {
        let mut sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        if sender.0 != current.generation
            && let Some(certificate) = &current.certificate
        {
            sender.1 = self.parts.sender(Some(Arc::clone(certificate)))?;
        }
        sender.0 = current.generation;
        Ok(Arc::clone(&sender.1))
    }

    async fn send(self, request: Request<Body>) -> Result<Response<Incoming>, BoxError> {
        let current = self.parts.credentials.current().await?;
        let send = self.sender(&current)?;
        let (mut parts, body) = request.into_parts();
        parts.uri = server::join(&self.parts.server, &parts.uri)?;
        parts.headers.extend(self.parts.headers.clone());
        if let Some(header) = current.header {
            parts.headers.insert(AUTHORIZATION, header);
        }
        let answer = send(Request::from_parts(parts, body)).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            self.parts.credentials.refuse(current.generation);
        }
        Ok(answer)
    }
}

impl Service<Request<Body>> for Requests {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        Box::pin(self.clone().send(request))
    }
}
