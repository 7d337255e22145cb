//! Percent-encoding as both signatures want it (RFC 3986).

/// Everything but letters, digits, `-`, `_`, `.` and `~` becomes `%XX`.
pub(super) fn percent(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            for digit in [byte >> 4, byte & 15] {
                let digit = char::from_digit(u32::from(digit), 16).unwrap_or('0');
                encoded.push(digit.to_ascii_uppercase());
            }
        }
    }
    encoded
}

/// Pairs in the order of their names, each encoded.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut pairs = pairs.into_iter().collect::<Vec<_>>();
    pairs.sort_unstable();
    let encoded = pairs.iter().map(|(name, value)| format!("{}={}", percent(name), percent(value)));
    encoded.collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_unreserved_is_encoded() {
        assert_eq!(percent("aZ09-_.~"), "aZ09-_.~");
        assert_eq!(percent("a b+c*\"é/"), "a%20b%2Bc%2A%22%C3%A9%2F");
    }

    #[test]
    fn a_query_is_sorted_by_name() {
        assert_eq!(query([("b", "1"), ("a", "x y"), ("B", "")]), "B=&a=x%20y&b=1");
    }
}
