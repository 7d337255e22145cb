//! Output that is drawn over the last one, and the buffers that it is collected in.

use std::{
    cell::RefCell,
    io::{self, Write, stdout},
    rc::Rc,
};

use unicode_width::UnicodeWidthChar;

use super::{Printer, style::Terminal};

/// The terminal while something is watched: the alternate screen, without cursor. Dropping it gives
/// the terminal back as it was.
pub struct Screen(());

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_LINE: &str = "\x1b[0m\x1b[K\r\n";
const END_SCREEN: &str = "\x1b[J";

impl Screen {
    /// Switches the terminal to the alternate screen.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn enter() -> io::Result<Self> {
        write!(stdout(), "{ENTER}")?;
        Ok(Self(()))
    }

    /// Draws as much of `text` as has room over what is there, and `failure` in the last line.
    ///
    /// # Errors
    /// Where stdout cannot be written.
    pub fn draw(&mut self, text: &str, failure: Option<&str>) -> io::Result<()> {
        let rows = terminal_size::terminal_size_of(stdout()).map_or(24, |(_, rows)| rows.0);
        let width = Terminal::from_stdout().width.unwrap_or(80);
        let lines: Vec<&str> = text.lines().collect();
        let room = usize::from(rows).saturating_sub(2).max(1);
        let mut out = String::from(HOME);
        let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
        for line in lines.iter().take(shown) {
            out.push_str(clip(line, width));
            out.push_str(END_LINE);
        }
        if shown < lines.len() {
            let left = (lines.len() - shown).to_string();
            out.extend(["... ", &left, " more lines", END_LINE]);
        }
        if let Some(failure) = failure {
            // The words that matter come first: the rest may have no room.
            out.push_str(clip(&format!("trying again: {failure}"), width));
            out.push_str(END_LINE);
        }
        out.push_str(END_SCREEN);
        let mut stdout = stdout().lock();
        stdout.write_all(out.as_bytes())?;
        stdout.flush()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Nobody is left to tell.
        let _ = write!(stdout(), "{LEAVE}").and_then(|()| stdout().flush());
    }
}

/// As much of a line as has room, with its styles.
fn clip(line: &str, width: usize) -> &str {
    let mut room = width;
    let mut is_escape = false;
    for (at, character) in line.char_indices() {
        if is_escape {
            is_escape = !character.is_ascii_alphabetic();
        } else if character == '\x1b' {
            is_escape = true;
        } else {
            let columns = character.width().unwrap_or(0);
            if columns > room {
                return line.get(..at).unwrap_or(line);
            }
            room -= columns;
        }
    }
    line
}

/// Output that is kept for later: stdout and stderr apart.
#[derive(Default)]
pub struct CapturedOutput {
    pub(super) data: Buffer,
    pub(super) stderr: Buffer,
}

impl CapturedOutput {
    /// Buffers without any output.
    pub fn new() -> Self {
        Self::default()
    }

    /// A printer into these buffers, without colours.
    pub fn printer(&self) -> Printer {
        Printer::into_captured(self, false)
    }

    /// A printer into these buffers that colours as `other` does, and in its language.
    pub fn printer_like(&self, other: &Printer) -> Printer {
        let mut printer = Printer::into_captured(self, other.colours.stdout);
        let Terminal { language, has_titles, .. } = other.terminal;
        printer.terminal = Terminal { language, has_titles, ..printer.terminal };
        printer
    }

    /// What was written to stdout.
    pub fn text(&self) -> String {
        self.data.text()
    }

    /// What was written to stderr.
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }
}

/// The bytes of one stream. A clone shares them.
#[derive(Clone, Default)]
pub(super) struct Buffer(Rc<RefCell<Vec<u8>>>);

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::clip;

    #[rstest]
    #[case::short("abc", "abc")]
    #[case::long("abcdef", "abcd")]
    #[case::styles_have_no_width("\x1b[31mabcdef\x1b[0m", "\x1b[31mabcd")]
    #[case::wide_characters("ab\u{4e2d}\u{4e2d}", "ab\u{4e2d}")]
    #[case::none_is_cut_in_half("abc\u{4e2d}", "abc")]
    fn a_line_never_reaches_over_the_edge(#[case] line: &str, #[case] shown: &str) {
        assert_eq!(clip(line, 4), shown);
    }
}
