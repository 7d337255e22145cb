//! How go-yaml writes one text: without quotes, in single or double quotes, or as a literal block.

use super::resolve;

/// The form of one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Single,
    Double,
    Literal,
}

/// Whether a character ends a line for YAML 1.1.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether a character may stand unescaped.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != '\u{feff}'
}

/// The form in which a text is written; a map's key has to stay on one line.
pub(super) fn style(text: &str, is_key: bool) -> Style {
    let is_space = |c| c == ' ';
    let special = !text.chars().all(is_printable);
    let space_break = follows(text, is_space, is_break);
    if special || space_break {
        return Style::Double;
    }
    let multiline = text.contains(is_break);
    if text.contains('\n') {
        let may_be_block = !is_key && !text.ends_with(' ');
        return if may_be_block { Style::Literal } else { Style::Double };
    }
    if !resolve::is_text(text) || (is_key && multiline) {
        return Style::Double;
    }
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if !(multiline || spaced || has_indicator(text)) {
        Style::Plain
    } else if follows(text, is_break, is_space) {
        Style::Double
    } else {
        Style::Single
    }
}

/// Whether a character of the second kind comes right after one of the first.
fn follows(text: &str, first: impl Fn(char) -> bool, second: impl Fn(char) -> bool) -> bool {
    text.chars().zip(text.chars().skip(1)).any(|(a, b)| first(a) && second(b))
}

/// Whether a text without quotes would be taken for something of YAML's own.
fn has_indicator(text: &str) -> bool {
    let blank_or_end = |c: Option<char>| c.is_none_or(|c| c == ' ' || c == '\t');
    let second = text.chars().nth(1);
    let starts = match text.chars().next() {
        Some(
            '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
            | '@' | '`',
        ) => true,
        Some('?' | ':' | '-') => blank_or_end(second),
        _ => false,
    };
    starts
        || text.starts_with("---")
        || text.starts_with("...")
        || follows(text, |c| c == ' ' || c == '\t' || is_break(c), |c| c == '#')
        || text.ends_with(':')
        || follows(text, |c| c == ':', |c| c == ' ' || c == '\t')
}
