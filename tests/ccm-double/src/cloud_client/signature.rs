//! The signature of the cloud API's older kind, as CCM's SDK makes it: HMAC-SHA1 over the sorted query.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

/// A text that nobody has used before: of a signature, or of a call that shall happen once.
pub(super) fn nonce() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

/// The signature of parameters under a secret.
pub(crate) fn signature(method: &str, parameters: &[(String, String)], secret: &str) -> String {
    let text = format!("{method}&%2F&{}", escape(&query(parameters)));
    // The algorithm is the API's choice; its name says that it is too weak for anything new.
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, format!("{secret}&").as_bytes());
    STANDARD.encode(hmac::sign(&key, text.as_bytes()))
}

/// Parameters as a query string, sorted by name.
pub(crate) fn query(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().collect();
    sorted.sort();
    let pairs: Vec<_> =
        sorted.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
    pairs.join("&")
}

/// RFC 3986: everything but letters, digits and `-_.~` is escaped.
fn escape(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the API's documentation, request `DescribeRegions` of ECS.
    #[test]
    fn the_documented_example_is_signed_as_documented() {
        let parameters = [
            ("Timestamp", "2016-02-23T12:46:24Z"),
            ("Format", "XML"),
            ("AccessKeyId", "testid"),
            ("Action", "DescribeRegions"),
            ("SignatureMethod", "HMAC-SHA1"),
            ("SignatureNonce", "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf"),
            ("Version", "2014-05-26"),
            ("SignatureVersion", "1.0"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(signature("GET", &parameters, "testsecret"), "OLeaidS1JvxuMvnyHOwuJ+uX5qY=");
    }

    #[test]
    fn what_is_not_plain_is_escaped() {
        assert_eq!(escape("a b*~/ü[]"), "a%20b%2A~%2F%C3%BC%5B%5D");
    }
}
