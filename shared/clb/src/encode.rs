//! Percent-encoding as the APIs' signature wants it (RFC 3986).

use std::fmt::Write as _;

/// Text with everything but letters, digits and `-_.~` as `%XX` in upper case, byte by byte.
pub(crate) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            encoded.push(char::from(byte));
        } else {
            // Writing to a string cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// `name=value&…`, encoded, sorted by name: the canonical query, and what is sent.
pub(crate) fn query(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<_> = parameters.iter().collect();
    sorted.sort();
    let pairs: Vec<String> = sorted
        .into_iter()
        .map(|(name, value)| format!("{}={}", percent(name), percent(value)))
        .collect();
    pairs.join("&")
}

/// The bytes as lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The opposite of [`percent`], written apart from it.
    fn decoded(text: &str) -> String {
        let mut bytes = Vec::new();
        let mut rest = text.as_bytes();
        while let Some((&first, after)) = rest.split_first() {
            if first == b'%' {
                let pair = std::str::from_utf8(&after[..2]).expect("ASCII");
                bytes.push(u8::from_str_radix(pair, 16).expect("two digits"));
                rest = &after[2..];
            } else {
                bytes.push(first);
                rest = after;
            }
        }
        String::from_utf8(bytes).expect("UTF-8")
    }

    #[test]
    fn space_star_plus_and_tilde_are_encoded_as_documented() {
        assert_eq!(percent("a b*c+d~e/f"), "a%20b%2Ac%2Bd~e%2Ff");
        assert_eq!(percent("权重"), "%E6%9D%83%E9%87%8D");
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn what_is_encoded_can_be_read_back(text in any::<String>()) {
                prop_assert_eq!(decoded(&percent(&text)), text);
            }

            #[test]
            fn only_unreserved_characters_and_escapes_are_left(text in any::<String>()) {
                let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.~%".contains(c);
                prop_assert!(percent(&text).chars().all(allowed));
            }

            #[test]
            fn the_order_of_the_parameters_does_not_matter(
                mut pairs in proptest::collection::vec((any::<String>(), any::<String>()), 0..8),
            ) {
                let query_before = query(&pairs);
                pairs.reverse();
                prop_assert_eq!(query(&pairs), query_before);
            }

            #[test]
            fn a_query_holds_every_parameter_once(
                pairs in proptest::collection::vec((any::<String>(), any::<String>()), 1..8),
            ) {
                let text = query(&pairs);
                let mut read: Vec<_> = text
                    .split('&')
                    .map(|pair| pair.split_once('=').expect("a pair"))
                    .map(|(name, value)| (decoded(name), decoded(value)))
                    .collect();
                let mut wanted = pairs;
                wanted.sort();
                read.sort();
                prop_assert_eq!(read, wanted);
            }
        }
    }
}
