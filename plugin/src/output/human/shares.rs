//! Shares, as numbers and bars.

use crate::output::{
    bar::bar,
    json::{Outcome, Participant, ParticipantKind},
    style::{ERROR, EXTERNAL, FAINT, GOOD, PLAIN, Style, Terminal, WARNING},
    text::Text,
};

/// Columns a bar has where there is room.
pub const BAR: usize = 20;
/// Columns a bar has at least; where they are not there, the number stands alone.
pub const SMALLEST_BAR: usize = 6;

/// `79.6 %` with a bar of `width` columns; `? of known 78.0 %` where a participant is unknown.
pub fn share(of: &Participant, width: usize, terminal: Terminal) -> Text {
    let number = match of.share {
        Some(share) => Text::plain(format!("{:5.1} %", share * 100.0)),
        // Without its own sum, its part of what is known says nothing.
        None if of.weight_sum.is_none() => Text::styled(WARNING, "?"),
        None => Text::styled(WARNING, "?")
            .and(PLAIN, format!(" of known {:.1} %", of.share_of_known * 100.0)),
    };
    if width == 0 || of.weight_sum.is_none() {
        return number;
    }
    number.and(PLAIN, " ").and(style_of(of), bar(of.share_of_known, width, terminal.unicode))
}

/// The colour of a participant's bar.
fn style_of(of: &Participant) -> Style {
    match of.outcome {
        Some(Outcome::Drained | Outcome::Misrouted | Outcome::Frozen | Outcome::Failing) => ERROR,
        _ if of.kind == ParticipantKind::External => EXTERNAL,
        _ if !of.is_member() => WARNING,
        _ if of.share.is_none() => FAINT,
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
