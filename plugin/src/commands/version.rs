//! `version`.

use clbmigrate_core::rules;

use crate::{
    error::{Error, Exit},
    output::Printer,
};

/// The release of CCM whose behaviour is modelled.
const CCM: &str = "2.14";

/// Prints the version.
pub fn run(printer: &mut Printer) -> Result<Exit, Error> {
    let rules = rules::catalogue().count();
    writeln!(printer.text(), "kubectl-clbmigrate {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(printer.text(), "models CCM {CCM}, {rules} rules")?;
    Ok(Exit::Done)
}
