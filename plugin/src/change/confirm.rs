//! What somebody sees before a change is written, and the question.

use std::io::{self, IsTerminal};

use super::Change;
use crate::{
    document::preview::PreviewAnswer,
    error::Error,
    output::{Printable, Printer},
};

/// Shows the whole preview, on stderr.
pub fn show(preview: &PreviewAnswer, printer: &mut Printer) -> Result<(), Error> {
    let terminal = printer.terminal;
    preview.write_text(terminal, false, printer.stderr())?;
    Ok(())
}

/// Says in a line what the change comes to, and what it brings, on stderr.
pub fn show_brief(preview: &PreviewAnswer, printer: &mut Printer) -> Result<(), Error> {
    let terminal = printer.terminal;
    preview.write_brief(terminal, printer.stderr())?;
    Ok(())
}

/// Says what is about to be written where, and asks; anything but a clear yes ends it.
pub fn ask(change: &Change<'_>, printer: &mut Printer) -> Result<(), Error> {
    require_terminal(printer)?;
    let connection = change.connection;
    let meta = &change.service_ref.service.metadata;
    let who = change.session.block_on(connection.whoami());
    let stderr = printer.stderr();
    writeln!(stderr)?;
    let mut line = |name: &str, value: &str| writeln!(stderr, "  {name:<10} {value}");
    line("context", connection.context.as_deref().unwrap_or("-"))?;
    line("cluster", &format!("{} ({})", connection.cluster, connection.server))?;
    line("user", &who)?;
    line("namespace", meta.namespace())?;
    line("service", &meta.name)?;
    for edit in &change.plan.edits {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        line("change", &format!("{}: {} -> {}", edit.key, value(&edit.old), value(&edit.new)))?;
    }
    ask_confirmation(printer)
}

/// Refuses where there is nobody to ask.
pub fn require_terminal(printer: &mut Printer) -> Result<(), Error> {
    printer.flush()?;
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Error::Usage {
        message: "no terminal to ask on; nothing was written".to_owned(),
        hints: vec!["give --yes to write without being asked".to_owned()],
    })
}

/// Asks; anything but a clear yes ends it.
pub fn ask_confirmation(printer: &mut Printer) -> Result<(), Error> {
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
