//! What somebody sees before a change is written, and the question.

use std::io::{self, IsTerminal};

use clbmigrate_core::{index::Index, preview::Preview};

use super::Change;
use crate::{
    error::Error,
    output::{Printer, human},
    preview_document,
};

/// Shows the whole preview, apart from the data.
pub fn show(
    change: &Change<'_>,
    indexes: (&Index<'_>, &Index<'_>),
    preview: &Preview<'_>,
    printer: &mut Printer,
) -> Result<(), Error> {
    let document = preview_document::new(indexes, preview);
    let options = human::Options { is_wide: false, has_contexts: false };
    let look = printer.look;
    human::preview(&document, &[change.object()], look, options, printer.talk())?;
    Ok(())
}

/// Says in a line what the change comes to, and what it brings.
pub fn summary(
    indexes: (&Index<'_>, &Index<'_>),
    preview: &Preview<'_>,
    printer: &mut Printer,
) -> Result<(), Error> {
    let document = preview_document::new(indexes, preview);
    let look = printer.look;
    human::preview_summary(&document, look, printer.talk())?;
    Ok(())
}

/// Asks; anything but a clear yes ends it.
pub fn ask(change: &Change<'_>, printer: &mut Printer) -> Result<(), Error> {
    no_terminal(printer)?;
    let connection = change.connection;
    let meta = &change.service_ref.service.metadata;
    let who = change.live.wait_for(connection.whoami());
    let talk = printer.talk();
    writeln!(talk)?;
    let mut line = |name: &str, value: &str| writeln!(talk, "  {name:<10} {value}");
    line("context", connection.context.as_deref().unwrap_or("-"))?;
    line("cluster", &format!("{} ({})", connection.cluster, connection.server))?;
    line("user", &who)?;
    line("namespace", meta.namespace())?;
    line("service", &meta.name)?;
    for edit in &change.plan.edits {
        let value = |value: &Option<String>| value.as_deref().unwrap_or("none").to_owned();
        line("change", &format!("{}: {} -> {}", edit.key, value(&edit.old), value(&edit.new)))?;
    }
    is_confirmed(printer)
}

/// Refuses where there is nobody to ask.
pub fn no_terminal(printer: &mut Printer) -> Result<(), Error> {
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
pub fn is_confirmed(printer: &mut Printer) -> Result<(), Error> {
    let talk = printer.talk();
    write!(talk, "Write it? [y/N] ")?;
    talk.flush()?;
    let mut answer = String::new();
    // What cannot be read is no yes.
    io::stdin().read_line(&mut answer).map_err(|_| Error::Aborted)?;
    match answer.trim().to_lowercase().as_str() {
        "y" | "yes" => Ok(()),
        _ => Err(Error::Aborted),
    }
}
