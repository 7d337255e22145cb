//! Addresses of the APIs.

use std::fmt;

use http::Uri;

use crate::{Error, ErrorKind};

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
        Self { https: false, authority: "100.100.100.200".to_owned() }
    }

    fn https(authority: String) -> Self {
        Self { https: true, authority }
    }

    /// Parses `HOST[:PORT]` (https), `https://HOST[:PORT]` or `http://HOST[:PORT]`. `origin` says
    /// in errors where the text is from.
    pub(crate) fn parse(text: &str, origin: &str) -> Result<Self, Error> {
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
        if authority.as_str().contains('@') {
            let message = format!("the endpoint ({origin}) has a user or password in it");
            return Err(
                Error::new(ErrorKind::Usage, message).hint("credentials are found elsewhere")
            );
        }
        if uri.path() != "/" || uri.query().is_some() {
            return Err(wrong("it has a path"));
        }
        let port = if https { ":443" } else { ":80" };
        let authority = authority.as_str();
        let authority = authority.strip_suffix(port).unwrap_or(authority).to_owned();
        Ok(Self { https, authority })
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
        assert_eq!(Endpoint::parse(text, "a test").expect("an endpoint").to_string(), address);
    }

    #[rstest]
    #[case("")]
    #[case("ftp://slb.aliyuncs.com")]
    #[case("slb.aliyuncs.com/path")]
    #[case("slb.aliyuncs.com?x=y")]
    #[case("https://")]
    #[case("a b")]
    fn what_is_no_endpoint_is_refused_by_name(#[case] text: &str) {
        let error = Endpoint::parse(text, "--clb-endpoint").expect_err("no endpoint");
        assert_eq!(error.kind, ErrorKind::Usage);
        assert!(error.message.contains("--clb-endpoint"), "{error}");
    }

    #[test]
    fn a_password_in_an_endpoint_is_not_repeated() {
        let error = Endpoint::parse("http://ann:hunter2@host", "a flag").expect_err("a user");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }

    #[rstest]
    #[case("")]
    #[case("cn-hangzhou.evil.example/")]
    #[case("CN")]
    fn what_cannot_be_a_region_never_gets_into_a_host(#[case] text: &str) {
        assert_eq!(region(text, "a test").expect_err("no region").kind, ErrorKind::Usage);
    }
}
