//! Talk to whoever watches.

use std::io::{self, Write as _};

/// A line on stderr. Nobody may be there to read it any more, which must not matter.
pub fn write_line(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
