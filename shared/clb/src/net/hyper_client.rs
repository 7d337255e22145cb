//! The client that sends over the network.

use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use tokio::time::timeout;

use super::{HttpClient, HttpResponse, connector::ProxyConnector, tls};
use crate::{
    Error, ErrorKind,
    environment::Environment,
    error::{from_transport, timed_out},
};

/// The largest response that is read, in bytes.
const LARGEST: usize = 16 << 20;

type Connections = Client<HttpsConnector<ProxyConnector>, Full<Bytes>>;

/// HTTP over TCP and TLS.
pub(crate) struct HyperClient {
    environment: Arc<dyn Environment>,
    ca: Option<PathBuf>,
    /// Made at the first request: reading the system's certificates takes a while.
    client: OnceLock<Result<Connections, Error>>,
}

impl HyperClient {
    pub(crate) fn new(environment: Arc<dyn Environment>, ca: Option<PathBuf>) -> Self {
        Self { environment, ca, client: OnceLock::new() }
    }

    fn client(&self) -> Result<&Connections, Error> {
        let client = self.client.get_or_init(|| {
            let config = tls::config(self.ca.as_deref(), self.environment.as_ref())?;
            let connector =
                HttpsConnector::from((ProxyConnector::new(self.environment.as_ref()), config));
            // What was not sent may be sent anew; a write whose answer is missing never is.
            Ok(Client::builder(TokioExecutor::new()).build(connector))
        });
        client.as_ref().map_err(Clone::clone)
    }

    async fn exchange(&self, request: Request<Bytes>, server: &str) -> Result<HttpResponse, Error> {
        let sent = self.client()?.request(request.map(Full::new));
        let answer = sent.await.map_err(|error| from_transport(&error, server))?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LARGEST).collect().await.map_err(|error| {
            let message = format!("the answer of {server} broke off: {error}");
            Error::new(ErrorKind::ConnectionLost, message)
        })?;
        Ok(HttpResponse::new(head.status.as_u16(), &head.headers, body.to_bytes()))
    }
}

impl HttpClient for HyperClient {
    fn send(
        &self,
        request: Request<Bytes>,
        within: Duration,
    ) -> BoxFuture<'_, Result<HttpResponse, Error>> {
        let server = request.uri().authority().map(ToString::to_string).unwrap_or_default();
        Box::pin(async move {
            let exchange = self.exchange(request, &server);
            timeout(within, exchange).await.unwrap_or_else(|_| Err(timed_out(&server, within)))
        })
    }
}
