//! How a text is written: as it is, quoted, or as a block of lines.
//!
//! `emitterc.go` of `gopkg.in/yaml.v2` 2.4, as far as it matters outside flow collections.

use super::implicit::is_other_type;

/// The ways a text can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
    /// `|`, one line of the text a line.
    Literal,
}

/// The style for `text`; `is_key` when it is a key with its value on the same line.
pub(super) fn style_for(text: &str, is_key: bool) -> Style {
    if text.is_empty() {
        return Style::DoubleQuoted;
    }
    let allowed = Allowed::for_text(text);
    if text.contains('\n') {
        return if allowed.literal && !is_key { Style::Literal } else { Style::DoubleQuoted };
    }
    if is_other_type(text) {
        return Style::DoubleQuoted;
    }
    match allowed {
        Allowed { plain: true, .. } => Style::Plain,
        Allowed { single_quoted: true, .. } => Style::SingleQuoted,
        _ => Style::DoubleQuoted,
    }
}

/// Which styles can hold a text that is not empty.
struct Allowed {
    plain: bool,
    single_quoted: bool,
    literal: bool,
}

impl Allowed {
    fn for_text(text: &str) -> Self {
        let first = text.chars().next().unwrap_or_default();
        let last = text.chars().next_back().unwrap_or_default();
        let pair = |test: fn(char, char) -> bool| {
            text.chars().zip(text.chars().skip(1)).any(|(a, b)| test(a, b))
        };
        let special = !text.chars().all(is_printable);
        let break_space = pair(|a, b| is_break(a) && b == ' ');
        let space_break = pair(|a, b| a == ' ' && is_break(b));
        Self {
            plain: !special
                && !text.contains(is_break)
                && first != ' '
                && last != ' '
                && !has_indicator(text),
            single_quoted: !special && !break_space && !space_break,
            literal: !special && !space_break && last != ' ',
        }
    }
}

/// Whether something in `text` would be read as YAML's own sign.
fn has_indicator(text: &str) -> bool {
    let is_blank = |c: Option<char>| c.is_none_or(|c| c == ' ' || c == '\t');
    let mut before = None;
    let mut chars = text.chars().peekable();
    let mut found = text.starts_with("---") || text.starts_with("...");
    while let Some(c) = chars.next() {
        let blank_follows = is_blank(chars.peek().copied());
        found |= match (c, before) {
            (
                '#' | ',' | '[' | ']' | '{' | '}' | '&' | '*' | '!' | '|' | '>' | '\'' | '"' | '%'
                | '@' | '`',
                None,
            ) => true,
            ('?' | '-', None) | (':', _) => blank_follows,
            ('#', Some(before)) => before == ' ',
            _ => false,
        };
        before = Some(c);
    }
    found
}

/// What the library writes unescaped. It does not know of characters beyond U+FFFF.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}')
        && c != BYTE_ORDER_MARK
}

/// What the library takes for the end of a line.
pub(super) fn is_break(c: char) -> bool {
    matches!(c, '\r' | '\n' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Never written as it is.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';
