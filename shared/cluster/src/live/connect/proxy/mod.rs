//! Which proxy stands before an API server: the kubeconfig's `proxy-url`, else the environment's.

mod environment;
mod no_proxy;

use http::Uri;

use super::{Error, ErrorKind, url::Url};

pub(super) use self::environment::Environment;

/// A proxy.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Proxy {
    /// How it is spoken to.
    pub kind: ProxyKind,
    /// Where it is, with a port and without a user.
    pub uri: Uri,
    /// User and password, decoded.
    pub user: Option<(String, String)>,
}

/// How a proxy is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProxyKind {
    /// `CONNECT`, in the clear.
    Http,
    /// `CONNECT`, through TLS.
    Https,
    /// SOCKS 5; the proxy looks names up (Go: net/http has one for `socks5` and `socks5h`).
    Socks5,
}

impl Proxy {
    fn new(kind: ProxyKind, url: &Url) -> Result<Self, &'static str> {
        if url.hostname().is_empty() {
            return Err("it has no host");
        }
        let port = url.port();
        if port.is_empty() {
            return Err("it has no port");
        }
        if port.parse::<u16>().is_err() {
            return Err("its port is larger than 65535");
        }
        let scheme = match kind {
            ProxyKind::Http => "http",
            ProxyKind::Https => "https",
            ProxyKind::Socks5 => "socks5",
        };
        let uri = Uri::builder().scheme(scheme).authority(format!("{}:{port}", url.host));
        let uri = uri.path_and_query("/").build();
        let uri = uri.map_err(|_| "it holds characters that no URL has")?;
        let user = url.user.clone().map(|(user, password)| (user, password.unwrap_or_default()));
        Ok(Self { kind, uri, user })
    }

    /// The proxy of a cluster's `proxy-url` (client-go 0.36: clientcmd/helpers.go,
    /// `parseProxyURL`). It counts for every server, also for `localhost` and whatever `NO_PROXY`
    /// says.
    ///
    /// # Errors
    /// It is no URL of a proxy.
    pub fn of_cluster(text: &str, cluster: &str) -> Result<Self, Error> {
        let read = Url::parse(text).and_then(|url| {
            let kind = match url.scheme.as_str() {
                "http" => ProxyKind::Http,
                "https" => ProxyKind::Https,
                "socks5" => ProxyKind::Socks5,
                _ => return Err("it begins with none of http://, https:// and socks5://"),
            };
            Self::new(kind, &url)
        });
        read.map_err(|why| {
            let message = format!("proxy-url of cluster {cluster:?} is no proxy's URL: {why}");
            Error::new(ErrorKind::Kubeconfig, message)
        })
    }

    /// The proxy in words, without its user.
    pub fn in_words(&self) -> String {
        self.uri.to_string()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use rstest::rstest;
    use serde::Deserialize;

    use super::*;

    /// A row of what Go does; `go/main.go` writes them.
    #[derive(Debug, Deserialize)]
    struct Row {
        environment: BTreeMap<String, String>,
        server: String,
        proxy: String,
    }

    fn taken(environment: &BTreeMap<String, String>, server: &str) -> Result<Option<Proxy>, Error> {
        let server = super::super::server::server(server, "cluster c").expect("a server");
        Environment::new(|name| environment.get(name).cloned()).proxy_for(&server.uri)
    }

    #[test]
    fn the_environments_proxies_are_those_of_go() {
        let rows: Vec<Row> = serde_json::from_str(include_str!("go/proxies.json")).expect("rows");
        assert!(rows.len() > 300);
        for row in rows {
            let proxy = match taken(&row.environment, &row.server) {
                Err(_) => "refused".to_owned(),
                Ok(None) => "none".to_owned(),
                Ok(Some(proxy)) => {
                    let host = proxy.uri.host().expect("a host");
                    let host = host.trim_matches(['[', ']']);
                    let port = proxy.uri.port_u16().expect("a port");
                    let (user, password) = proxy.user.clone().unwrap_or_default();
                    format!("{:?} {host} {port} {user:?} {password:?}", proxy.kind)
                }
            };
            let go = match row.proxy.split_once(' ') {
                None => row.proxy.clone(),
                // Go goes to port 80 of this machine.
                Some(("http", rest)) if rest.starts_with(' ') => "refused".to_owned(),
                Some(("socks5" | "socks5h", rest)) => format!("Socks5 {rest}"),
                Some(("https", rest)) => format!("Https {rest}"),
                Some((_, rest)) => format!("Http {rest}"),
            };
            assert_eq!(proxy, go, "{row:?}");
        }
    }

    #[rstest]
    #[case::no_port("http://ann:s3cr3t@p:x", "no number")]
    #[case::no_host("http://", "no host")]
    #[case::a_large_port("p:70000", "larger than 65535")]
    #[case::a_blank("my proxy", "no host has")]
    #[case::an_unknown_scheme_without_a_port("ftp://p", "no port")]
    fn a_variable_that_holds_no_proxy_is_named(#[case] value: &str, #[case] why: &str) {
        for name in ["HTTPS_PROXY", "https_proxy"] {
            let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            let error = taken(&environment, "https://10.0.0.1").err().expect("a refusal");
            assert!(error.message.contains(name), "{error}");
            assert!(error.message.contains(why), "{error}");
            assert!(!error.message.contains("s3cr3t"), "{error}");
        }
    }

    #[rstest]
    #[case("http://p:1", Some("http://p:1/"))]
    #[case("https://ann:s3cr3t@p", Some("https://p:443/"))]
    #[case("socks5://p", Some("socks5://p:1080/"))]
    #[case::no_scheme("p:1", None)]
    #[case::not_in_kubeconfigs("socks5h://p:1", None)]
    #[case::another_scheme("ftp://p:1", None)]
    #[case::no_host("http:", None)]
    fn the_proxy_of_a_cluster_has_a_scheme(#[case] text: &str, #[case] proxy: Option<&str>) {
        let read = Proxy::of_cluster(text, "c").map(|proxy| proxy.in_words());
        assert_eq!(read.ok().as_deref(), proxy);
    }

    proptest! {
        #[test]
        fn properties_no_environment_breaks_the_reader(
            proxy in "[a-z:/@\\[\\]%.0-9 ]*",
            list in "[a-z:/*\\[\\]%.,0-9 ]*",
            host in "[a-z0-9.]{1,9}",
        ) {
            let environment = BTreeMap::from([
                ("HTTPS_PROXY".to_owned(), proxy),
                ("NO_PROXY".to_owned(), list),
            ]);
            let _ = taken(&environment, &format!("https://{host}"));
        }
    }
}
