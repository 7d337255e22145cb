use std::{
    io::{self, Read},
    ops::Range,
};

use super::error::LoadError;

/// How much is read at a time; small enough to stay in a processor's cache.
const CHUNK: usize = 128 << 10;

/// UTF-8 text that is read piece by piece: a window over a file that keeps only what is in use.
///
/// `kept <= at <= valid`: from `kept` on the text is held, up to `at` it has been read, up to
/// `valid` it is known to be UTF-8 without NUL.
pub(crate) struct TextReader<R> {
    input: R,
    buffer: Vec<u8>,
    kept: Option<usize>,
    at: usize,
    valid: usize,
    /// Bytes of the file before the buffer.
    base: u64,
    line: u32,
    held_line: u32,
    limit: usize,
    ended: bool,
    /// The error that ends the text. It is returned when all text before it has been used.
    error: Option<LoadError>,
}

impl TextReader<io::Empty> {
    /// A text that is in memory already, of which the first line counts as `line`.
    pub fn whole(buffer: Vec<u8>, line: u32) -> Self {
        let mut text = Self { line, ended: true, buffer, ..Self::new(io::empty()) };
        text.check();
        text
    }
}

impl<R: Read> TextReader<R> {
    /// The text of `input`.
    pub fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            kept: None,
            at: 0,
            valid: 0,
            base: 0,
            line: 1,
            held_line: 1,
            limit: usize::MAX - 1,
            ended: false,
            error: None,
        }
    }

    /// Sets how many bytes may be held at once.
    pub fn limit(&mut self, bytes: u64) {
        self.limit = usize::try_from(bytes).unwrap_or(usize::MAX - 1).min(usize::MAX - 1);
    }

    /// The current line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The text at hand that has not been used yet.
    pub fn rest(&self) -> &[u8] {
        self.buffer.get(self.at..self.valid).unwrap_or_default()
    }

    /// Uses `count` bytes.
    pub fn advance(&mut self, count: usize) {
        let to = (self.at + count).min(self.valid);
        let used = self.buffer.get(self.at..to).unwrap_or_default();
        self.line = self.line.saturating_add(line_breaks(used));
        self.at = to;
    }

    /// The next byte that is not white space, which stays unused; `None` at the end.
    pub fn peek(&mut self) -> Result<Option<u8>, LoadError> {
        loop {
            let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
            let rest = self.rest();
            let spaces = rest.iter().take_while(|byte| is_space(byte)).count();
            let next = rest.get(spaces).copied();
            self.advance(spaces);
            if next.is_some() || !self.fill()? {
                return Ok(next);
            }
        }
    }

    /// Holds the text from here on.
    pub fn keep(&mut self) {
        self.kept = Some(self.at);
        self.held_line = self.line;
    }

    /// The line on which the text starts that is or was held last.
    pub fn held_line(&self) -> u32 {
        self.held_line
    }

    /// Holds nothing but what has not been used.
    pub fn forget(&mut self) {
        self.kept = None;
    }

    /// How many bytes of the held text have been used.
    pub fn used(&self) -> usize {
        self.at - self.kept.unwrap_or(self.at)
    }

    /// A part of the held text.
    pub fn held(&self, part: Range<usize>) -> &str {
        let kept = self.kept.unwrap_or(self.at);
        let bytes = self.buffer.get(kept + part.start..kept + part.end).unwrap_or_default();
        // Only valid text is ever used, and used up to where JSON ends a token.
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// The first byte that is not white space, with nothing used.
    pub fn sniff(&mut self) -> Result<Option<u8>, LoadError> {
        self.keep();
        let line = self.line;
        let first = self.peek();
        self.at = self.kept.take().unwrap_or_default();
        self.line = line;
        first
    }

    /// All the text up to its end.
    pub fn read_all(&mut self) -> Result<&str, LoadError> {
        self.keep();
        while self.fill()? {}
        self.at = self.valid;
        Ok(self.held(0..self.used()))
    }

    /// Reads on. Says whether there may be more than before.
    pub fn fill(&mut self) -> Result<bool, LoadError> {
        if let Some(error) = self.error.take() {
            return Err(error);
        }
        if self.ended {
            return Ok(false);
        }
        let gone = self.kept.unwrap_or(self.at);
        self.buffer.drain(..gone);
        self.kept = self.kept.map(|kept| kept - gone);
        self.at -= gone;
        self.valid -= gone;
        self.base += gone as u64;

        let held = self.buffer.len();
        if held > self.limit {
            return Err(LoadError::ObjectTooLarge(self.limit as u64));
        }
        let wanted = held.max(CHUNK).min(self.limit - held + 1);
        self.buffer.reserve(wanted);
        let read = (&mut self.input).take(wanted as u64).read_to_end(&mut self.buffer);
        self.ended = read.as_ref().ok() != Some(&wanted);
        self.error = read.err().map(LoadError::Read);
        self.check();
        Ok(true)
    }

    /// Checks what has been read since the last time.
    fn check(&mut self) {
        if self.base == 0 && self.valid == 0 {
            match self.buffer.as_slice() {
                [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => return self.end_with(LoadError::Utf16),
                [0xef, 0xbb, 0xbf, ..] => {
                    (self.at, self.valid) = (3, 3);
                    self.kept = self.kept.map(|_| 3);
                }
                _ => {}
            }
        }
        let new = self.buffer.get(self.valid..).unwrap_or_default();
        let (mut good, mut is_bad) = match std::str::from_utf8(new) {
            Ok(text) => (text.len(), false),
            // A character may be cut in two by the end of what has been read so far.
            Err(error) => (
                error.valid_up_to(),
                error.error_len().is_some() || (self.ended && self.error.is_none()),
            ),
        };
        if new.contains(&0)
            && let Some(nul) = new.iter().position(|byte| *byte == 0)
            && nul < good
        {
            (good, is_bad) = (nul, true);
        }
        self.valid += good;
        if is_bad {
            self.end_with(LoadError::NotText(self.base + self.valid as u64 + 1));
        }
    }

    fn end_with(&mut self, error: LoadError) {
        self.buffer.truncate(self.valid);
        self.ended = true;
        self.error = Some(error);
    }
}

/// How many line breaks there are.
#[allow(clippy::naive_bytecount, reason = "compiles to vector code that reads gigabytes a second")]
pub(crate) fn line_breaks(text: &[u8]) -> u32 {
    u32::try_from(text.iter().filter(|byte| **byte == b'\n').count()).unwrap_or(u32::MAX)
}
