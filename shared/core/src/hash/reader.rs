//! What reading JSON with a YAML library does to the texts in it.
//!
//! `sigs.k8s.io/yaml` 1.3 hands the JSON of Go's `encoding/json` to `gopkg.in/yaml.v2`, which reads
//! a JSON string as a double-quoted YAML scalar. Go escapes everything that could matter but two
//! kinds of characters: those that YAML forbids, and U+0085, which YAML takes for a line break.

const NEXT_LINE: char = '\u{85}';

/// `text` as it comes out; nothing when it cannot be read at all.
pub(super) fn read(text: &str) -> Option<String> {
    if text.chars().any(is_forbidden) {
        return None;
    }
    if !text.contains(NEXT_LINE) {
        return Some(text.to_owned());
    }
    fold(text)
}

/// `readerc.go`: of the characters that YAML forbids, those that Go writes as they are.
fn is_forbidden(c: char) -> bool {
    matches!(c, '\u{7f}'..='\u{84}' | '\u{86}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}')
}

/// `scannerc.go`, flow scalars: one line break becomes a space, each further one a newline, and the
/// spaces around them vanish.
fn fold(text: &str) -> Option<String> {
    let mut folded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(NEXT_LINE) {
        let (line, breaks) = rest.split_at(at);
        folded.push_str(line.trim_end_matches(' '));
        let blank = |c| c == ' ' || c == NEXT_LINE;
        rest = breaks.trim_start_matches(blank);
        let run = breaks.strip_suffix(rest).unwrap_or(breaks);
        match run.matches(NEXT_LINE).count() {
            1 => folded.push(' '),
            several => folded.extend(std::iter::repeat_n('\n', several - 1)),
        }
        if run.ends_with(NEXT_LINE) && is_document_marker(rest) {
            return None;
        }
    }
    folded.push_str(rest);
    Some(folded)
}

/// A line that would end the document is an error inside a scalar.
fn is_document_marker(line: &str) -> bool {
    line.strip_prefix("---")
        .or_else(|| line.strip_prefix("..."))
        .is_some_and(|rest| rest.starts_with([' ', NEXT_LINE]))
}
