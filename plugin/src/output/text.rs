//! Styled text: its width, its lines, and how it is written.

use std::io::{self, Write};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::style::{PLAIN, Style, clean};

/// Text in pieces, each with a style. Control characters never get in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    pieces: Vec<(Style, String)>,
}

impl Text {
    /// Text without any style.
    pub fn plain(text: impl AsRef<str>) -> Self {
        Self::styled(PLAIN, text)
    }

    /// Text in one style.
    pub fn styled(style: Style, text: impl AsRef<str>) -> Self {
        Self::default().and(style, text)
    }

    /// This text with `text` in that style behind it.
    #[must_use]
    pub fn and(mut self, style: Style, text: impl AsRef<str>) -> Self {
        self.push(style, &clean(text.as_ref()));
        self
    }

    /// This text with another behind it.
    #[must_use]
    pub fn join(mut self, other: Self) -> Self {
        for (style, text) in other.pieces {
            self.push(style, &text);
        }
        self
    }

    fn push(&mut self, style: Style, text: &str) {
        match self.pieces.last_mut() {
            Some((last, before)) if *last == style => before.push_str(text),
            _ => self.pieces.push((style, text.to_owned())),
        }
    }

    /// How many columns of a terminal it takes; a wide character takes two.
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|(_, text)| text.width()).sum()
    }

    /// Whether it holds no character.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(|(_, text)| text.is_empty())
    }

    /// Writes it in one line, without an end of line.
    ///
    /// # Errors
    /// Where `out` cannot be written.
    pub fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        for (style, text) in &self.pieces {
            // Spaces need no style, and codes around nothing are noise.
            if text.trim().is_empty() {
                write!(out, "{text}")?;
            } else {
                // At once: a stream that takes no colours looks for the codes in what is written.
                out.write_all(style.paint(text).to_string().as_bytes())?;
            }
        }
        Ok(())
    }

    /// Writes it as lines of at most `width` columns: the first indented by `indent` columns, the
    /// others by two more. A word longer than a line keeps its line to itself.
    pub fn write_lines(
        &self,
        out: &mut dyn Write,
        indent: usize,
        width: Option<usize>,
    ) -> io::Result<()> {
        let room = width.map_or(usize::MAX, |width| width.saturating_sub(indent + 2).max(20));
        for (number, line) in self.lines(room).into_iter().enumerate() {
            let indent = if number == 0 { indent } else { indent + 2 };
            write!(out, "{:indent$}", "")?;
            line.write(out)?;
            writeln!(out)?;
        }
        Ok(())
    }

    /// Lines of at most `room` columns, broken at spaces and between wide characters.
    pub(super) fn lines(&self, room: usize) -> Vec<Self> {
        if self.width() <= room {
            return vec![self.clone().trimmed()];
        }
        let mut lines = Vec::new();
        let mut line = Self::default();
        let mut taken = 0;
        for word in self.words() {
            let width = word.width();
            if taken > 0 && taken + word.trimmed_width() > room {
                lines.push(std::mem::take(&mut line).trimmed());
                taken = 0;
            }
            taken += width;
            line = line.join(word);
        }
        lines.push(line.trimmed());
        lines
    }

    /// Words, each with the space that follows it. A word may span styles; a wide character, as of
    /// Chinese, is a word of its own.
    fn words(&self) -> Vec<Self> {
        let mut words = Vec::new();
        let mut word = Self::default();
        let mut last = None;
        for (style, text) in &self.pieces {
            let mut start = 0;
            for (at, character) in text.char_indices() {
                if last.replace(character).is_some_and(|last| may_break(last, character)) {
                    word.pieces.extend(text.get(start..at).map(|part| (*style, part.to_owned())));
                    words.push(std::mem::take(&mut word));
                    start = at;
                }
            }
            word.pieces.extend(text.get(start..).map(|part| (*style, part.to_owned())));
        }
        words.push(word);
        words
    }

    /// The text without the spaces at its start.
    #[must_use]
    pub fn trimmed_start(mut self) -> Self {
        if let Some((_, text)) = self.pieces.first_mut() {
            *text = text.trim_start_matches(' ').to_owned();
        }
        self
    }

    fn trimmed_width(&self) -> usize {
        self.clone().trimmed().width()
    }

    /// The text without the spaces at its end.
    #[must_use]
    pub fn trimmed(mut self) -> Self {
        while let Some((_, text)) = self.pieces.last_mut() {
            text.truncate(text.trim_end_matches(' ').len());
            if !text.is_empty() {
                break;
            }
            self.pieces.pop();
        }
        self
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self::plain(text)
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self::plain(text)
    }
}

/// Marks that never begin a line.
const CLOSING: &str = "，。；：、！？）》」』】〉”’…,.;:!?)]}%";
/// Marks that never end a line.
const OPENING: &str = "（《「『【〈“‘([{";

/// Whether a line may end between these characters: behind a space, and beside a wide character but
/// for marks that belong to their neighbour.
fn may_break(before: char, after: char) -> bool {
    let is_wide = |c: char| c.width() == Some(2);
    if before == ' ' {
        return true;
    }
    after != ' '
        && (is_wide(before) || is_wide(after))
        && !OPENING.contains(before)
        && !CLOSING.contains(after)
}

/// A number of things, in words: `1 backend`, `2 backends`.
pub fn count(number: usize, what: &str) -> String {
    match number {
        1 => format!("1 {what}"),
        _ => format!("{number} {what}s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::style::ERROR;

    fn lines(text: &Text, width: usize) -> String {
        let mut out = Vec::new();
        text.write_lines(&mut out, 2, Some(width)).expect("memory");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_long_text_is_broken_at_spaces_and_indented() {
        let text = Text::plain("the quick brown fox jumps over the lazy dog");
        assert_eq!(lines(&text, 26), "  the quick brown fox\n    jumps over the lazy\n    dog\n");
    }

    #[test]
    fn a_word_longer_than_the_line_is_not_cut() {
        let word = "service.beta.kubernetes.io/alibaba-cloud-loadbalancer-weight";
        let text = Text::plain(format!("key {word} ends"));
        assert_eq!(lines(&text, 30), format!("  key\n    {word}\n    ends\n"));
    }

    #[test]
    fn a_word_in_two_styles_stays_one_word() {
        let text = Text::plain("aaaa bb").and(ERROR, "cccccccccccccccccc");
        assert_eq!(text.lines(21).len(), 2);
    }

    #[test]
    fn chinese_is_broken_between_characters_that_may_stand_apart() {
        let text = "设为 0 到 100 之间的整数，不带空格和百分号（例如 \"60\"）。";
        let broken =
            ["  设为 0 到 100 之间的整", "    数，不带空格和百分号", "    （例如 \"60\"）。\n"];
        assert_eq!(lines(&Text::plain(text), 26), broken.join("\n"));
    }

    #[test]
    fn no_line_begins_or_ends_with_a_mark_of_its_neighbour() {
        for width in 24..60 {
            let text =
                Text::plain("映射（GROUP:PORT）写成：“端口”，多个条目用逗号分隔；不带空格。")
                    .and(ERROR, "修复：")
                    .and(PLAIN, "删除《空格》、冒号。");
            let shown = strip_ansi_escapes::strip_str(lines(&text, width));
            for line in shown.lines() {
                assert!(line.width() <= width, "{line} at {width}");
                assert!(!line.trim().starts_with(['，', '。', '；', '：', '）', '”', '》', '、']));
                assert!(!line.ends_with(['（', '“', '《']), "{line}");
            }
        }
    }

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn no_line_of_chinese_is_wider_than_the_terminal(
                text in "([一-龥]{1,5}[，。]?){0,12}( [a-z]{1,10}( [一-龥]{1,5}[，。]?){0,8}){0,4}",
                width in 24_usize..100,
            ) {
                let shown = lines(&Text::plain(&text), width);
                let letters = |text: &str| text.replace([' ', '\n'], "");
                prop_assert_eq!(letters(&shown), letters(&text));
                for line in shown.lines() {
                    prop_assert!(line.width() <= width, "{line}");
                }
            }

            #[test]
            fn breaking_lines_loses_no_word(words in "[a-z]{1,12}( [a-z]{1,12}){0,30}", room in 1_usize..60) {
                let broken = Text::plain(&words).lines(room);
                let texts = broken.iter().flat_map(|line| &line.pieces).map(|(_, text)| text.trim());
                prop_assert_eq!(texts.filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" "), words);
            }
        }
    }
}
