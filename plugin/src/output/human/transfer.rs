//! What a change of several sides did.

use std::io::{self, Write};

use crate::output::{
    json::{PartState, TransferReport, TransferState},
    style::{ERROR, FAINT, GOOD, STRONG, Style, Terminal, WARNING},
    text::Text,
};

/// Writes what happens to the traffic where all parts are written, how far each part came, and the
/// state in words.
/// `parts` are the parts in words, `routes` the routes'.
pub fn transfer_report(
    report: &TransferReport,
    parts: &[String],
    routes: &[String],
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let width = terminal.width;
    let complete = [TransferState::Done, TransferState::Unverified, TransferState::DryRun];
    if complete.contains(&report.state) {
        for line in routes {
            Text::styled(STRONG, line).write_lines(out, 0, width)?;
        }
    }
    for (part, line) in report.parts.iter().zip(parts) {
        Text::plain(format!("{line}: "))
            .and(state_style(part.state), state_word(part.state))
            .write_lines(out, 0, width)?;
    }
    let message = match &report.change {
        Some(id) => format!("change {id}: {}", report.message),
        None => report.message.clone(),
    };
    Text::plain(message).write_lines(out, 0, width)
}

fn state_word(state: PartState) -> &'static str {
    match state {
        PartState::Untouched => "not written",
        PartState::Written => "written, not seen in effect",
        PartState::Done => "done",
        PartState::Unverified => "CCM reports success",
        PartState::RolledBack => "as before",
        PartState::Unconfirmed => "taken back, not seen in effect",
        PartState::Left => "written, could not be taken back",
        PartState::Taken => "changed by somebody else",
    }
}

fn state_style(state: PartState) -> Style {
    match state {
        PartState::Done => GOOD,
        PartState::Untouched => FAINT,
        PartState::RolledBack
        | PartState::Unconfirmed
        | PartState::Unverified
        | PartState::Written => WARNING,
        PartState::Left | PartState::Taken => ERROR,
    }
}
