//! `status`.

mod show;
mod watch;

use std::mem::ManuallyDrop;

use crate::{
    clb::Scope,
    cli::StatusArgs,
    error::{Error, Exit},
    input,
    output::Printer,
};

/// Shows what traffic goes where, once or at every change.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    input::refuse_one_of_several(&args.input)?;
    if args.watch {
        return watch::run(args, printer);
    }
    // The program ends after that: to take a large snapshot apart would only take time.
    let input = ManuallyDrop::new(input::read(&args.input, &Scope::Selected, printer)?);
    show::show(args, &input, printer)
}
