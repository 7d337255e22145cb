//! Answers as text for people: tables, bars and sentences.

mod change;
mod clb;
mod deregistration;
mod explain;
mod findings;
mod not_looked;
mod preview;
mod preview_lines;
mod shares;
mod status;
mod traffic;
mod transfer;
mod unknown;
mod webhook;

use std::io::{self, Write};

use clbmigrate_core::{finding::Severity, rules::Language};

use super::{
    json::Object,
    printable::Detail,
    style::{PLAIN, Terminal, severity_style},
    text::Text,
};

pub use change::change_report;
pub use clb::load_balancers;
pub use explain::{rule, rules};
pub use findings::{CheckScope, check};
pub use not_looked::RuleCount;
pub use preview::{preview, preview_brief};
pub use preview_lines::label;
pub use status::status;
pub use traffic::ChangedServices;
pub use transfer::transfer_report;
pub use webhook::webhook;

/// How much a table shows.
#[derive(Debug, Clone, Copy)]
pub struct TableOptions {
    /// Which columns are shown, and what is listed.
    pub detail: Detail,
    /// Whether the snapshot has several clusters, so that names need their context.
    pub has_contexts: bool,
    /// Whether clusters were read, not files.
    pub is_live: bool,
}

/// `Service shop/web (a)`.
fn name_of(object: &Object) -> String {
    let namespace = object.namespace.as_ref().map(|namespace| format!("{namespace}/"));
    let context = object.context.as_ref().map(|context| format!(" ({context})"));
    let Object { kind, name, .. } = object;
    format!("{kind} {}{name}{}", namespace.unwrap_or_default(), context.unwrap_or_default())
}

/// Writes the parts of a heading three spaces apart, as many a line as fit, and none broken but one
/// that is too long for any line.
fn write_parts(
    parts: impl IntoIterator<Item = Text>,
    terminal: Terminal,
    out: &mut dyn Write,
) -> io::Result<()> {
    let room = terminal.width.unwrap_or(usize::MAX);
    let write = |line: &Text, indent: usize, out: &mut dyn Write| {
        let fits = indent + line.width() <= room;
        line.write_lines(out, indent, terminal.width.filter(|_| !fits))
    };
    let mut line = Text::default();
    let mut indent = 0;
    for part in parts {
        if line.is_empty() {
            line = part;
        } else if indent + line.width() + 3 + part.width() <= room {
            line = line.and(PLAIN, "   ").join(part);
        } else {
            write(&line, indent, out)?;
            indent = 2;
            line = part;
        }
    }
    write(&line, indent, out)
}

fn severity_word(severity: Severity, language: Language) -> Text {
    Text::styled(severity_style(severity), severity.name(language))
}
