//! Single JSON values in a text that is read piece by piece.

use std::{io::Read, ops::Range};

use serde::de::{DeserializeOwned, IgnoredAny};

use super::{
    error::{LoadError, message_of},
    text::{TextReader, line_breaks},
};

/// What a text begins with.
pub(crate) enum FirstValue<T> {
    /// A value, and where it ends.
    Whole((T, usize)),
    /// A part of a value, or nothing.
    Cut,
    /// Something that is no such value, or is read in another way.
    Other,
}

/// Parses the value that a text begins with. Whether a number is whole that ends where the text does,
/// nobody knows.
pub(crate) fn first_value<T: DeserializeOwned>(text: &[u8]) -> FirstValue<T> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<T>();
    match values.next() {
        Some(Ok(value)) => FirstValue::Whole((value, values.byte_offset())),
        Some(Err(error)) if !is_cut(&error, text) => FirstValue::Other,
        _ => FirstValue::Cut,
    }
}

/// Where the value ends that a text begins with; `None` where the text does not hold all of it.
pub(crate) fn end_of_value(text: &[u8]) -> Result<Option<usize>, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_slice(text).into_iter::<IgnoredAny>();
    match values.next() {
        Some(Ok(_)) => Ok(Some(values.byte_offset())),
        Some(Err(error)) if !is_cut(&error, text) => Err(error),
        _ => Ok(None),
    }
}

/// Whether what is wrong with a text is only that it ends.
fn is_cut(error: &serde_json::Error, text: &[u8]) -> bool {
    error.is_eof() || (error.line(), error.column()) == end_of(text)
}

impl<R: Read> TextReader<R> {
    /// Skips one value and returns where in the held text it stands.
    pub fn value(&mut self) -> Result<Range<usize>, LoadError> {
        loop {
            let rest = self.rest();
            let mut values = serde_json::Deserializer::from_slice(rest).into_iter::<IgnoredAny>();
            match values.next() {
                Some(Ok(_)) => {
                    let end = values.byte_offset();
                    // A number that ends where the window does may go on behind it.
                    let is_cut = end == rest.len();
                    if !is_cut || !self.fill()? {
                        let start = self.used();
                        self.advance(end);
                        return Ok(start..self.used());
                    }
                }
                Some(Err(error)) => {
                    if !is_cut(&error, rest) || !self.fill()? {
                        return Err(self.syntax(&error));
                    }
                }
                None => {
                    if !self.fill()? {
                        return Err(self.expected("a value", None));
                    }
                }
            }
        }
    }

    fn syntax(&self, error: &serde_json::Error) -> LoadError {
        let line = u32::try_from(error.line()).unwrap_or(u32::MAX).saturating_sub(1);
        LoadError::Json { line: self.line().saturating_add(line), message: message_of(error) }
    }

    /// The error for finding something else than `what`.
    pub fn expected(&self, what: &str, found: Option<u8>) -> LoadError {
        let found = match found {
            Some(byte) if byte.is_ascii_graphic() => format!("`{}`", char::from(byte)),
            Some(_) => "something else".to_owned(),
            None => "the end of the file".to_owned(),
        };
        LoadError::Json { line: self.line(), message: format!("expected {what}, found {found}") }
    }
}

/// The position just behind a text, as `serde_json` counts.
fn end_of(text: &[u8]) -> (usize, usize) {
    let column = text.iter().rev().take_while(|byte| **byte != b'\n').count();
    (line_breaks(text) as usize + 1, column)
}
