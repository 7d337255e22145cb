//! The text of a record.

use std::fmt::Write;

use serde::Serialize;

/// The JSON text, in which what YAML forbids is escaped. CCM puts every annotation through a YAML
/// library, and hashes the empty text for a Service with such a character in one (CCM 2.14:
/// `hash.go`; go-yaml 2.4: `readerc.go`).
pub(super) fn of(value: &impl Serialize) -> String {
    // Strings and maps of strings always have a JSON form.
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(is_forbidden) {
        return json;
    }
    let mut text = String::with_capacity(json.len());
    for letter in json.chars() {
        if is_forbidden(letter) {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\u{:04x}", u32::from(letter));
        } else {
            text.push(letter);
        }
    }
    text
}

/// Whether YAML forbids the character, or takes it for a line break. JSON escapes those before
/// U+0020.
fn is_forbidden(letter: char) -> bool {
    matches!(
        letter,
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}
