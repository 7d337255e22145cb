//! Shares, as numbers and bars.

use crate::output::{
    bar::bar,
    json::{Outcome, Participant, ParticipantKind},
    style::{ERROR, EXTERNAL, GOOD, PLAIN, Style, Terminal, WARNING},
    text::Text,
};

/// Columns a bar has where there is room.
pub const BAR: usize = 20;
/// Columns a bar has at least; where they are not there, the number stands alone.
pub const SMALLEST_BAR: usize = 6;

/// `79.6 %` with a bar of `width` columns; `unknown`, without a bar, where a participant is unknown.
pub fn share(of: &Participant, width: usize, is_wide: bool, terminal: Terminal) -> Text {
    let Some(share) = of.share else {
        let unknown = Text::styled(WARNING, "unknown");
        // Without its own sum, its part of what is known says nothing.
        return match of.weight_sum.filter(|_| is_wide) {
            Some(_) => unknown.and(PLAIN, format!(", {} of known", percent(of.share_of_known))),
            None => unknown,
        };
    };
    let number = Text::plain(format!("{:>7}", percent(share)));
    if width == 0 {
        return number;
    }
    number.and(PLAIN, " ").and(style_of(of), bar(share, width, terminal.unicode))
}

/// `33.3 %`.
pub fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// The colour of a participant's bar.
fn style_of(of: &Participant) -> Style {
    match of.outcome {
        Some(Outcome::Drained | Outcome::Misrouted | Outcome::Frozen | Outcome::Failing) => ERROR,
        _ if of.kind == ParticipantKind::External => EXTERNAL,
        _ if !of.is_member() => WARNING,
        _ => GOOD,
    }
}

/// The nominal weight as it stands: what CCM cannot read in quotes.
pub fn weight(of: &Participant) -> Text {
    match (&of.invalid_weight, of.weight) {
        (Some(odd), _) => Text::styled(ERROR, format!("{odd:?}")),
        (None, Some(weight)) => Text::plain(weight.to_string()),
        (None, None) => Text::plain("-"),
    }
}

/// A number, `?` where it is unknown.
pub fn number(number: Option<impl ToString>) -> Text {
    match number {
        Some(number) => Text::plain(number.to_string()),
        None => Text::styled(WARNING, "?"),
    }
}

/// A number, `-` where there is none to know.
pub fn number_if_any(number: Option<impl ToString>) -> Text {
    Text::plain(number.map_or_else(|| "-".to_owned(), |number| number.to_string()))
}
