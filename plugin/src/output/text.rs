//! Styled text: its width, its lines, and how it is written.

use std::io::{self, Write};

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use super::style::{PLAIN, clean};

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
                write!(out, "{style}{text}{style:#}")?;
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

    /// Lines of at most `room` columns, broken at spaces.
    fn lines(&self, room: usize) -> Vec<Self> {
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

    /// Words, each with the space that follows it. A word may span styles.
    fn words(&self) -> Vec<Self> {
        let mut words = Vec::new();
        let mut word = Self::default();
        for (style, text) in &self.pieces {
            for part in text.split_inclusive(' ') {
                word.pieces.push((*style, part.to_owned()));
                if part.ends_with(' ') {
                    words.push(std::mem::take(&mut word));
                }
            }
        }
        if !word.pieces.is_empty() {
            words.push(word);
        }
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

    mod properties {
        use proptest::prelude::*;

        use super::*;

        proptest! {
            #[test]
            fn breaking_lines_loses_no_word(words in "[a-z]{1,12}( [a-z]{1,12}){0,30}", room in 1_usize..60) {
                let broken = Text::plain(&words).lines(room);
                let texts = broken.iter().flat_map(|line| &line.pieces).map(|(_, text)| text.trim());
                prop_assert_eq!(texts.filter(|t| !t.is_empty()).collect::<Vec<_>>().join(" "), words);
            }
        }
    }
}
