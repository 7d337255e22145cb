//! Messages for whoever runs the tests.

use std::io::{self, Write as _};

/// Writes a line to stderr. That nobody reads it any more is no error.
pub fn write_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
