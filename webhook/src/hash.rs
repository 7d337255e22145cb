//! Hashes that names are made of.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// The first bytes of a text's SHA-256, as hexadecimal digits.
pub(crate) fn hex_digest(text: &str, bytes: usize) -> String {
    let hash = Sha256::digest(text.as_bytes());
    hash.iter().take(bytes).fold(String::new(), |mut digits, byte| {
        let _ = write!(digits, "{byte:02x}");
        digits
    })
}
