//! Output that is drawn in place, and collected for it.

use std::{
    cell::RefCell,
    io::{self, Write, stdout},
    rc::Rc,
};

use super::{Printer, style::Look};

/// The terminal while something is watched: the alternate screen, without cursor. Dropping it gives
/// the terminal back as it was.
pub struct Screen(());

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
const HOME: &str = "\x1b[H";
const END_LINE: &str = "\x1b[0m\x1b[K\r\n";
const END_SCREEN: &str = "\x1b[J";

impl Screen {
    /// Takes the terminal.
    pub fn enter() -> io::Result<Self> {
        write!(stdout(), "{ENTER}")?;
        Ok(Self(()))
    }

    /// Draws `text` over what is there, as much as has room, and `failure` in the last line.
    pub fn draw(&mut self, text: &str, failure: Option<&str>) -> io::Result<()> {
        let rows = terminal_size::terminal_size_of(stdout()).map_or(24, |(_, rows)| rows.0);
        let width = Look::of_stdout().width.unwrap_or(80);
        let lines: Vec<&str> = text.lines().collect();
        let room = usize::from(rows).saturating_sub(2).max(1);
        let mut out = String::from(HOME);
        let shown = if lines.len() > room { room.saturating_sub(1) } else { lines.len() };
        for line in lines.iter().take(shown) {
            out.push_str(line);
            out.push_str(END_LINE);
        }
        if shown < lines.len() {
            let left = (lines.len() - shown).to_string();
            out.extend(["... ", &left, " more lines", END_LINE]);
        }
        if let Some(failure) = failure {
            let line: String = format!("{failure}; trying again").chars().take(width).collect();
            out.push_str(&line);
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

/// Output that is kept for later.
#[derive(Clone, Default)]
pub struct Frame(Rc<RefCell<Vec<u8>>>);

impl Frame {
    /// An empty one.
    pub fn new() -> Self {
        Self::default()
    }

    /// A printer of plain remarks into it.
    pub fn printer(&self, is_verbose: bool) -> Printer {
        Printer::into_frame(self, false, is_verbose)
    }

    /// A printer into it that colours as another does.
    pub fn printer_like(&self, other: &Printer) -> Printer {
        Printer::into_frame(self, other.colours, false)
    }

    /// What was written.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.borrow()).into_owned()
    }
}

impl Write for Frame {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
