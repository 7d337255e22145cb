//! What somebody sees before a change is written, and the question.

use std::io::{self, IsTerminal};

use super::{PreparedChange, side::ServiceSide};
use crate::{
    document::preview::PreviewAnswer,
    error::Error,
    output::{Printable, Printer},
};

/// Shows the whole preview, on stderr.
pub fn show(preview: &PreviewAnswer, printer: &mut Printer) -> Result<(), Error> {
    let terminal = printer.terminal;
    let detail = printer.detail(false);
    preview.write_text(terminal, detail, printer.stderr())?;
    Ok(())
}

/// Says in a line what the change comes to, and what it brings, on stderr; errors only where nothing
/// else tells them.
pub fn show_brief(
    preview: &PreviewAnswer,
    has_errors: bool,
    printer: &mut Printer,
) -> Result<(), Error> {
    let terminal = printer.terminal;
    preview.write_brief(has_errors, terminal, printer.stderr())?;
    Ok(())
}

/// Says what is about to be written where, and asks; anything but a clear yes ends it. `doubts` are
/// what the user accepts with a yes.
///
/// # Errors
/// Without a terminal to ask on, and without a yes.
pub fn ask(
    change: &PreparedChange<'_>,
    doubts: &[String],
    printer: &mut Printer,
) -> Result<(), Error> {
    require_terminal(printer)?;
    let is_alone = change.sides.len() == 1;
    writeln!(printer.stderr())?;
    for side in change.services() {
        let lines = if is_alone { all_lines(side, change) } else { vec![one_line(side, change)] };
        for line in lines {
            printer.info(&format!("  {line}"));
        }
    }
    for doubt in doubts {
        printer.warning(doubt);
    }
    let stderr = printer.stderr();
    write!(stderr, "Write it? [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    // What cannot be read is no yes.
    io::stdin().read_line(&mut answer).map_err(|_| Error::Aborted)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::Aborted),
    }
}

/// The place and every value of a change of one Service.
fn all_lines(side: &ServiceSide<'_>, change: &PreparedChange<'_>) -> Vec<String> {
    let meta = &side.service_ref.service.metadata;
    let connections = change.session.connections();
    let context = &side.service_ref.cluster.context;
    let connection = connections.iter().find(|known| known.context == *context);
    let line = |name: &str, value: &str| format!("{name:<10} {value}");
    let mut lines = vec![line("context", context.as_deref().unwrap_or("-"))];
    if let Some(connection) = connection {
        lines.push(line("cluster", &format!("{} ({})", connection.cluster, connection.server)));
    }
    lines.push(line("user", &change.session.block_on(side.cluster.whoami())));
    lines.push(line("namespace", meta.namespace()));
    lines.push(line("service", &meta.name));
    for edit in &side.edit.annotations {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        lines.push(line(
            "change",
            &format!("{}: {} -> {}", edit.key, value(&edit.old), value(&edit.new)),
        ));
    }
    if let Some(edit) = &side.edit.service_type {
        let old = edit.old.as_deref().unwrap_or("ClusterIP");
        lines.push(line("change", &format!("type: {old} -> {}", edit.new)));
    }
    lines
}

/// The place of one of several sides.
fn one_line(side: &ServiceSide<'_>, change: &PreparedChange<'_>) -> String {
    let context = &side.service_ref.cluster.context;
    let connections = change.session.connections();
    let place = connections.iter().find(|known| known.context == *context);
    let place = place.map(|of| format!("cluster {} ({}), ", of.cluster, of.server));
    let who = change.session.block_on(side.cluster.whoami());
    format!("{}: {}user {who}", context.as_deref().unwrap_or("-"), place.unwrap_or_default())
}

/// Refuses where nobody sees the question, or can answer it.
fn require_terminal(printer: &mut Printer) -> Result<(), Error> {
    printer.flush()?;
    let end = match (io::stdin().is_terminal(), io::stderr().is_terminal()) {
        (true, true) => return Ok(()),
        (false, _) => "standard input, which would take the answer, is none",
        (true, false) => "standard error, which would show the question, is none",
    };
    Err(Error::Usage {
        message: format!("no terminal to ask on: {end}; nothing was written"),
        hints: vec!["give --yes to write without being asked".to_owned()],
    })
}
