//! Where this program writes.

use std::io::{self, Write as _};

/// A line on stdout.
pub fn result(line: &str) -> anyhow::Result<()> {
    Ok(writeln!(io::stdout(), "{line}")?)
}

/// A line on stderr. It does not matter whether somebody can read it.
pub fn talk(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
