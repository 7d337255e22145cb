//! Addresses of the APIs.

use std::{fmt, net::IpAddr};

use http::Uri;

use crate::{Error, ErrorKind, environment::Environment};

/// Regions whose CLB API is at the central host (Alibaba Cloud's SDKs: endpoint map of `slb`). The
/// map's other entries for that host are of internal and closed regions.
const CENTRAL: [&str; 13] = [
    "ap-southeast-1",
    "cn-beijing",
    "cn-hangzhou",
    "cn-hangzhou-finance",
    "cn-hongkong",
    "cn-north-2-gov-1",
    "cn-qingdao",
    "cn-shanghai",
    "cn-shanghai-finance-1",
    "cn-shenzhen",
    "cn-shenzhen-finance-1",
    "us-east-1",
    "us-west-1",
];

/// The host of the metadata service, which no network but the instance's own leads to.
const METADATA: &str = "100.100.100.200";
/// The variable that allows `http://` to every host.
const ALLOW_HTTP: &str = "CLBMIGRATE_ALLOW_HTTP";

/// An API's address: scheme and authority, without path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    https: bool,
    authority: String,
}

impl Endpoint {
    /// The CLB API of a region; with `vpc`, its host inside VPCs.
    pub(crate) fn slb(region: &str, vpc: bool) -> Self {
        Self::https(if vpc {
            format!("slb-vpc.{region}.aliyuncs.com")
        } else if CENTRAL.contains(&region) {
            "slb.aliyuncs.com".to_owned()
        } else {
            format!("slb.{region}.aliyuncs.com")
        })
    }

    /// STS of a region, or the central one; with `vpc`, the region's host inside VPCs.
    pub(crate) fn sts(region: Option<&str>, vpc: bool) -> Self {
        Self::https(match (region, vpc) {
            (Some(region), true) => format!("sts-vpc.{region}.aliyuncs.com"),
            (Some(region), false) => format!("sts.{region}.aliyuncs.com"),
            (None, _) => "sts.aliyuncs.com".to_owned(),
        })
    }

    /// The metadata service, which only ECS instances reach.
    pub(crate) fn metadata() -> Self {
        Self { https: false, authority: METADATA.to_owned() }
    }

    fn https(authority: String) -> Self {
        Self { https: true, authority }
    }

    /// Parses `HOST[:PORT]` (https), `https://HOST[:PORT]` or `http://HOST[:PORT]`, the last as far
    /// as [`check_plain_http`] allows it. `origin` says in errors where the text is from.
    pub(crate) fn parse(
        text: &str,
        origin: &str,
        environment: &dyn Environment,
    ) -> Result<Self, Error> {
        if text.contains('@') {
            let message = format!("the endpoint ({origin}) has a user or password in it");
            return Err(
                Error::new(ErrorKind::Usage, message).hint("credentials are found elsewhere")
            );
        }
        let wrong = |why: &str| {
            Error::new(ErrorKind::Usage, format!("endpoint {text:?} ({origin}): {why}")).hint(
                "give HOST, HOST:PORT or http://HOST:PORT, such as slb.cn-chengdu.aliyuncs.com",
            )
        };
        let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
        let uri: Uri = whole.parse().map_err(|_| wrong("not an address"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(wrong("neither https nor http")),
        };
        let authority = uri.authority().ok_or_else(|| wrong("it has no host"))?;
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("it has a path"));
        }
        check_plain_http(&uri, &format!("endpoint {text:?} ({origin})"), environment)?;
        let port = if https { ":443" } else { ":80" };
        let authority = authority.as_str();
        let authority = authority.strip_suffix(port).unwrap_or(authority).to_owned();
        Ok(Self { https, authority })
    }

    /// Parses an STS endpoint as the CLI does: it takes the host, and always speaks https with it
    /// (aliyun-cli: `config/profile_test.go`, `TestNormalizeStsEndpointHost`).
    pub(crate) fn parse_host(
        text: &str,
        origin: &str,
        environment: &dyn Environment,
    ) -> Result<Self, Error> {
        let text = text.trim();
        let host = text.split_once("://").map_or(text, |(_, host)| host);
        Self::parse(host, origin, environment)
    }

    /// The value of the header `Host`, which is signed.
    pub(crate) fn host(&self) -> &str {
        &self.authority
    }

    /// The URL of a path with its query.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{self}{path}")
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.https { "https" } else { "http" }, self.authority)
    }
}

/// Refuses `http://`, which sends tokens in clear, except to this machine itself and to the metadata
/// service, or where `CLBMIGRATE_ALLOW_HTTP` is `true`. `what` names the address in the error.
pub(crate) fn check_plain_http(
    uri: &Uri,
    what: &str,
    environment: &dyn Environment,
) -> Result<(), Error> {
    let is_local = uri.host().is_some_and(is_local);
    if uri.scheme_str() != Some("http") || is_local || environment.is_true(&[ALLOW_HTTP]) {
        return Ok(());
    }
    let message = format!("{what}: http:// would send tokens in clear");
    Err(Error::new(ErrorKind::Usage, message)
        .hint("use https://; http:// is for this machine and for the instance metadata")
        .hint(format!("set {ALLOW_HTTP}=true where the network in between is trusted")))
}

/// Whether what is sent to the host stays on this machine, or goes to the metadata service.
fn is_local(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == METADATA
        || host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback())
}

/// Checks a region's id, which becomes part of a host's name. `origin` says in errors where it is
/// from.
pub(crate) fn region(text: &str, origin: &str) -> Result<String, Error> {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !text.is_empty() && text.chars().all(fits) {
        return Ok(text.to_owned());
    }
    Err(Error::new(ErrorKind::Usage, format!("{text:?} is no region ({origin})"))
        .hint("a region looks like cn-hangzhou"))
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::testing::FakeEnvironment;

    fn parse(text: &str) -> Result<Endpoint, Error> {
        Endpoint::parse(text, "--clb-endpoint", &FakeEnvironment::new())
    }

    #[rstest]
    #[case("cn-hangzhou", false, "https://slb.aliyuncs.com")]
    #[case("cn-chengdu", false, "https://slb.cn-chengdu.aliyuncs.com")]
    #[case("cn-hangzhou", true, "https://slb-vpc.cn-hangzhou.aliyuncs.com")]
    fn a_region_has_its_host(#[case] region: &str, #[case] vpc: bool, #[case] address: &str) {
        assert_eq!(Endpoint::slb(region, vpc).to_string(), address);
    }

    #[rstest]
    #[case("slb.aliyuncs.com", "https://slb.aliyuncs.com")]
    #[case("https://slb.aliyuncs.com:443/", "https://slb.aliyuncs.com")]
    #[case("127.0.0.1:8080", "https://127.0.0.1:8080")]
    #[case("http://127.0.0.1:8080", "http://127.0.0.1:8080")]
    #[case("http://[::1]:80", "http://[::1]")]
    fn an_endpoint_is_taken_as_it_is_written(#[case] text: &str, #[case] address: &str) {
        assert_eq!(parse(text).expect("an endpoint").to_string(), address);
    }

    #[rstest]
    #[case("")]
    #[case("ftp://slb.aliyuncs.com")]
    #[case("slb.aliyuncs.com/path")]
    #[case("slb.aliyuncs.com?x=y")]
    #[case("https://")]
    #[case("a b")]
    fn what_is_no_endpoint_is_refused_by_name(#[case] text: &str) {
        let error = parse(text).expect_err("no endpoint");
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.message.contains("--clb-endpoint"), "{error}");
    }

    #[rstest]
    #[case("http://ann:hunter2@host")]
    #[case("ftp://ann:hunter2@host")]
    #[case("ann:hunter2@host/path")]
    #[case("ann:hunter2@ho st")]
    fn a_password_in_an_endpoint_is_not_repeated(#[case] text: &str) {
        let error = parse(text).expect_err("a user");
        assert!(!format!("{error:?}").contains("hunter2"), "{error}");
    }

    #[rstest]
    #[case("http://127.0.0.1:8080")]
    #[case("http://127.1.2.3")]
    #[case("http://[::1]:8080")]
    #[case("http://[::ffff:127.0.0.1]")]
    #[case("http://localhost:8080")]
    #[case("http://LOCALHOST")]
    #[case("http://100.100.100.200")]
    fn http_is_for_this_machine_and_for_the_metadata(#[case] text: &str) {
        parse(text).expect("a local endpoint");
    }

    #[rstest]
    #[case("http://slb.aliyuncs.com")]
    #[case("HTTP://slb.aliyuncs.com")]
    #[case("http://10.0.0.1:8080")]
    #[case("http://100.100.100.201")]
    #[case("http://[fd00::1]")]
    #[case("http://127.0.0.1.example.com")]
    #[case("http://localhost.example.com")]
    #[case("http://0.0.0.0")]
    fn http_to_another_host_is_refused_and_the_error_says_how_to_allow_it(#[case] text: &str) {
        let error = parse(text).expect_err("tokens in clear");
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.message.contains("(--clb-endpoint): http://"), "{error}");
        assert!(error.hints[1].contains("CLBMIGRATE_ALLOW_HTTP=true"), "{:?}", error.hints);
        let allowing = FakeEnvironment::new().variable("CLBMIGRATE_ALLOW_HTTP", "true");
        Endpoint::parse(text, "a test", &allowing).expect("allowed");
        let not_allowing = FakeEnvironment::new().variable("CLBMIGRATE_ALLOW_HTTP", "");
        Endpoint::parse(text, "a test", &not_allowing).expect_err("not allowed");
    }

    #[rstest]
    #[case("sts.aliyuncs.com")]
    #[case("http://sts.aliyuncs.com")]
    #[case("  https://sts.aliyuncs.com/  ")]
    fn of_an_sts_endpoint_the_host_counts(#[case] text: &str) {
        let endpoint = Endpoint::parse_host(text, "a test", &FakeEnvironment::new());
        assert_eq!(endpoint.expect("an endpoint").to_string(), "https://sts.aliyuncs.com");
    }

    #[rstest]
    #[case("")]
    #[case("cn-hangzhou.evil.example/")]
    #[case("CN")]
    fn what_cannot_be_a_region_never_gets_into_a_host(#[case] text: &str) {
        assert_eq!(region(text, "a test").expect_err("no region").kind, ErrorKind::Usage);
    }
}
