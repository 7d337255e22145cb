//! `explain`.

use clbmigrate_core::rules::{self, Rule};

use crate::{
    cli::ExplainArgs,
    error::{Error, Exit},
    output::{Printer, human},
};

/// Explains rules, or lists them all.
pub fn run(args: &ExplainArgs, printer: &mut Printer) -> Result<Exit, Error> {
    printer.terminal.has_titles = !args.no_headers;
    let terminal = printer.terminal;
    if args.rules.is_empty() {
        human::rules(rules::catalogue(), terminal, printer.text())?;
        return Ok(Exit::Done);
    }
    let found: Vec<&Rule> = args.rules.iter().map(|id| find(id)).collect::<Result<_, _>>()?;
    for (index, rule) in found.into_iter().enumerate() {
        if index > 0 {
            writeln!(printer.text())?;
        }
        human::rule(rule, terminal, printer.text())?;
    }
    Ok(Exit::Done)
}

fn find(id: &str) -> Result<&'static Rule, Error> {
    rules::find(id).ok_or_else(|| Error::Usage {
        message: format!("{id:?} is no rule"),
        hints: vec!["kubectl clbmigrate explain lists all rules".to_owned()],
    })
}
