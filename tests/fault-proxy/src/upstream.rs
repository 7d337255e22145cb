//! The real API server.

use anyhow::{Context, bail, ensure};
use http::{
    HeaderMap, HeaderValue, Response, Uri,
    header::{self, HeaderName},
};
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::tls;

/// The API server behind the proxy, and how the proxy authenticates to it.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// `https://HOST:PORT`, without a path.
    pub url: String,
    /// The authorities its certificate may come from.
    pub ca_pem: String,
    /// The certificate the proxy shows; only together with its key. Then `Authorization` of the
    /// clients is dropped, else it is passed on and the clients need a token.
    pub client_cert_pem: Option<String>,
    /// The key of that certificate.
    pub client_key_pem: Option<String>,
}

/// An API server that can be asked.
pub(crate) struct UpstreamClient {
    host: String,
    port: u16,
    authority: HeaderValue,
    name: ServerName<'static>,
    connector: TlsConnector,
    pub(crate) has_identity: bool,
}

impl UpstreamClient {
    pub(crate) fn new(upstream: &Upstream) -> anyhow::Result<Self> {
        let url: Uri = upstream.url.parse().with_context(|| format!("url {}", upstream.url))?;
        let wrong = || format!("url {}: give https://HOST:PORT, without a path", upstream.url);
        ensure!(url.scheme_str() == Some("https"), wrong());
        ensure!(url.path() == "/" && url.query().is_none(), wrong());
        let authority = url.authority().with_context(wrong)?;
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let identity = match (&upstream.client_cert_pem, &upstream.client_key_pem) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.as_str(), key.as_str())),
            (Some(_), None) => bail!("client_cert_pem needs client_key_pem"),
            (None, Some(_)) => bail!("client_key_pem needs client_cert_pem"),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(443),
            authority: authority.as_str().parse().with_context(wrong)?,
            name: ServerName::try_from(host.clone()).with_context(wrong)?,
            host,
            connector: tls::client_config(&upstream.ca_pem, identity)?.into(),
            has_identity: identity.is_some(),
        })
    }

    /// Sends a request on, over a connection of its own: a connection that was kept could fail for
    /// reasons that are none of the test's.
    pub(crate) async fn forward(
        &self,
        mut request: http::Request<Incoming>,
    ) -> anyhow::Result<Response<Incoming>> {
        let what = || format!("connect to the API server at {}:{}", self.host, self.port);
        let stream =
            TcpStream::connect((self.host.as_str(), self.port)).await.with_context(what)?;
        stream.set_nodelay(true).with_context(what)?;
        let stream = self.connector.connect(self.name.clone(), stream).await.with_context(what)?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.with_context(what)?;
        // It ends by itself once the answer is read or dropped; errors show in the answer.
        tokio::spawn(connection);

        *request.uri_mut() = match request.uri().path_and_query() {
            Some(path) => Uri::from(path.clone()),
            None => Uri::default(),
        };
        remove_connection_headers(request.headers_mut());
        request.headers_mut().remove(header::EXPECT);
        if self.has_identity {
            request.headers_mut().remove(header::AUTHORIZATION);
        }
        request.headers_mut().insert(header::HOST, self.authority.clone());
        let mut response = sender.send_request(request).await.context("the API server's answer")?;
        remove_connection_headers(response.headers_mut());
        Ok(response)
    }
}

/// What is about one connection and not about the request.
fn remove_connection_headers(headers: &mut HeaderMap) {
    const NAMES: [HeaderName; 4] =
        [header::CONNECTION, header::TRANSFER_ENCODING, header::TE, header::UPGRADE];
    for name in NAMES.iter().chain(&[HeaderName::from_static("keep-alive")]) {
        headers.remove(name);
    }
}
