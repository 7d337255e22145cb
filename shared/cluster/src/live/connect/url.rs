//! Addresses of servers and proxies, read as Go reads them (Go 1.26: net/url), for kubectl takes them
//! so.

/// A URL, as far as connections need it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Url {
    /// In lower case; empty where there is none.
    pub scheme: String,
    /// User and password, decoded; a password that is left out is `None`.
    pub user: Option<(String, Option<String>)>,
    /// The host without port; an IPv6 address in brackets. Empty where there is none.
    pub host: String,
    /// What stands behind the host's colon; `None` without a colon.
    pub port: Option<String>,
    /// The path as it is written.
    pub path: String,
}

impl Url {
    /// Reads a URL. What is wrong with it is told without quoting it, for it may hold a password.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let text = text.split('#').next().unwrap_or_default();
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return Err("it holds a control character");
        }
        let (scheme, rest) = scheme(text)?;
        let scheme = scheme.to_ascii_lowercase();
        let rest = rest.split('?').next().unwrap_or_default();
        if !rest.starts_with('/') {
            if !scheme.is_empty() {
                // What Go calls opaque: it has no host.
                return Ok(Self { scheme, ..Self::default() });
            }
            if rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
                return Err("its first part holds a colon");
            }
        }
        let mut url = Self { scheme, ..Self::default() };
        let has_authority = !url.scheme.is_empty() || !rest.starts_with("///");
        match rest.strip_prefix("//").filter(|_| has_authority) {
            None => rest.clone_into(&mut url.path),
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                path.clone_into(&mut url.path);
                let (user, host) = match authority.rsplit_once('@') {
                    Some((user, host)) => (Some(user), host),
                    None => (None, authority),
                };
                (url.host, url.port) = host_and_port(&url.scheme, host)?;
                url.user = user.map(user_and_password).transpose()?;
            }
        }
        decoded(&url.path)?;
        Ok(url)
    }

    /// The host without brackets, as a name or an address.
    pub fn hostname(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// The port that is written; `None` also where nothing stands behind the colon.
    pub fn written_port(&self) -> Option<&str> {
        self.port.as_deref().filter(|port| !port.is_empty())
    }

    /// The port, by default that of the scheme (Go: net/http, portMap).
    pub fn port(&self) -> &str {
        self.written_port().unwrap_or(match self.scheme.as_str() {
            "http" => "80",
            "https" => "443",
            "socks5" | "socks5h" => "1080",
            _ => "",
        })
    }
}

/// The scheme, and what follows its colon.
fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    for (at, letter) in text.char_indices() {
        match letter {
            'a'..='z' | 'A'..='Z' => {}
            '0'..='9' | '+' | '-' | '.' if at > 0 => {}
            ':' if at == 0 => return Err("it has no scheme before its colon"),
            ':' => {
                let (scheme, rest) = text.split_at(at);
                return Ok((scheme, rest.strip_prefix(':').unwrap_or_default()));
            }
            _ => break,
        }
    }
    Ok(("", text))
}

fn host_and_port(scheme: &str, text: &str) -> Result<(String, Option<String>), &'static str> {
    let (host, port) = match text.rfind('[') {
        Some(0) => {
            let Some(end) = text.rfind(']') else { return Err("it has no ] after its address") };
            text.split_at(end + 1)
        }
        Some(_) => return Err("its address in brackets does not begin with the bracket"),
        // Other schemes may list hosts (Go issue 78077).
        None if matches!(scheme, "http" | "https") => {
            text.split_at(text.find(':').unwrap_or(text.len()))
        }
        None => text.split_at(text.rfind(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.to_owned()),
        None if port.is_empty() => None,
        _ => return Err("its port is no number"),
    };
    let is_host = |byte: u8| {
        !byte.is_ascii()
            || byte.is_ascii_alphanumeric()
            || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte)
    };
    if !host.bytes().all(is_host) {
        return Err("its host holds a character that no host has");
    }
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or(address);
        let address = address.split("%25").next().unwrap_or_default();
        if address.parse::<std::net::Ipv6Addr>().is_err() {
            return Err("what stands in brackets is no IPv6 address");
        }
    } else if host.contains('%') && decoded(host)?.is_ascii() {
        return Err("its host is escaped");
    }
    Ok((host.to_owned(), port))
}

fn user_and_password(text: &str) -> Result<(String, Option<String>), &'static str> {
    let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(is_fine) {
        return Err("its user or password holds a character that has to be escaped");
    }
    match text.split_once(':') {
        None => Ok((decoded(text)?, None)),
        Some((user, password)) => Ok((decoded(user)?, Some(decoded(password)?))),
    }
}

/// A text with its percent escapes decoded.
fn decoded(text: &str) -> Result<String, &'static str> {
    let wrong = "it holds a % without two hexadecimal digits";
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(wrong)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(wrong);
        }
        bytes.push(u8::from_str_radix(digits, 16).map_err(|_| wrong)?);
        bytes.extend(rest.bytes());
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case("https://10.0.0.1:6443/a/b?c#d", "https", "10.0.0.1", Some("6443"), "/a/b")]
    #[case("HTTP://[::1]:80", "http", "[::1]", Some("80"), "")]
    #[case("http://host:", "http", "host", Some(""), "")]
    #[case("localhost:6443", "localhost", "", None, "")]
    #[case("host", "", "", None, "host")]
    #[case("//host/x", "", "host", None, "/x")]
    #[case("", "", "", None, "")]
    fn the_parts_of_a_url_are_read(
        #[case] text: &str,
        #[case] scheme: &str,
        #[case] host: &str,
        #[case] port: Option<&str>,
        #[case] path: &str,
    ) {
        let url = Url::parse(text).expect("a URL");
        assert_eq!((url.scheme.as_str(), url.host.as_str()), (scheme, host));
        assert_eq!((url.port.as_deref(), url.path.as_str()), (port, path));
    }

    #[rstest]
    #[case("127.0.0.1:6443")]
    #[case("[::1]:6443")]
    #[case("http://[::1")]
    #[case("http://::1/")]
    #[case("http://a:b")]
    #[case("http://a b")]
    #[case("http://a\tb")]
    #[case("http://%41")]
    #[case("http://u%zz@a")]
    #[case(":1")]
    fn what_go_refuses_is_refused(#[case] text: &str) {
        assert!(Url::parse(text).is_err(), "{text}");
    }

    #[rstest]
    #[case("http://ann:p%40ss%3Aw@proxy:1", "ann", Some("p@ss:w"))]
    #[case("http://ann@proxy:1", "ann", None)]
    #[case("http://a@b:c@proxy:1", "a@b", Some("c"))]
    fn user_and_password_are_decoded(
        #[case] text: &str,
        #[case] user: &str,
        #[case] password: Option<&str>,
    ) {
        let url = Url::parse(text).expect("a URL");
        assert_eq!(url.user, Some((user.to_owned(), password.map(str::to_owned))));
    }

    proptest! {
        #[test]
        fn properties_nothing_breaks_the_reader(text in any::<String>(), url in "[a-z:/@\\[\\]%?#.0-9]*") {
            let _ = Url::parse(&text);
            let _ = Url::parse(&url);
        }
    }
}
