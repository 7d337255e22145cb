//! Randomness for ids, secrets and tokens.

use std::fmt::Write as _;

/// So many random bytes as hexadecimal digits.
pub(crate) fn hex(bytes: usize) -> Result<String, getrandom::Error> {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer)?;
    Ok(digits(&buffer))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn digits(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
