//! Where the API server is.

use http::{Uri, uri::Scheme};

use super::{Error, ErrorKind, url::Url};

/// The API server's address.
#[derive(Debug)]
pub(super) struct Server {
    /// The URL below which all requests stand, with a port and without a user.
    pub uri: Uri,
    /// The user and the password of the URL, which Go sends where there is no other credential
    /// (Go: net/http, `send`).
    pub user: Option<(String, Option<String>)>,
}

/// Reads the server of a cluster. An address without scheme means `http`, as for kubectl
/// (client-go 0.36: `rest/url_utils.go`; `ClientConfig` asks before it knows of certificates).
///
/// # Errors
/// It is no address.
pub(super) fn server(text: &str, whose: &str) -> Result<Server, Error> {
    let refused = |why: &str| {
        let shown = shown(text);
        let message = format!("server {shown:?} of {whose} is no address of an API server: {why}");
        Error::new(ErrorKind::Kubeconfig, message)
            .hint("it is a URL, for example https://10.0.0.1:6443")
    };
    let url = match Url::parse(text) {
        Ok(url) if !url.scheme.is_empty() && !url.host.is_empty() => url,
        read if text.contains("://") => {
            return Err(refused(read.err().unwrap_or("it has no host")));
        }
        _ => {
            let url = Url::parse(&format!("http://{text}")).map_err(refused)?;
            if !matches!(url.path.as_str(), "" | "/") {
                return Err(refused("an address with a path begins with https:// or http://"));
            }
            url
        }
    };
    if !matches!(url.scheme.as_str(), "http" | "https") {
        return Err(refused("its scheme is neither https nor http"));
    }
    let port = url.port();
    if port.parse::<u16>().is_err() {
        return Err(refused("its port is larger than 65535"));
    }
    if url.hostname().is_empty() {
        return Err(refused("it has no host"));
    }
    // A path prefix is joined with those of requests; what follows ? or # is not (client-go).
    let path = url.path.trim_end_matches('/');
    let uri = Uri::builder()
        .scheme(url.scheme.as_str())
        .authority(format!("{}:{port}", url.host))
        .path_and_query(if path.is_empty() { "/" } else { path })
        .build()
        .map_err(|_| refused("it holds characters that no URL has"))?;
    Ok(Server { uri, user: url.user })
}

/// A server as people write it: without the port that its scheme means, and without a slash at its
/// end.
pub(super) fn in_words(server: &Uri) -> String {
    let text = server.to_string();
    let text = text.trim_end_matches('/');
    let usual = if server.scheme() == Some(&Scheme::HTTP) { ":80" } else { ":443" };
    let Some(authority) = server.authority() else { return text.to_owned() };
    match authority.as_str().strip_suffix(usual) {
        Some(host) => text.replacen(authority.as_str(), host, 1),
        None => text.to_owned(),
    }
}

/// The URL of a request.
pub(super) fn join(server: &Uri, request: &Uri) -> Result<Uri, http::Error> {
    let path = request.path_and_query().map_or("/", |path| path.as_str());
    let mut parts = server.clone().into_parts();
    let prefix = server.path().trim_end_matches('/');
    parts.path_and_query = Some(format!("{prefix}{path}").parse().map_err(http::Error::from)?);
    Ok(Uri::from_parts(parts)?)
}

/// The text of an address without user and password.
fn shown(text: &str) -> String {
    let (scheme, rest) = text.split_once("://").map_or(("", text), |(scheme, rest)| (scheme, rest));
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let colon = if scheme.is_empty() { "" } else { "://" };
    format!("{scheme}{colon}{host}{path}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://10.0.0.1:6443", "https://10.0.0.1:6443")]
    #[case("https://10.0.0.1:6443/", "https://10.0.0.1:6443")]
    #[case("https://host", "https://host")]
    #[case("https://host:443", "https://host")]
    #[case("http://host:80/x", "http://host/x")]
    #[case("127.0.0.1:6443", "http://127.0.0.1:6443")]
    #[case("host", "http://host")]
    #[case("localhost:8080", "http://localhost:8080")]
    #[case("[::1]:6443", "http://[::1]:6443")]
    #[case("https://[fd00::1]/k8s/clusters/c-1/", "https://[fd00::1]/k8s/clusters/c-1")]
    #[case("https://host:6443/prefix?a=b#c", "https://host:6443/prefix")]
    fn a_server_is_read_as_kubectl_reads_it(#[case] text: &str, #[case] address: &str) {
        assert_eq!(in_words(&server(text, "cluster c").expect("an address").uri), address);
    }

    #[rstest]
    #[case::a_path_without_scheme("host:6443/prefix", "begins with https://")]
    #[case::another_scheme("ftp://host", "neither https nor http")]
    #[case::no_host("https://", "has no host")]
    #[case::a_large_port("https://host:65536", "larger than 65535")]
    #[case::a_blank("https://ho st", "no host has")]
    #[case::an_open_bracket("https://[::1", "no ]")]
    #[case::a_password("https://ann:s3cr3t@host:x", "no number")]
    fn what_is_no_address_is_named_with_its_cluster(#[case] text: &str, #[case] why: &str) {
        let error = server(text, "cluster c").expect_err("no address");
        assert!(error.message.contains(why), "{error}");
        assert!(error.message.contains("cluster c"), "{error}");
        assert!(!error.message.contains("s3cr3t"), "{error}");
    }

    #[rstest]
    #[case("https://host:1/", "/api?x=1", "https://host:1/api?x=1")]
    #[case("https://host:1/a/b", "/api", "https://host:1/a/b/api")]
    fn requests_stand_below_the_path_of_the_server(
        #[case] server: &str,
        #[case] request: &str,
        #[case] url: &str,
    ) {
        let (server, request) = (server.parse().expect("a URI"), request.parse().expect("a URI"));
        assert_eq!(join(&server, &request).expect("a URI").to_string(), url);
    }

    proptest! {
        #[test]
        fn properties_no_server_breaks_the_reader(text in any::<String>(), url in "[a-z:/@\\[\\]%?#.0-9]*") {
            for text in [&text, &url] {
                if let Ok(server) = server(text, "cluster c") {
                    in_words(&server.uri);
                    prop_assert!(join(&server.uri, &Uri::from_static("/api?x=1")).is_ok());
                }
            }
        }
    }
}
