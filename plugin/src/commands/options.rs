//! `options`.

use crate::{
    cli,
    error::{Error, Exit},
    output::Printer,
};

/// Lists the flags that all commands have.
pub fn run(printer: &mut Printer) -> Result<Exit, Error> {
    let options = cli::options(printer.terminal.width);
    write!(printer.text(), "{}", options.ansi())?;
    Ok(Exit::Done)
}
