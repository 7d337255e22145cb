//! How output looks: colours, characters and width of where it goes.

use std::{
    borrow::Cow,
    env,
    io::{self, IsTerminal},
    sync::Once,
};

use clbmigrate_core::{finding::Severity, outcome::Outcome, rules::Language};
use colored::{Color, ColoredString, Colorize};

/// Whether the codes of colours are written at all is decided once: which stream takes them is known to
/// the streams, and `colored` has one answer for all.
static DECIDED: Once = Once::new();

/// Has no codes of colours written at all, for no stream takes any.
pub fn never_paint() {
    DECIDED.call_once(|| colored::control::set_override(false));
}

/// A colour and a weight of letters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    color: Option<Color>,
    weight: Weight,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Weight {
    Normal,
    Bold,
    Dimmed,
}

/// What an error looks like, and whatever takes traffic away.
pub const ERROR: Style = Style { color: Some(Color::Red), weight: Weight::Bold };
/// What a warning looks like.
pub const WARNING: Style = Style::colored(Color::Yellow);
/// What a remark looks like.
pub const INFO: Style = Style::colored(Color::Cyan);
/// What is as it should be.
pub const GOOD: Style = Style::colored(Color::Green);
/// What a server outside every cluster looks like.
pub const EXTERNAL: Style = Style::colored(Color::Blue);
/// Headers and names.
pub const STRONG: Style = Style { weight: Weight::Bold, ..PLAIN };
/// What matters less.
pub const FAINT: Style = Style { weight: Weight::Dimmed, ..PLAIN };
/// Nothing special.
pub const PLAIN: Style = Style { color: None, weight: Weight::Normal };

impl Style {
    const fn colored(color: Color) -> Self {
        Self { color: Some(color), weight: Weight::Normal }
    }

    /// The text between the codes of this style. Streams that take no colours drop the codes.
    pub fn paint(self, text: &str) -> ColoredString {
        DECIDED.call_once(|| colored::control::set_override(true));
        let text = match self.color {
            Some(color) => text.color(color),
            None => text.normal(),
        };
        match self.weight {
            Weight::Normal => text,
            Weight::Bold => text.bold(),
            Weight::Dimmed => text.dimmed(),
        }
    }
}

/// The style of a severity.
pub fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Error => ERROR,
        Severity::Warning => WARNING,
        Severity::Info => INFO,
    }
}

/// The style of an outcome.
pub fn outcome_style(outcome: Outcome) -> Style {
    match outcome {
        Outcome::Applied => GOOD,
        Outcome::NoEffect => WARNING,
        Outcome::Misrouted | Outcome::Drained | Outcome::Frozen | Outcome::Failing => ERROR,
    }
}

/// What stdout can show.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// How many columns a line has; `None` where there is no limit, as in a pipe.
    pub width: Option<usize>,
    /// Whether characters beyond ASCII are shown.
    pub unicode: bool,
    /// The language in which rules speak to people.
    pub language: Language,
    /// Whether tables have a line with the titles of their columns.
    pub has_titles: bool,
}

impl Terminal {
    /// What stdout can show: the width by `COLUMNS` or else by the terminal, the characters by the
    /// locale and `TERM`, the language by the locale.
    pub fn from_stdout() -> Self {
        let stdout = io::stdout();
        let columns = env::var("COLUMNS").ok().and_then(|text| text.trim().parse().ok());
        let terminal = || {
            let (terminal_size::Width(width), _) = terminal_size::terminal_size_of(&stdout)?;
            Some(usize::from(width))
        };
        let width = columns.filter(|columns| *columns > 0).or_else(|| {
            stdout.is_terminal().then(terminal).flatten().filter(|columns| *columns > 0)
        });
        let variable = |name: &str| env::var(name).ok();
        Self {
            width,
            unicode: supports_unicode(variable),
            language: language_of(variable),
            has_titles: true,
        }
    }

    /// An arrow, for example from an old value to a new one.
    pub fn arrow(self) -> &'static str {
        if self.unicode { "→" } else { "->" }
    }

    /// The character that stands for what is left out.
    pub fn ellipsis(self) -> &'static str {
        if self.unicode { "…" } else { "..." }
    }
}

/// Whether the locale is UTF-8 and the terminal not a dumb one.
fn supports_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("TERM").as_deref() == Some("dumb") {
        return false;
    }
    if cfg!(windows) {
        return true;
    }
    let locale = locale(variable, "LC_CTYPE").to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// The language of the locale's messages.
fn language_of(variable: impl Fn(&str) -> Option<String>) -> Language {
    Language::of_locale(&locale(variable, "LC_MESSAGES"))
}

/// The locale of a category: the first of three variables that is set and not empty.
fn locale(variable: impl Fn(&str) -> Option<String>, category: &str) -> String {
    let names = ["LC_ALL", category, "LANG"].into_iter();
    names.filter_map(variable).find(|value| !value.is_empty()).unwrap_or_default()
}

/// `text` with control characters made visible, so that no manifest can steer a terminal.
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.into() };
    Cow::Owned(text.chars().map(escape).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(&[("LANG", "en_GB.UTF-8")], true)]
    #[case(&[("LANG", "de_DE.utf8")], true)]
    #[case(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "C")], false)]
    #[case(&[("LANG", "C"), ("LC_CTYPE", "C.UTF-8")], true)]
    #[case(&[("LANG", "en_GB.UTF-8"), ("LC_ALL", "")], true)]
    #[case(&[("LANG", "en_GB.UTF-8"), ("TERM", "dumb")], false)]
    #[case(&[], false)]
    #[cfg(not(windows))]
    fn block_characters_need_a_utf8_locale(
        #[case] variables: &[(&str, &str)],
        #[case] shown: bool,
    ) {
        assert_eq!(supports_unicode(among(variables)), shown);
    }

    fn among<'v>(variables: &'v [(&str, &str)]) -> impl Fn(&str) -> Option<String> + 'v {
        |name| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        }
    }

    #[rstest]
    #[case(&[("LANG", "zh_CN.UTF-8")], Language::Chinese)]
    #[case(&[("LANG", "en_GB.UTF-8"), ("LC_MESSAGES", "zh_CN.UTF-8")], Language::Chinese)]
    #[case(&[("LANG", "zh_CN.UTF-8"), ("LC_MESSAGES", "C")], Language::English)]
    #[case(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", "POSIX")], Language::English)]
    #[case(&[("LC_MESSAGES", "de_DE.UTF-8"), ("LC_ALL", "zh_CN.UTF-8")], Language::Chinese)]
    #[case(&[("LANG", "zh_CN.UTF-8"), ("LC_ALL", ""), ("LC_MESSAGES", "")], Language::Chinese)]
    #[case(&[("LC_CTYPE", "zh_CN.UTF-8")], Language::English)]
    #[case(&[], Language::English)]
    fn the_language_is_that_of_the_locales_messages(
        #[case] variables: &[(&str, &str)],
        #[case] language: Language,
    ) {
        assert_eq!(language_of(among(variables)), language);
    }

    #[test]
    fn an_escape_sequence_in_a_name_is_shown_not_obeyed() {
        assert_eq!(clean("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\n");
        assert_eq!(clean("plain → text"), "plain → text");
    }
}
