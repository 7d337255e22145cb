//! TCP connections, through a proxy where the environment names one.

use std::{
    error::Error as StdError,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::{
    client::{
        legacy::connect::{
            HttpConnector,
            proxy::{SocksV5, Tunnel},
        },
        proxy::matcher::{Intercept, Matcher},
    },
    rt::TokioIo,
};
use tokio::net::TcpStream;
use tower_service::Service;

use crate::environment::Environment;

/// The time limit for a connection to be made.
const CONNECT: Duration = Duration::from_secs(5);

/// Opens connections, through the proxy of `HTTPS_PROXY` unless `NO_PROXY` matches, as programs in Go
/// do. They do not know `ALL_PROXY`, which often names a proxy for something else.
#[derive(Clone)]
pub(super) struct ProxyConnector {
    tcp: HttpConnector,
    proxies: Arc<Matcher>,
}

type BoxError = Box<dyn StdError + Send + Sync>;

impl ProxyConnector {
    /// `HTTPS_PROXY` counts for https alone: `http://` is for this machine and for the instance
    /// metadata, which no proxy could reach.
    pub(super) fn new(environment: &dyn Environment) -> Self {
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT));
        let value = |names: [&str; 2]| environment.value(&names).unwrap_or_default();
        let proxies = Matcher::builder()
            .https(value(["HTTPS_PROXY", "https_proxy"]))
            .no(value(["NO_PROXY", "no_proxy"]))
            .build();
        Self { tcp, proxies: Arc::new(proxies) }
    }
}

impl Service<Uri> for ProxyConnector {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.tcp.poll_ready(context).map_err(Into::into)
    }

    fn call(&mut self, to: Uri) -> Self::Future {
        let Some(proxy) = self.proxies.intercept(&to) else {
            let connecting = self.tcp.call(to);
            return Box::pin(async move { connecting.await.map_err(Into::into) });
        };
        match proxy.uri().scheme_str() {
            Some("http") => {
                let connecting = tunnel(&proxy, self.tcp.clone()).call(to);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            Some("socks5" | "socks5h") => {
                let connecting = socks(&proxy, self.tcp.clone()).call(to);
                Box::pin(async move { connecting.await.map_err(Into::into) })
            }
            _ => Box::pin(async {
                Err("the proxy that HTTPS_PROXY names is neither http:// nor socks5://".into())
            }),
        }
    }
}

fn tunnel(proxy: &Intercept, tcp: HttpConnector) -> Tunnel<HttpConnector> {
    let tunnel = Tunnel::new(proxy.uri().clone(), tcp);
    match proxy.basic_auth() {
        Some(header) => tunnel.with_auth(header.clone()),
        None => tunnel,
    }
}

/// SOCKS 5; the proxy looks up the host's name, as in Go for `socks5` and `socks5h` alike.
fn socks(proxy: &Intercept, tcp: HttpConnector) -> SocksV5<HttpConnector> {
    let socks = SocksV5::new(proxy.uri().clone(), tcp);
    match proxy.raw_auth() {
        Some((user, password)) => socks.with_auth(user.to_owned(), password.to_owned()),
        None => socks,
    }
}
