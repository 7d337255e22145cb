//! Texts of others without the secrets that they may hold.
//!
//! A call of the cloud's API carries key, token and signature in its URL, and Go's errors of a
//! connection hold the whole URL: `Post "http://host/?AccessKeyId=…&Signature=…": EOF`. Whoever
//! reads such a text can send the call for 15 minutes, if it has not arrived.

/// What stands in the place of what is cut out.
const CUT: &str = "...";

/// Names of parameters whose values are secrets, or belong to one, in lower case.
const SECRET: [&str; 5] =
    ["accesskeyid", "accesskeysecret", "signature", "securitytoken", "security-token"];

/// How a parameter's value begins and where it ends, as it is and percent-encoded once and twice.
const ASSIGNMENTS: [(&str, &str); 3] = [("=", "&"), ("%3d", "%26"), ("%253d", "%2526")];

/// `text` without user, password and query of every URL in it, and without the values of parameters
/// such as `Signature` outside of one.
pub fn without_secrets(text: &str) -> String {
    without_queries(&without_values(text))
}

fn without_queries(text: &str) -> String {
    const SCHEME_END: &str = "://";
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(SCHEME_END) {
        clean.push_str(before);
        clean.push_str(SCHEME_END);
        rest = after;
        if before.ends_with(|c: char| c.is_ascii_alphanumeric()) {
            let (url, behind) = after.split_at(after.find(ends_url).unwrap_or(after.len()));
            push_url(&mut clean, url);
            rest = behind;
        }
    }
    clean.push_str(rest);
    clean
}

/// Adds a URL, given without its scheme.
fn push_url(clean: &mut String, url: &str) {
    let is_path = |c| matches!(c, '/' | '?' | '#');
    let (authority, rest) = url.split_at(url.find(is_path).unwrap_or(url.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => clean.extend([CUT, "@", host]),
        None => clean.push_str(authority),
    }
    let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
    // A path may hold another URL.
    clean.push_str(&without_queries(path));
    let (values, closing) = split_closing(query);
    clean.push_str(if values.len() > 1 { "?..." } else { values });
    clean.push_str(closing);
}

fn without_values(text: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut clean = String::with_capacity(text.len());
    let mut at = 0;
    while let Some((start, end)) = next_value(&lower, at) {
        clean.extend([text.get(at..start).unwrap_or_default(), CUT]);
        at = end;
    }
    clean.push_str(text.get(at..).unwrap_or_default());
    clean
}

/// Where the next value of a secret parameter begins and ends, from `at` on. `text` is in lower case.
fn next_value(text: &str, at: usize) -> Option<(usize, usize)> {
    let rest = text.get(at..)?;
    let starts = SECRET.iter().flat_map(|name| {
        rest.match_indices(name).filter_map(|(found, _)| {
            let start = found + name.len();
            let behind = rest.get(start..)?;
            let (sign, end) = ASSIGNMENTS.iter().find(|(sign, _)| behind.starts_with(sign))?;
            Some((start + sign.len(), *end))
        })
    });
    let (start, end) = starts.min()?;
    let behind = rest.get(start..)?;
    // A quoted value goes to the end of the quotes.
    let quote = behind.chars().next().filter(|c| matches!(c, '"' | '\''));
    let length = match quote {
        Some(quote) => behind.get(1..)?.find(quote).map_or(behind.len(), |length| length + 2),
        None => {
            let length = behind.find(ends_url).unwrap_or(behind.len());
            let value = behind.get(..length)?;
            split_closing(value.split(end).next().unwrap_or(value)).0.len()
        }
    };
    Some((at + start, at + start + length))
}

/// What no URL holds unencoded.
fn ends_url(c: char) -> bool {
    c.is_whitespace() || c.is_control() || matches!(c, '"' | '<' | '>' | '`' | '\\')
}

/// A value and the punctuation behind it.
fn split_closing(value: &str) -> (&str, &str) {
    let kept = value.trim_end_matches([',', ';', ':', ')', ']', '}', '\'']);
    value.split_at(kept.len())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::go(
        r#"Post "http://slb.aliyuncs.com/?AccessKeyId=key-a&Action=SetVServerGroupAttribute&Signature=a7Gs%3D&SignatureNonce=1": EOF"#,
        r#"Post "http://slb.aliyuncs.com/?...": EOF"#
    )]
    #[case::go_in_a_log(
        r#"error: Post \"http://slb/?AccessKeyId=k&Signature=s\": dial tcp: i/o timeout"#,
        r#"error: Post \"http://slb/?...\": dial tcp: i/o timeout"#
    )]
    #[case::plain("GET https://host:443/a/b?c=d failed", "GET https://host:443/a/b?... failed")]
    #[case::at_the_end("see https://host?c=d", "see https://host?...")]
    #[case::in_brackets(
        "(http://host/?c=d), [http://host/?e=f]",
        "(http://host/?...), [http://host/?...]"
    )]
    #[case::in_single_quotes("'http://host/?c=d': EOF", "'http://host/?...': EOF")]
    #[case::several("http://a/?b=c http://d/?e=f", "http://a/?... http://d/?...")]
    #[case::a_query_in_a_query("http://a/?b=http://c/?d=e&f=g h", "http://a/?... h")]
    #[case::a_url_in_a_path("http://a/http://u:p@b/?c=d", "http://a/http://...@b/?...")]
    #[case::user("http://ann:pw@proxy:3128: refused", "http://...@proxy:3128: refused")]
    #[case::user_and_query("x://a@b@host/?c", "x://...@host/?...")]
    #[case::pairs(
        "AccessKeyId=a, Signature=b; SecurityToken=c",
        "AccessKeyId=..., Signature=...; SecurityToken=..."
    )]
    #[case::joined("/?Action=X&Signature=b%3D&Version=1", "/?Action=X&Signature=...&Version=1")]
    #[case::any_case("signature=b SECURITYTOKEN=c", "signature=... SECURITYTOKEN=...")]
    #[case::quoted(
        r#"Signature="a b", 'x' SecurityToken='c d' e"#,
        "Signature=..., 'x' SecurityToken=... e"
    )]
    #[case::unclosed(r#"Signature="a b"#, "Signature=...")]
    #[case::encoded(
        "to sign is:POST&%2F&AccessKeyId%3Dkey%26Action%3DX",
        "to sign is:POST&%2F&AccessKeyId%3D...%26Action%3DX"
    )]
    #[case::encoded_twice(
        "SecurityToken%253Dtok%252B%2526V%253D1",
        "SecurityToken%253D...%2526V%253D1"
    )]
    #[case::escaped(r"Signature=ab\u0026Version=1", r"Signature=...\u0026Version=1")]
    #[case::nothing_there("Signature= &AccessKeyId=", "Signature=... &AccessKeyId=...")]
    fn secrets_are_cut_out(#[case] text: &str, #[case] clean: &str) {
        assert_eq!(without_secrets(text), clean);
    }

    #[rstest]
    #[case("Error syncing load balancer [lb-bp1example]: Message: the mapping is wrong. got=[[]]")]
    #[case("see https://host/path: it is there")]
    #[case("who? a://b what?")]
    #[case("the Signature is wrong; SignatureMethod=HMAC-SHA1")]
    #[case("ann@host ://x?y=z 负载均衡?")]
    #[case("")]
    fn another_text_stays_as_it_is(#[case] text: &str) {
        assert_eq!(without_secrets(text), text);
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_value_of_a_secret_parameter_gets_through(
                before in ".{0,20}",
                url in "(|http://h/\\?a=b&|Post \"https://h:1/p\\?x&|h/\\?)",
                name in "(Signature|AccessKeyId|SecurityToken|AccessKeySecret|x-acs-security-token)",
                sign in "(=|%3D|%253D|=\"|=')",
                value in "[A-Za-z0-9+/%=._~-]{0,20}SECRET[A-Za-z0-9+/=._~-]{1,20}",
                after in "(|[&,;)\"' ].{0,20})",
            ) {
                prop_assume!(!value.contains("%26") && !value.contains("%2526"));
                let text = format!("{before}{url}{name}{sign}{value}{after}");
                let clean = without_secrets(&text);
                prop_assert!(!clean.contains(&value), "{text:?} became {clean:?}");
            }

            #[test]
            fn no_text_makes_it_panic(text in any::<String>()) {
                without_secrets(&text);
            }

            #[test]
            fn no_text_with_urls_makes_it_panic(
                text in "(http://|://|\\?|@|/|Signature=|%3D|%26|&|\"|'|[äß网 ]|x){0,30}",
            ) {
                without_secrets(&text);
            }

            #[test]
            fn a_text_without_url_and_secret_parameter_is_not_changed(text in "[^:=%]*") {
                prop_assert_eq!(without_secrets(&text), text);
            }
        }
    }
}
