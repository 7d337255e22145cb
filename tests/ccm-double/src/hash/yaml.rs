//! Writes JSON values as go-yaml 2.4 does: block style, two columns of indent, folded after column 80.

use serde_json::Value;

use super::order;
use super::scalar::{self, Style};

/// Spaces after this column become line ends, where a text allows it.
const WIDTH: usize = 80;

/// Keys longer than this are written after a question mark, in bytes.
const SIMPLE_KEY: usize = 128;

/// What sigs.k8s.io/yaml has in hand before it writes: the value, once written as JSON and read as YAML.
///
/// `None` if a text holds a character that Go's JSON leaves as it is and YAML refuses; CCM then hashes
/// an empty text, whatever the Service says.
pub(super) fn read_back(value: Value) -> Option<Value> {
    match value {
        Value::String(text) => readable(&text).then(|| Value::String(unfolded(&text))),
        Value::Array(items) => {
            items.into_iter().map(read_back).collect::<Option<_>>().map(Value::Array)
        }
        Value::Object(map) => map
            .into_iter()
            .map(|(key, value)| Some((key, read_back(value)?)))
            .collect::<Option<_>>()
            .map(Value::Object),
        other => Some(other),
    }
}

fn readable(text: &str) -> bool {
    let refused =
        |c| matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}');
    // U+0085 ends a line, and a line may not begin like a document.
    let document = |line: &str| {
        line.strip_prefix("---")
            .or_else(|| line.strip_prefix("..."))
            .is_some_and(|rest| rest.starts_with([' ', '\u{85}']))
    };
    let mut lines =
        text.match_indices('\u{85}').filter_map(|(at, mark)| text.get(at + mark.len()..));
    !text.contains(refused) && !lines.any(document)
}

/// U+0085 ends a line inside quotes: one becomes a space, n become n-1 line ends, spaces around them go.
fn unfolded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut lines = text.split('\u{85}').peekable();
    let mut breaks = 0_usize;
    let mut at_start = true;
    while let Some(line) = lines.next() {
        let line = if at_start { line } else { line.trim_start_matches(' ') };
        let line = if lines.peek().is_some() { line.trim_end_matches(' ') } else { line };
        if !at_start {
            breaks += 1;
        }
        at_start = false;
        if line.is_empty() && lines.peek().is_some() {
            continue;
        }
        match breaks {
            0 => {}
            1 => out.push(' '),
            n => out.extend(std::iter::repeat_n('\n', n - 1)),
        }
        breaks = 0;
        out.push_str(line);
    }
    out
}

/// The value as a YAML document.
pub(super) fn write(value: &Value) -> String {
    let mut writer = Writer { whitespace: true, indention: true, ..Writer::default() };
    writer.node(value, 0);
    if writer.column != 0 {
        writer.put_break();
    }
    writer.out
}

#[derive(Default)]
struct Writer {
    out: String,
    /// Characters on the present line.
    column: usize,
    /// Whether the last thing written was a space that separates.
    whitespace: bool,
    /// Whether the present line holds nothing but indent and dashes.
    indention: bool,
}

impl Writer {
    fn node(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Array(items) => {
                for item in items {
                    self.indent(indent);
                    self.indicator("-", true, true);
                    self.node(item, indent + 2);
                }
            }
            Value::Object(map) => {
                for key in sorted(map.keys()) {
                    self.indent(indent);
                    self.entry(key, map.get(key).unwrap_or(&Value::Null), indent);
                }
            }
            Value::String(text) => self.scalar(text, indent, false),
            other => self.plain(&other.to_string(), indent, true),
        }
    }

    fn entry(&mut self, key: &str, value: &Value, indent: usize) {
        if key.len() <= SIMPLE_KEY {
            self.scalar(key, indent + 2, true);
            self.indicator(":", false, false);
        } else {
            self.indicator("?", true, true);
            self.scalar(key, indent + 2, false);
            self.indent(indent);
            self.indicator(":", true, true);
        }
        self.node(value, indent + 2);
    }

    fn scalar(&mut self, text: &str, indent: usize, is_key: bool) {
        match scalar::style(text, is_key) {
            Style::Plain => self.plain(text, indent, !is_key),
            Style::Single => self.single(text, indent, !is_key),
            Style::Double => self.double(text, indent, !is_key),
            Style::Literal => self.literal(text, indent),
        }
    }

    fn plain(&mut self, text: &str, indent: usize, may_fold: bool) {
        if !self.whitespace {
            self.put(' ');
        }
        let mut spaces = false;
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let folds = may_fold && !spaces && self.column > WIDTH && chars.peek() != Some(&' ');
            spaces = c == ' ';
            if spaces && folds {
                self.indent(indent);
            } else {
                self.put(c);
                self.indention &= spaces;
            }
        }
        self.end_scalar();
    }

    fn single(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.indicator("'", true, false);
        let (mut spaces, mut breaks, mut first) = (false, false, true);
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let inside = !first && chars.peek().is_some_and(|next| *next != ' ');
            first = false;
            if c == ' ' {
                if may_fold && !spaces && self.column > WIDTH && inside {
                    self.indent(indent);
                } else {
                    self.put(c);
                }
                spaces = true;
            } else if scalar::is_break(c) {
                self.line_end(c);
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                if c == '\'' {
                    self.put('\'');
                }
                self.put(c);
                self.indention = false;
                (spaces, breaks) = (false, false);
            }
        }
        self.indicator("'", false, false);
        self.end_scalar();
    }

    fn double(&mut self, text: &str, indent: usize, may_fold: bool) {
        self.indicator("\"", true, false);
        let (mut spaces, mut first) = (false, true);
        // go-yaml looks for a byte order mark at the text's start, whatever character it is at.
        let marked = text.starts_with('\u{feff}');
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            let inside = !first && chars.peek().is_some();
            first = false;
            let unsafe_here = !scalar::is_printable(c) || scalar::is_break(c);
            if marked || unsafe_here || matches!(c, '"' | '\\') {
                escaped(c).chars().for_each(|c| self.put(c));
                spaces = false;
            } else if c == ' ' && may_fold && !spaces && self.column > WIDTH && inside {
                self.indent(indent);
                if chars.peek() == Some(&' ') {
                    self.put('\\');
                }
                spaces = true;
            } else {
                self.put(c);
                spaces = c == ' ';
            }
        }
        self.indicator("\"", false, false);
        self.end_scalar();
    }

    fn literal(&mut self, text: &str, indent: usize) {
        self.indicator("|", true, false);
        if text.starts_with(|c| c == ' ' || scalar::is_break(c)) {
            self.indicator("2", false, false);
        }
        let mut ends = text.chars().rev().map(scalar::is_break);
        match (ends.next(), ends.next()) {
            (Some(true), Some(false)) => {}
            (Some(true), _) => self.indicator("+", false, false),
            _ => self.indicator("-", false, false),
        }
        self.put_break();
        (self.indention, self.whitespace) = (true, true);
        let mut breaks = true;
        for c in text.chars() {
            if scalar::is_break(c) {
                self.line_end(c);
                breaks = true;
            } else {
                if breaks {
                    self.indent(indent);
                }
                self.put(c);
                self.indention = false;
                breaks = false;
            }
        }
    }

    fn indent(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.put_break();
        }
        while self.column < indent {
            self.put(' ');
        }
        (self.whitespace, self.indention) = (true, true);
    }

    fn indicator(&mut self, text: &str, separated: bool, keeps_indention: bool) {
        if separated && !self.whitespace {
            self.put(' ');
        }
        text.chars().for_each(|c| self.put(c));
        self.whitespace = false;
        self.indention &= keeps_indention;
    }

    fn line_end(&mut self, c: char) {
        self.out.push(c);
        self.column = 0;
        self.indention = true;
    }

    fn end_scalar(&mut self) {
        (self.whitespace, self.indention) = (false, false);
    }

    fn put(&mut self, c: char) {
        self.out.push(c);
        self.column += 1;
    }

    fn put_break(&mut self) {
        self.out.push('\n');
        self.column = 0;
    }
}

fn escaped(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\u{7}' => 'a',
        '\u{8}' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\u{b}' => 'v',
        '\u{c}' => 'f',
        '\r' => 'r',
        '\u{1b}' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{a0}' => '_',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        _ => {
            return match u32::from(c) {
                code @ 0..=0xff => format!("\\x{code:02X}"),
                code @ 0..=0xffff => format!("\\u{code:04X}"),
                code => format!("\\U{code:08X}"),
            };
        }
    };
    format!("\\{short}")
}

/// The keys in go-yaml's order. Inserted one by one: its order need not be total, which sorting relies on.
fn sorted<'a>(keys: impl Iterator<Item = &'a String>) -> Vec<&'a String> {
    keys.fold(Vec::new(), |mut sorted, key| {
        let at = sorted.partition_point(|other| order::less(other, key));
        sorted.insert(at, key);
        sorted
    })
}
