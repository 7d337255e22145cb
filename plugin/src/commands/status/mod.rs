//! `status`.

mod show;
mod watch;

use std::mem::ManuallyDrop;

use crate::{
    clb::Scope,
    cli::{Format, StatusArgs, StatusTarget},
    error::{Error, Exit},
    input,
    output::Printer,
    request::Request,
};

/// What `status` is asked.
struct StatusQuery {
    /// What it looks at.
    request: Request,
    /// How it answers.
    output: Format,
}

/// Shows what traffic goes where, once or at every change.
pub fn run(args: &StatusArgs, printer: &mut Printer) -> Result<Exit, Error> {
    let query = StatusQuery {
        request: Request { names: service_names(&args.targets)?, ..args.input.request() },
        output: args.output,
    };
    if args.watch {
        return watch::run(&query, printer);
    }
    // The program ends after that: to take a large snapshot apart would only take time.
    let input = ManuallyDrop::new(input::read(&query.request, &Scope::Selected, printer)?);
    show::show(&query, &input, printer)
}

/// The names of the Services that are asked about, each once.
fn service_names(targets: &[StatusTarget]) -> Result<Vec<String>, Error> {
    let mut names: Vec<String> = Vec::new();
    for target in targets {
        match target {
            StatusTarget::Service(name) if names.contains(name) => {}
            StatusTarget::Service(name) => names.push(name.clone()),
            StatusTarget::Clb(clb) => {
                return Err(Error::Usage {
                    message: format!("{clb} is a CLB; status takes Services"),
                    hints: vec![format!("a Service of that name is svc/{clb}")],
                });
            }
        }
    }
    Ok(names)
}
