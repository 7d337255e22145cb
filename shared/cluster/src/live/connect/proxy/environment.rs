//! The proxies of the environment, by the rules of Go (Go 1.26: net/http, `ProxyFromEnvironment`,
//! which is golang.org/x/net/http/httpproxy), for kubectl has no others.

use std::env;

use http::{Uri, uri::Scheme};

use super::{
    super::{Error, ErrorKind, url::Url},
    Proxy, ProxyKind, no_proxy,
};

/// A variable that is set and not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Variable {
    name: &'static str,
    value: String,
}

/// What the environment says of proxies. `ALL_PROXY` is not among it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Of servers with `http`.
    http: Option<Variable>,
    /// Of servers with `https`.
    https: Option<Variable>,
    /// Which servers are reached without.
    no_proxy: String,
    /// Whether this is a CGI program, whose `HTTP_PROXY` a client may have set.
    is_cgi: bool,
}

impl Environment {
    /// That of this process.
    pub fn of_process() -> Self {
        Self::new(|name| env::var_os(name).map(|value| value.to_string_lossy().into_owned()))
    }

    /// With variables from anywhere. The first of two names that is not empty counts.
    pub fn new(get: impl Fn(&str) -> Option<String>) -> Self {
        let any = |names: [&'static str; 2]| {
            names.into_iter().find_map(|name| {
                let value = get(name).filter(|value| !value.is_empty())?;
                Some(Variable { name, value })
            })
        };
        Self {
            http: any(["HTTP_PROXY", "http_proxy"]),
            https: any(["HTTPS_PROXY", "https_proxy"]),
            no_proxy: any(["NO_PROXY", "no_proxy"]).map(|of| of.value).unwrap_or_default(),
            is_cgi: get("REQUEST_METHOD").is_some_and(|value| !value.is_empty()),
        }
    }

    /// The proxy before a server; `None` where there is none.
    ///
    /// # Errors
    /// The variable for it holds no proxy's address, or must not be believed.
    pub fn proxy_for(&self, server: &Uri) -> Result<Option<Proxy>, Error> {
        let is_http = server.scheme() == Some(&Scheme::HTTP);
        let variable = if is_http { &self.http } else { &self.https };
        let Some(variable) = variable else { return Ok(None) };
        let refused = |message: String| Err(Error::new(ErrorKind::Kubeconfig, message));
        let name = variable.name;
        let read = read(&variable.value);
        if is_http && self.is_cgi {
            return refused(format!(
                "{name} is not believed where REQUEST_METHOD is set: in a CGI program whoever sends the request chooses it"
            ));
        }
        let host = server.host().unwrap_or_default();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let port = server.port_u16().unwrap_or(if is_http { 80 } else { 443 });
        if no_proxy::is_reached_without(&self.no_proxy, host, port) {
            return Ok(None);
        }
        match read {
            Ok(proxy) => Ok(Some(proxy)),
            Err(why) => refused(format!("the variable {name} holds no proxy's address: {why}")),
        }
    }
}

fn read(text: &str) -> Result<Proxy, &'static str> {
    let url = match Url::parse(text) {
        Ok(url) if !url.scheme.is_empty() && !url.host.is_empty() => url,
        // Go reads `http://http://p:x` then, and looks for a proxy called http.
        read if text.contains("://") => return Err(read.err().unwrap_or("it has no host")),
        _ => Url::parse(&format!("http://{text}"))?,
    };
    let kind = match url.scheme.as_str() {
        "https" => ProxyKind::Https,
        "socks5" | "socks5h" => ProxyKind::Socks5,
        // Any other scheme is spoken to as http is (Go: net/http, `dialConn`).
        _ => ProxyKind::Http,
    };
    Proxy::new(kind, &url)
}
