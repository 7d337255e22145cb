//! The layout of the YAML that is hashed.
//!
//! `emitterc.go` of `gopkg.in/yaml.v2` 2.4, for the one shape that occurs. Long lines are broken at
//! the first single space beyond column 80: 2.4 does so again, after 2.3 did not.

use super::{
    order,
    style::{self, BYTE_ORDER_MARK, Style, is_break, is_printable},
};

/// Columns that a list or a map is moved to the right inside another one.
const STEP: usize = 2;
/// A space beyond this column may become a line break.
const WIDTH: usize = 80;
/// Bytes of the longest key that has its value on the same line.
const LONGEST_SIMPLE_KEY: usize = 128;

/// An element of a list.
#[derive(Debug)]
pub(super) enum Item {
    Scalar(Scalar),
    List(Vec<Self>),
    /// In any order; it is sorted when it is written.
    Map(Vec<(String, Scalar)>),
}

/// What stands at the end of a branch.
#[derive(Debug)]
pub(super) enum Scalar {
    Text(String),
    Number(i64),
}

impl From<&str> for Scalar {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// The text of `list`.
pub(super) fn emit(list: &[Item]) -> String {
    if list.is_empty() {
        // CCM 2.14: an empty list is a nil slice, which JSON calls null.
        return "null\n".to_owned();
    }
    let mut emitter =
        Emitter { out: String::new(), column: 0, after_space: true, in_indention: true };
    emitter.list(list, 0);
    emitter.indent(0);
    emitter.out
}

struct Emitter {
    out: String,
    /// Characters already on this line.
    column: usize,
    /// Nothing need separate the next token from the one before.
    after_space: bool,
    /// Nothing but spaces and signs such as `-` is on this line yet.
    in_indention: bool,
}

impl Emitter {
    fn list(&mut self, items: &[Item], indent: usize) {
        for item in items {
            self.indent(indent);
            self.sign("-", true);
            match item {
                Item::Scalar(scalar) => self.scalar(scalar, indent + STEP),
                Item::List(items) => self.list(items, indent + STEP),
                Item::Map(entries) => self.map(entries, indent + STEP),
            }
        }
    }

    fn map(&mut self, entries: &[(String, Scalar)], indent: usize) {
        if entries.is_empty() {
            self.sign("{}", false);
            return;
        }
        for (key, value) in order::sorted(entries) {
            self.indent(indent);
            if key.len() <= LONGEST_SIMPLE_KEY && !key.contains(is_break) {
                self.text(key, indent + STEP, true);
                self.closing(":");
            } else {
                self.sign("?", true);
                self.text(key, indent + STEP, false);
                self.indent(indent);
                self.sign(":", true);
            }
            self.scalar(value, indent + STEP);
        }
    }

    fn scalar(&mut self, scalar: &Scalar, indent: usize) {
        match scalar {
            Scalar::Text(text) => self.text(text, indent, false),
            Scalar::Number(number) => self.plain(&number.to_string(), indent, false),
        }
    }

    fn text(&mut self, text: &str, indent: usize, is_key: bool) {
        match style::style_for(text, is_key) {
            Style::Plain => self.plain(text, indent, is_key),
            Style::SingleQuoted => self.single_quoted(text, indent, is_key),
            Style::DoubleQuoted => self.double_quoted(text, indent, is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, is_key: bool) {
        if !self.after_space {
            self.put(' ');
        }
        self.words(text, indent, is_key, Self::put);
    }

    fn single_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        self.sign("'", false);
        self.words(text, indent, is_key, |emitter, c| {
            if c == '\'' {
                emitter.put(c);
            }
            emitter.put(c);
        });
        self.closing("'");
    }

    /// Writes a text that may be broken where one space separates two words.
    fn words(&mut self, text: &str, indent: usize, is_key: bool, write: fn(&mut Self, char)) {
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let alone = before.is_some_and(|c| c != ' ') && chars.peek().is_some_and(|c| *c != ' ');
            if c == ' ' && alone && !is_key && self.column > WIDTH {
                self.indent(indent);
            } else if is_break(c) {
                self.line_break(c);
            } else {
                if before.is_some_and(is_break) {
                    self.indent(indent);
                }
                write(self, c);
                if c != ' ' {
                    self.in_indention = false;
                }
            }
            before = Some(c);
        }
        self.after_space = false;
        self.in_indention = false;
    }

    fn double_quoted(&mut self, text: &str, indent: usize, is_key: bool) {
        // The library looks for the mark at the start whichever character it is about.
        let escape_all = text.starts_with(BYTE_ORDER_MARK);
        self.sign("\"", false);
        let mut before = None;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let inside = before.is_some_and(|c| c != ' ') && chars.peek().is_some();
            if escape_all || !is_printable(c) || is_break(c) || matches!(c, '"' | '\\') {
                self.escaped(c);
            } else if c == ' ' && inside && !is_key && self.column > WIDTH {
                self.indent(indent);
                if chars.peek() == Some(&' ') {
                    self.put('\\');
                }
            } else {
                self.put(c);
            }
            before = Some(c);
        }
        self.closing("\"");
    }

    fn escaped(&mut self, c: char) {
        let code = u32::from(c);
        let short = match c {
            '\0' => "0",
            '\u{7}' => "a",
            '\u{8}' => "b",
            '\t' => "t",
            '\n' => "n",
            '\u{b}' => "v",
            '\u{c}' => "f",
            '\r' => "r",
            '\u{1b}' => "e",
            '"' => "\"",
            '\\' => "\\",
            '\u{85}' => "N",
            '\u{a0}' => "_",
            '\u{2028}' => "L",
            '\u{2029}' => "P",
            _ => "",
        };
        let escaped = match code {
            _ if !short.is_empty() => short.to_owned(),
            0..=0xff => format!("x{code:02X}"),
            0x100..=0xffff => format!("u{code:04X}"),
            _ => format!("U{code:08X}"),
        };
        self.put('\\');
        escaped.chars().for_each(|c| self.put(c));
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.sign("|", false);
        if text.starts_with(|c| c == ' ' || is_break(c)) {
            self.closing(&STEP.to_string());
        }
        let mut from_end = text.chars().rev();
        match (from_end.next().is_some_and(is_break), from_end.next().is_none_or(is_break)) {
            (false, _) => self.closing("-"),
            (true, true) => self.closing("+"),
            (true, false) => {}
        }
        self.line_break('\n');
        self.after_space = true;
        let mut at_start = true;
        for c in text.chars() {
            if is_break(c) {
                self.line_break(c);
            } else {
                if at_start {
                    self.indent(indent);
                }
                self.put(c);
                self.in_indention = false;
            }
            at_start = is_break(c);
        }
    }

    /// Moves to column `indent`, on a new line if this one is in use.
    fn indent(&mut self, indent: usize) {
        if !self.in_indention
            || self.column > indent
            || (self.column == indent && !self.after_space)
        {
            self.line_break('\n');
        }
        while self.column < indent {
            self.put(' ');
        }
        self.after_space = true;
        self.in_indention = true;
    }

    /// A sign with a space before it; `indents` when what follows may still be indented.
    fn sign(&mut self, sign: &str, indents: bool) {
        if !self.after_space {
            self.put(' ');
        }
        sign.chars().for_each(|c| self.put(c));
        self.after_space = false;
        self.in_indention &= indents;
    }

    /// A sign that belongs to what stands before it.
    fn closing(&mut self, sign: &str) {
        sign.chars().for_each(|c| self.put(c));
        self.after_space = false;
        self.in_indention = false;
    }

    fn line_break(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.in_indention = true;
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }
}
