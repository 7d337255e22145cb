//! `completion`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use crate::{
    cli::{Cli, CompletionArgs},
    error::{Error, Exit},
    output::Printer,
};

/// Prints a completion script.
pub fn run(args: &CompletionArgs, printer: &mut Printer) -> Result<Exit, Error> {
    // In one piece: the generators panic where they cannot write.
    let mut script = Vec::new();
    generate(Shell::from(args.shell), &mut Cli::command(), "kubectl-clbmigrate", &mut script);
    printer.data().write_all(&script)?;
    Ok(Exit::Done)
}
